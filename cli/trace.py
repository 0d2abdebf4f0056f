"""`conserje trace`: the way of one message and the time each hop took."""

import argparse
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from conserje.messaging.v1.messaging_service_pb2 import TraceMessageRequest, TraceMessageResponse
from conserje.messaging.v1.messaging_service_pb2_grpc import MessagingServiceStub

from cli.asking import SECONDS, asks


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser(
        "trace",
        description=(
            "Tells what happened to a message and how long each hop took, as the rows of inbox, "
            "effects and outbox have it; no tracing backend is needed."
        ),
    )
    command.add_argument("subject", metavar="WAMID|CODE", help="a wamid or a reservation code")
    asks(command, "messaging", MessagingServiceStub, _trace)


def _trace(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    yield from table(stub.TraceMessage(_request(options.subject), timeout=SECONDS))


def table(answer: TraceMessageResponse) -> Iterator[str]:
    """Head and one line for each hop: since the start, since the hop before, what, details."""
    yield f"hotel  {answer.tenant_id or '(not resolved)'}"
    if answer.trace_id:
        yield f"trace  {answer.trace_id}"
    if answer.conversation_id:
        yield f"conversation  {answer.conversation_id}"
    times = [hop.time.ToDatetime() for hop in answer.hops]
    width = max((len(hop.name) for hop in answer.hops), default=0)
    if times:
        yield f"start  {times[0]:%Y-%m-%d %H:%M:%S.%f}Z"
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
