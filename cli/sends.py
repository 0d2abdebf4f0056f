"""`conserje sends`: messages of which nobody knows whether WhatsApp took them."""

import argparse

import grpc
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)

from cli import failures
from cli.channels import open_channel
from cli.places import need_target
from cli.user import user

SECONDS = 10
VERDICTS = {
    "received": pb.SEND_VERDICT_RECEIVED,
    "not-received": pb.SEND_VERDICT_NOT_RECEIVED,
}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its two verbs."""
    command = commands.add_parser("sends", help="messages whose outcome is unknown")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="a hotel's unknown sends, the oldest first")
    listing.set_defaults(run=run_list)
    settle = verbs.add_parser(
        "settle",
        help="say whether the guest got one",
        description="What the guest got is sent; what the guest did not get goes once more.",
    )
    settle.set_defaults(run=run_settle)
    for verb in (listing, settle):
        verb.add_argument("tenant", metavar="TENANT", help="the hotel's id")
        verb.add_argument("--target", default="", metavar="HOST:PORT", help="messaging's address")
    settle.add_argument("send", metavar="ID", help="the send's id")
    settle.add_argument("attempt", metavar="ATTEMPT", type=int, help="which attempt, as listed")
    settle.add_argument("verdict", choices=VERDICTS, help="whether the guest got it")
    settle.add_argument("--actor", default=user(), metavar="NAME", help="who says so; you")


def run_list(options: argparse.Namespace) -> int:
    """Prints page after page."""
    target = need_target("messaging", options.target)
    request = pb.ListUnknownSendsRequest(tenant_id=options.tenant)
    with open_channel(target) as channel:
        stub = MessagingOperationsServiceStub(channel)
        try:
            while True:
                page = stub.ListUnknownSends(request, timeout=SECONDS)
                for send in page.sends:
                    print(line(send))
                if not page.next_page_token:
                    return 0
                request.page_token = page.next_page_token
        except grpc.RpcError as error:
            return failures.tell(error, target)


def run_settle(options: argparse.Namespace) -> int:
    """Tells what became of one."""
    target = need_target("messaging", options.target)
    request = pb.SettleSendRequest(
        tenant_id=options.tenant,
        send_id=options.send,
        attempt_count=options.attempt,
        verdict=VERDICTS[options.verdict],
        actor_id=options.actor,
    )
    with open_channel(target) as channel:
        try:
            MessagingOperationsServiceStub(channel).SettleSend(request, timeout=SECONDS)
        except grpc.RpcError as error:
            return failures.tell(error, target)
    return 0


def line(send: pb.UnknownSend) -> str:
    """One send."""
    left = f"{send.send_time.ToDatetime():%Y-%m-%d %H:%M:%S}"
    waits = "waits for a person" if send.waits_for_person else "waits for a status"
    return (
        f"{send.send_id}  {left}  {send.kind}  attempt {send.attempt_count}  {send.detail}  "
        f"{waits}  conversation {send.conversation_id}"
    )
