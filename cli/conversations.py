"""`conserje conversations`: whom a hotel has talked with, and what came of it."""

import argparse
from collections.abc import Iterator
from typing import Any

from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)

from cli.asking import add_hotel, asks, or_else, pages
from cli.guest import name_by_number, named
from cli.times import second


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its verb."""
    command = commands.add_parser("conversations")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = verbs.add_parser(
        "list",
        help="a hotel's conversations, the newest first",
        description=(
            "Each with its id, the end of the guest's number, when it was led on last, what it has "
            "come to, and until when the guest may be written to freely. No word of it is told."
        ),
    )
    add_hotel(listing)
    name_by_number(listing, listing.add_mutually_exclusive_group())
    asks(listing, "messaging", MessagingOperationsServiceStub, _list)


@or_else("no conversations")
def _list(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = named(pb.ListConversationsRequest(tenant_id=options.tenant_id), options)
    for page in pages(stub.ListConversations, request):
        yield from map(line, page.conversations)


def line(one: pb.Conversation) -> str:
    """One conversation."""
    state = pb.ConversationState.Name(one.state).removeprefix("CONVERSATION_STATE_")
    told = (
        f"{one.conversation_id:>12}  {one.masked_guest}  to {one.phone_number_id}  "
        f"{second(one.update_time)}  {state.lower().replace('_', ' '):<15}  "
        f"{one.language_code or '-'}  window {'open' if one.window_open else 'shut'}"
    )
    if one.HasField("window_close_time"):
        told += f" {'until' if one.window_open else 'since'} {second(one.window_close_time)}"
    return told
