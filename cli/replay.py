"""`conserje replay`: one conversation, led over what came in once more."""

import argparse

import grpc
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)

from cli import failures
from cli.asking import add_hotel, number, refuse_missing
from cli.channels import open_channel
from cli.places import need_target
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
    command.add_argument("--target", default="", metavar="HOST:PORT", help="address of messaging")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints what came of it."""
    target = need_target("messaging", options.target)
    request = pb.ReplayConversationRequest(
        tenant_id=options.tenant_id, conversation_id=options.conversation_id
    )
    with open_channel(target) as channel:
        stub = MessagingOperationsServiceStub(channel)
        try:
            replayed = stub.ReplayConversation(request, timeout=SECONDS)
        except grpc.RpcError as error:
            refuse_missing(error, options)
            return failures.tell(error, target)
    since = second(replayed.first_step_time)
    print(f"steps     {replayed.step_count}, the first of {since}")
    print(f"replayed  {replayed.replayed_hash.hex()}")
    print(f"live      {replayed.live_hash.hex()}")
    print(_verdict(replayed))
    return int(replayed.HasField("difference"))


def _verdict(replayed: pb.ReplayConversationResponse) -> str:
    if not replayed.HasField("difference"):
        return "same"
    found = replayed.difference
    if not found.step:
        return f"DIFFERS   in what is stored now: {', '.join(found.state_parts)}"
    when = second(found.step_time)
    how = f"ends with {found.error}" if found.error else "comes to another state"
    return f"DIFFERS   step {found.step} of {when} {how}"
