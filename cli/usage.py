"""`conserje usage`: what Meta bills a hotel for, and how much of it is expected."""

import argparse
from collections.abc import Iterator
from datetime import date
from typing import Any

from conserje.messaging.v1 import usage_service_pb2 as pb
from conserje.messaging.v1.usage_service_pb2_grpc import UsageServiceStub

from cli.asking import SECONDS, add_hotel, asks
from cli.hotel_check import known_hotel, refuse_unknown
from cli.places import UsageError


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its verbs."""
    command = commands.add_parser("usage")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    show = verbs.add_parser("show", help="a month's messages, free and billable")
    cap = verbs.add_parser("cap", help="say how many billable messages a month are expected")
    for verb, act in ((show, _show), (cap, _cap)):
        add_hotel(verb)
        asks(verb, "messaging", UsageServiceStub, act)
    show.add_argument("--month", default="", metavar="YYYY-MM", help="without it the one that is")
    cap.add_argument("cap_count", type=int, metavar="COUNT", help="how many; 0 for no cap")
    cap.add_argument(
        "--time-zone", required=True, metavar="ZONE", help="of the business account, as Meta shows"
    )


def _show(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.GetUsageRequest(tenant_id=options.tenant_id)
    if options.month:
        try:
            first = date.fromisoformat(f"{options.month}-01")
        except ValueError:
            raise UsageError("--month is written like 2026-11.") from None
        request.month.year, request.month.month, request.month.day = first.timetuple()[:3]
    usage = stub.GetUsage(request, timeout=SECONDS)
    for number in usage.numbers:
        for count in number.counts:
            yield (
                f"{number.phone_number_id}  {count.category}  {count.pricing_type}  "
                f"{count.message_count}"
            )
        yield (
            f"{number.phone_number_id}  billable {number.billable_count}  "
            f"free ones left {number.free_left_count}"
        )
    if not usage.numbers and not usage.cap_count:
        refuse_unknown(options.tenant_id, options.target)
    cap = f"of {usage.cap_count} expected" if usage.cap_count else "no cap"
    month = f"{usage.month.year}-{usage.month.month:02}"
    yield f"{month} ({usage.time_zone})  billable {usage.billable_count}, {cap}"


def _cap(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    # A hotel need not have a number, so that messaging may know nothing of it yet.
    known_hotel(options.tenant_id, options.target)
    request = pb.SetUsageCapRequest(
        tenant_id=options.tenant_id, cap_count=options.cap_count, time_zone=options.time_zone
    )
    stub.SetUsageCap(request, timeout=SECONDS)
    expected = f"{options.cap_count} a month are expected" if options.cap_count else "no cap"
    yield f"{options.tenant_id}: {expected}, counted in {options.time_zone}"
