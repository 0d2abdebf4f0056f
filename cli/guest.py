"""`conserje guest`: what a hotel has of one guest."""

import argparse
from collections.abc import Iterator
from typing import Any

from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)

from cli import meant
from cli.asking import SECONDS, add_hotel, asks, number
from cli.counts import counted
from cli.hotel_check import refuse_unknown
from cli.places import UsageError


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its verb."""
    command = commands.add_parser("guest")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    erase = verbs.add_parser(
        "erase",
        help="forget a guest for good",
        description=(
            "Erases what the guest wrote and was sent, files, conversation and names. Reservations "
            "stay: they are the booking service's. A guest who is still to be told whether the "
            "hotel's own system agrees to one is not erased. It cannot be undone."
        ),
    )
    add_hotel(erase)
    name_guest(erase)
    erase.add_argument(
        "--forced", action="store_true", help="also who is still to be told what the hotel says"
    )
    meant.add_yes(erase)
    asks(erase, "messaging", MessagingOperationsServiceStub, _erase)


def name_guest(verb: argparse.ArgumentParser) -> None:
    """Adds the ways in which a guest is named."""
    guest = verb.add_mutually_exclusive_group(required=True)
    name_by_id(guest)
    name_by_number(verb, guest)


def name_by_id(guest: Any, *, required: bool = False) -> None:
    """Adds the conversation's id to a command, or to the group of ways of which one is given."""
    guest.add_argument(
        "--conversation",
        dest="conversation_id",
        type=number,
        metavar="ID",
        required=required,
        help="the conversation's id",
    )


def name_by_number(verb: argparse.ArgumentParser, guest: Any) -> None:
    """Adds the ways that need no id; `guest` is the group of which one is given."""
    guest.add_argument(
        "--guest", dest="whatsapp_id", metavar="DIGITS", help="the guest's number; needs --number"
    )
    guest.add_argument("--user-id", metavar="ID", help="the guest's user id; needs --number")
    verb.add_argument(
        "--number",
        dest="phone_number_id",
        default="",
        metavar="ID",
        help="Meta's id of the hotel's number",
    )


def named(request: Any, options: argparse.Namespace) -> Any:
    """The request, about the guest that was named."""
    if getattr(options, "conversation_id", None):
        request.conversation_id = options.conversation_id
    elif options.whatsapp_id:
        request.whatsapp_id = options.whatsapp_id
    elif options.user_id:
        request.user_id = options.user_id
    if (options.whatsapp_id or options.user_id) and not options.phone_number_id:
        raise UsageError("a guest is found by --number as well: Meta's id of the hotel's number.")
    request.phone_number_id = options.phone_number_id
    return request


def _erase(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = named(
        pb.EraseGuestRequest(tenant_id=options.tenant_id, forced=options.forced), options
    )
    guest = str(options.conversation_id or options.whatsapp_id or options.user_id)
    warning = f"All that {options.tenant_id} has of the guest goes for good."
    refuse_unknown(options.tenant_id, options.target)
    meant.ask(options, guest, done="erased", warning=warning)
    erased = stub.EraseGuest(request, timeout=SECONDS)
    theirs = counted(erased.item_count, "message")
    yield f"erased: {theirs} of the guest, {erased.message_count} of ours"
