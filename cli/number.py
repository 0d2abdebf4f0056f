"""`conserje number`: the WhatsApp numbers of a hotel."""

import argparse
from collections.abc import Iterator
from typing import Any

from conserje.tenant.v1 import tenant_service_pb2 as pb
from conserje.tenant.v1.tenant_pb2 import WhatsAppNumber

from cli.asking import SECONDS
from cli.tenant import describe
from cli.tenant_verbs import add_hotel, add_verb


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser("number", help="the WhatsApp numbers of a hotel")
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    adding = add_verb(verbs, "add", "give a hotel a number", _add)
    removing = add_verb(verbs, "remove", "take a number from a hotel", _remove)
    for verb in (adding, removing):
        add_hotel(verb)
        verb.add_argument("phone_number_id", metavar="NUMBER", help="Meta's id of the number")
    adding.add_argument(
        "--account", required=True, metavar="ID", help="the WhatsApp business account it is under"
    )
    adding.add_argument("--display", default="", metavar="TEXT", help="as the hotel prints it")


def _add(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    number = WhatsAppNumber(
        phone_number_id=options.phone_number_id,
        whatsapp_business_account_id=options.account,
        display_phone_number=options.display,
    )
    request = pb.AddNumberRequest(tenant_id=options.tenant_id, number=number)
    yield describe(stub.AddNumber(request, timeout=SECONDS).tenant)


def _remove(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.RemoveNumberRequest(
        tenant_id=options.tenant_id, phone_number_id=options.phone_number_id
    )
    yield describe(stub.RemoveNumber(request, timeout=SECONDS).tenant)
