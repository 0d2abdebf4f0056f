"""`conserje sends`: messages whose outcome nobody knows, and those that wait for their guest."""

import argparse
from collections.abc import Iterator
from typing import Any

from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)

from cli.asking import SECONDS, add_hotel, asks, or_else, pages
from cli.times import second
from cli.user import user

VERDICTS = {
    "received": pb.SEND_VERDICT_RECEIVED,
    "not-received": pb.SEND_VERDICT_NOT_RECEIVED,
}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its verbs."""
    command = commands.add_parser("sends")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="a hotel's unknown sends, the oldest first")
    settle = verbs.add_parser(
        "settle",
        help="say whether the guest got one",
        description="What the guest got is sent; what the guest did not get goes once more.",
    )
    held = verbs.add_parser("held", help="what waits for guests to write, the oldest first")
    drop = verbs.add_parser("drop", help="give up one that waits")
    acts = ((listing, _list), (settle, _settle), (held, _held), (drop, _drop))
    for verb, act in acts:
        add_hotel(verb)
        asks(verb, "messaging", MessagingOperationsServiceStub, act)
    for verb in (settle, drop):
        verb.add_argument("send_id", metavar="ID", help="the send's id")
    settle.add_argument(
        "attempt_count", metavar="ATTEMPT", type=int, help="which attempt, as listed"
    )
    settle.add_argument(
        "verdict",
        choices=VERDICTS,
        metavar="VERDICT",
        help=f"whether the guest got it: {' or '.join(VERDICTS)}",
    )
    settle.add_argument(
        "--actor", dest="actor_id", default=user(), metavar="NAME", help="who says so; you"
    )


@or_else("no sends of unknown outcome")
def _list(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.ListUnknownSendsRequest(tenant_id=options.tenant_id)
    for page in pages(stub.ListUnknownSends, request):
        yield from map(line, page.sends)


def _settle(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.SettleSendRequest(
        tenant_id=options.tenant_id,
        send_id=options.send_id,
        attempt_count=options.attempt_count,
        verdict=VERDICTS[options.verdict],
        actor_id=options.actor_id,
    )
    stub.SettleSend(request, timeout=SECONDS)
    yield f"settled 1: {options.send_id} is told as {options.verdict}"


@or_else("no messages are held")
def _held(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.ListHeldSendsRequest(tenant_id=options.tenant_id)
    for page in pages(stub.ListHeldSends, request):
        yield from map(held_line, page.sends)


def _drop(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.DropHeldSendRequest(tenant_id=options.tenant_id, send_id=options.send_id)
    stub.DropHeldSend(request, timeout=SECONDS)
    yield f"dropped 1: {options.send_id} is given up for good"


def held_line(send: pb.HeldSend) -> str:
    """One that waits."""
    written = second(send.create_time)
    return (
        f"{send.send_id}  {written}  {send.kind}  {send.reason} {send.error_code}  "
        f"conversation {send.conversation_id}"
    )


def line(send: pb.UnknownSend) -> str:
    """One send."""
    left = second(send.send_time)
    waits = "waits for a person" if send.waits_for_person else "waits for a status"
    return (
        f"{send.send_id}  {left}  {send.kind}  attempt {send.attempt_count}  {send.detail}  "
        f"{waits}  conversation {send.conversation_id}"
    )
