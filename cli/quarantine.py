"""`conserje quarantine`: what belongs to no hotel, and the way back for it."""

import argparse
from collections.abc import Iterator
from typing import Any

from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)
from google.protobuf import json_format

from cli.asking import SECONDS, asks, or_else, pages
from cli.times import second


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its two verbs."""
    command = commands.add_parser("quarantine")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="what is kept aside, the oldest first")
    listing.add_argument(
        "--number",
        dest="phone_number_id",
        default="",
        metavar="ID",
        help="only of this phone_number_id",
    )
    listing.add_argument(
        "--show", action="store_true", help="with the items themselves and what guests wrote"
    )
    release = verbs.add_parser("release", help="hand a number's messages back to the inbox")
    release.add_argument(
        "phone_number_id", metavar="ID", help="the phone_number_id, registered by now"
    )
    for verb, act in ((listing, _list), (release, _release)):
        asks(verb, "messaging", MessagingOperationsServiceStub, act)


@or_else("nothing is in the quarantine")
def _list(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.ListQuarantineRequest(
        phone_number_id=options.phone_number_id, include_events=options.show
    )
    for page in pages(stub.ListQuarantine, request):
        for item in page.items:
            yield from lines(item)


def _release(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.ReleaseQuarantineRequest(phone_number_id=options.phone_number_id)
    count, more = 0, True
    while more:
        answer = stub.ReleaseQuarantine(request, timeout=SECONDS)
        count, more = count + answer.release_count, answer.more
    yield f"released {count}"


def lines(item: pb.QuarantinedItem) -> Iterator[str]:
    """One line, and the item as JSON below it where it was asked for."""
    came = second(item.arrive_time)
    number = item.phone_number_id or "-"
    account = item.whatsapp_business_account_id or "-"
    stays = "" if item.releasable else "  stays"
    yield (
        f"{item.quarantine_id:>8}  {came}  {item.reason:<14}  number {number}  "
        f"account {account}  {item.size_bytes} bytes{stays}"
    )
    if item.HasField("event"):
        yield json_format.MessageToJson(item.event, preserving_proto_field_name=True)
