"""`conserje quarantine`: what belongs to no hotel, and the way back for it."""

import argparse
from collections.abc import Iterator

import grpc
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)
from google.protobuf import json_format

from cli import failures
from cli.channels import open_channel
from cli.places import need_target

SECONDS = 10


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its two verbs."""
    command = commands.add_parser("quarantine", help="items that belong to no hotel")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="what is kept aside, the oldest first")
    listing.add_argument("--number", default="", metavar="ID", help="only of this phone_number_id")
    listing.add_argument(
        "--show", action="store_true", help="with the items themselves and what guests wrote"
    )
    listing.set_defaults(run=run_list)
    release = verbs.add_parser("release", help="hand a number's messages back to the inbox")
    release.add_argument("number", metavar="ID", help="the phone_number_id, registered by now")
    release.set_defaults(run=run_release)
    for verb in (listing, release):
        verb.add_argument("--target", default="", metavar="HOST:PORT", help="messaging's address")


def run_list(options: argparse.Namespace) -> int:
    """Prints page after page."""
    target = need_target("messaging", options.target)
    request = pb.ListQuarantineRequest(phone_number_id=options.number, include_events=options.show)
    with open_channel(target) as channel:
        stub = MessagingOperationsServiceStub(channel)
        try:
            while True:
                page = stub.ListQuarantine(request, timeout=SECONDS)
                for item in page.items:
                    print("\n".join(lines(item)))
                if not page.next_page_token:
                    return 0
                request.page_token = page.next_page_token
        except grpc.RpcError as error:
            return failures.tell(error, target)


def run_release(options: argparse.Namespace) -> int:
    """Releases all there is."""
    target = need_target("messaging", options.target)
    request = pb.ReleaseQuarantineRequest(phone_number_id=options.number)
    count, more = 0, True
    with open_channel(target) as channel:
        stub = MessagingOperationsServiceStub(channel)
        try:
            while more:
                answer = stub.ReleaseQuarantine(request, timeout=SECONDS)
                count, more = count + answer.release_count, answer.more
        except grpc.RpcError as error:
            return failures.tell(error, target)
    print(f"released {count}")
    return 0


def lines(item: pb.QuarantinedItem) -> Iterator[str]:
    """One line, and the item as JSON below it where it was asked for."""
    came = f"{item.arrive_time.ToDatetime():%Y-%m-%d %H:%M:%S}"
    number = item.phone_number_id or "-"
    account = item.whatsapp_business_account_id or "-"
    stays = "" if item.releasable else "  stays"
    yield (
        f"{item.quarantine_id:>8}  {came}  {item.reason:<14}  number {number}  "
        f"account {account}  {item.size_bytes} bytes{stays}"
    )
    if item.HasField("event"):
        yield json_format.MessageToJson(item.event, preserving_proto_field_name=True)
