"""`conserje replay`: one conversation, led over what came in once more."""

import argparse
from collections.abc import Iterator

from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)

from cli.asking import SaidNoError, add_hotel, asks, number
from cli.times import second

SECONDS = 60


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser(
        "replay",
        description=(
            "Takes the archived messages of the last days and the answers that commands had, leads "
            "the conversation over them inside the messaging service, and tells whether it ends "
            "where the conversation stands. It sends and calls nothing. Ends with 1 when they "
            "differ."
        ),
    )
    add_hotel(command)
    command.add_argument("conversation_id", type=number, metavar="ID", help="the conversation's id")
    asks(command, "messaging", MessagingOperationsServiceStub, _replay)


def _replay(stub: MessagingOperationsServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = pb.ReplayConversationRequest(
        tenant_id=options.tenant_id, conversation_id=options.conversation_id
    )
    replayed = stub.ReplayConversation(request, timeout=SECONDS)
    since = second(replayed.first_step_time)
    yield f"steps     {replayed.step_count}, the first of {since}"
    yield f"replayed  {replayed.replayed_hash.hex()}"
    yield f"live      {replayed.live_hash.hex()}"
    yield _verdict(replayed)
    if replayed.HasField("difference"):
        raise SaidNoError


def _verdict(replayed: pb.ReplayConversationResponse) -> str:
    if not replayed.HasField("difference"):
        return "same"
    found = replayed.difference
    if not found.step:
        return f"DIFFERS   in what is stored now: {', '.join(found.state_parts)}"
    when = second(found.step_time)
    how = f"ends with {found.error}" if found.error else "comes to another state"
    return f"DIFFERS   step {found.step} of {when} {how}"
