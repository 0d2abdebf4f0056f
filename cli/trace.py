"""`conserje trace`: the way of one message and the time each hop took."""

import argparse
from collections.abc import Iterator
from datetime import datetime

import grpc
from conserje.messaging.v1.messaging_service_pb2 import TraceMessageRequest, TraceMessageResponse
from conserje.messaging.v1.messaging_service_pb2_grpc import MessagingServiceStub

from cli import failures
from cli.channels import open_channel
from cli.places import need_target


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser(
        "trace",
        help="one message's way through the mesh",
        description=(
            "Tells what happened to a message and how long each hop took, as the rows of inbox, "
            "effects and outbox have it; no tracing backend is needed."
        ),
    )
    command.add_argument("subject", metavar="WAMID|CODE", help="a wamid or a reservation code")
    command.add_argument("--target", default="", metavar="HOST:PORT", help="messaging's address")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Asks messaging and prints a table."""
    target = need_target("messaging", options.target)
    with open_channel(target) as channel:
        try:
            answer = MessagingServiceStub(channel).TraceMessage(
                _request(options.subject), timeout=10
            )
        except grpc.RpcError as error:
            return failures.tell(error, target)
    print("\n".join(table(answer)))
    return 0


def table(answer: TraceMessageResponse) -> Iterator[str]:
    """Head and one line for each hop: since the start, since the hop before, what, details."""
    yield f"hotel  {answer.tenant_id or '(not resolved)'}"
    if answer.trace_id:
        yield f"trace  {answer.trace_id}"
    times = [hop.time.ToDatetime() for hop in answer.hops]
    width = max((len(hop.name) for hop in answer.hops), default=0)
    if times:
        yield f"start  {times[0]:%Y-%m-%d %H:%M:%S.%f} UTC"
        yield ""
        yield f"{'since start':>13}  {'this hop':>11}  what"
    before = times[0] if times else None
    for hop, time in zip(answer.hops, times, strict=True):
        spent = _milliseconds(before, time)
        line = (
            f"{_milliseconds(times[0], time):>13}  {spent:>11}  {hop.name:<{width}}  {hop.detail}"
        )
        yield line.rstrip()
        before = time


def _request(subject: str) -> TraceMessageRequest:
    if subject.startswith("wamid."):
        return TraceMessageRequest(whatsapp_message_id=subject)
    return TraceMessageRequest(confirmation_code=subject)


def _milliseconds(since: datetime | None, until: datetime) -> str:
    return f"{(until - (since or until)).total_seconds() * 1000:.1f} ms"
