"""`conserje number`: what a hotel is found by: its WhatsApp numbers, and other identifiers."""

import argparse
from collections.abc import Iterator
from typing import Any

from conserje.tenant.v1 import tenant_service_pb2 as pb
from conserje.tenant.v1.identifier_pb2 import (
    IDENTIFIER_KIND_EMAIL,
    IDENTIFIER_KIND_GUEST_PHONE,
    IDENTIFIER_KIND_WHATSAPP_BUSINESS_ACCOUNT,
    IDENTIFIER_KIND_WHATSAPP_PHONE,
    Identifier,
    IdentifierKind,
)
from conserje.tenant.v1.tenant_pb2 import (
    THROUGHPUT_TIER_COEXISTENCE,
    THROUGHPUT_TIER_HIGH,
    THROUGHPUT_TIER_STANDARD,
    THROUGHPUT_TIER_UNSPECIFIED,
    WhatsAppNumber,
)
from google.protobuf.field_mask_pb2 import FieldMask

from cli import number_verify
from cli.asking import SECONDS, add_hotel, or_else, pages
from cli.places import UsageError
from cli.tenant import describe
from cli.tenant_verbs import add_verb

_KINDS = {
    "phone": (IDENTIFIER_KIND_WHATSAPP_PHONE, "PHONE", "a WhatsApp business number"),
    "waba": (
        IDENTIFIER_KIND_WHATSAPP_BUSINESS_ACCOUNT,
        "ID",
        "a WhatsApp business account, for what comes about it and not to a number",
    ),
    "email": (IDENTIFIER_KIND_EMAIL, "ADDRESS", "an e-mail address"),
    "guest": (
        IDENTIFIER_KIND_GUEST_PHONE,
        "PHONE",
        "a guest who is this hotel's when he writes to a shared number",
    ),
}
_TIERS = {
    "standard": THROUGHPUT_TIER_STANDARD,
    "high": THROUGHPUT_TIER_HIGH,
    "coexistence": THROUGHPUT_TIER_COEXISTENCE,
    "default": THROUGHPUT_TIER_UNSPECIFIED,
}
_TIER_NAMES = {tier: name for name, tier in _TIERS.items()}
_EPILOG = """examples:
  conserje number add casa-azul 100000000000031 --account 200000000000031
  conserje number edit casa-azul 100000000000031 --tier high --graph-version v26.0
  conserje number add casa-azul --phone "+52 55 1234 5678"
  conserje number add casa-azul --email front@casa-azul.example
  conserje number move casa-azul 100000000000031 --to casa-roja
  conserje number list casa-azul
"""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser(
        "number",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    adding = add_verb(verbs, "add", "give a hotel a number or another identifier", _add)
    moving = add_verb(verbs, "move", "give another hotel what one has, at once", _move)
    removing = add_verb(verbs, "remove", "take a number or another identifier away", _remove)
    for verb in (adding, moving, removing):
        add_hotel(verb)
        _add_identifiers(verb)
    add_hotel(add_verb(verbs, "list", "all that a hotel is found by", _list))
    verify = verbs.add_parser("verify", help="ask Meta whether a number is set up as it has to be")
    number_verify.add_to(verify)
    moving.add_argument(
        "--to", required=True, metavar="HOTEL", dest="to_tenant_id", help="the hotel that gets it"
    )
    for verb, purpose in (
        (adding, "it is under; needed with a NUMBER"),
        (moving, "a NUMBER is under from then on, when that is another one"),
    ):
        verb.add_argument(
            "--account",
            dest="whatsapp_business_account_id",
            default="",
            metavar="ID",
            help=f"the WhatsApp business account {purpose}",
        )
    editing = add_verb(verbs, "edit", "change how a number is printed or sent from", _edit)
    add_hotel(editing)
    editing.add_argument("phone_number_id", metavar="NUMBER", help="Meta's id of the number")
    for verb in (adding, editing):
        _add_changeable(verb)
    adding.add_argument(
        "--shared", action="store_true", help="guests of other hotels write to the NUMBER too"
    )


def _add_changeable(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--display",
        dest="display_phone_number",
        metavar="TEXT",
        help="a NUMBER as the hotel prints it",
    )
    verb.add_argument(
        "--tier",
        choices=_TIERS,
        help="how fast Meta lets a NUMBER send: 80 messages a second, 1,000 after its upgrade, 20"
        " while it is used in the Business app too; default: as the installation says",
    )
    verb.add_argument(
        "--graph-version",
        metavar="VERSION",
        help='of the Graph API to send with from a NUMBER, such as v26.0; "": the installation\'s',
    )


def _add_identifiers(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "phone_number_id", metavar="NUMBER", nargs="?", help="Meta's id of a WhatsApp number"
    )
    for name, (_, metavar, help) in _KINDS.items():
        verb.add_argument(f"--{name}", metavar=metavar, help=f"instead of a NUMBER: {help}")


def _add(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    identifier = _identifier(options)
    if identifier is not None:
        if options.whatsapp_business_account_id or options.shared or _changed(options):
            raise UsageError(
                "--account, --display, --tier, --graph-version and --shared are of a NUMBER"
            )
        request = pb.AddIdentifierRequest(tenant_id=options.tenant_id, identifier=identifier)
        yield describe(stub.AddIdentifier(request, timeout=SECONDS).tenant)
        return
    if not options.whatsapp_business_account_id:
        raise UsageError("--account is needed: the WhatsApp business account the number is under")
    number = WhatsAppNumber(
        phone_number_id=options.phone_number_id,
        whatsapp_business_account_id=options.whatsapp_business_account_id,
        shared=options.shared,
        **_changed(options),
    )
    adding = pb.AddNumberRequest(tenant_id=options.tenant_id, number=number)
    yield describe(stub.AddNumber(adding, timeout=SECONDS).tenant)


def _edit(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    changed = _changed(options)
    if not changed:
        raise UsageError("one is needed: --display, --tier or --graph-version")
    request = pb.UpdateNumberRequest(
        tenant_id=options.tenant_id,
        phone_number_id=options.phone_number_id,
        number=WhatsAppNumber(**changed),
        update_mask=FieldMask(paths=list(changed)),
    )
    tenant = stub.UpdateNumber(request, timeout=SECONDS).tenant
    yield from (
        _told(one) for one in tenant.numbers if one.phone_number_id == request.phone_number_id
    )


def _changed(options: argparse.Namespace) -> dict[str, Any]:
    """What is given for the fields that may be changed."""
    given = {
        "display_phone_number": options.display_phone_number,
        "throughput_tier": None if options.tier is None else _TIERS[options.tier],
        "graph_version": options.graph_version,
    }
    return {name: value for name, value in given.items() if value is not None}


def _move(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    identifier = _identifier(options)
    if identifier is not None:
        if options.whatsapp_business_account_id:
            raise UsageError("--account is of a NUMBER")
        request = pb.MoveIdentifierRequest(
            tenant_id=options.tenant_id, identifier=identifier, to_tenant_id=options.to_tenant_id
        )
        yield describe(stub.MoveIdentifier(request, timeout=SECONDS).tenant)
        return
    moving = pb.MoveNumberRequest(
        tenant_id=options.tenant_id,
        phone_number_id=options.phone_number_id,
        to_tenant_id=options.to_tenant_id,
        whatsapp_business_account_id=options.whatsapp_business_account_id,
    )
    yield describe(stub.MoveNumber(moving, timeout=SECONDS).tenant)


def _remove(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    identifier = _identifier(options)
    if identifier is not None:
        request = pb.RemoveIdentifierRequest(tenant_id=options.tenant_id, identifier=identifier)
        yield describe(stub.RemoveIdentifier(request, timeout=SECONDS).tenant)
        return
    removing = pb.RemoveNumberRequest(
        tenant_id=options.tenant_id, phone_number_id=options.phone_number_id
    )
    yield describe(stub.RemoveNumber(removing, timeout=SECONDS).tenant)


@or_else("no numbers and nothing else that it is found by")
def _list(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    asked = pb.GetTenantRequest(tenant_id=options.tenant_id)
    for number in stub.GetTenant(asked, timeout=SECONDS).tenant.numbers:
        yield _told(number)
    names = {kind: name for name, (kind, _, _) in _KINDS.items()}
    for page in pages(stub.ListIdentifiers, pb.ListIdentifiersRequest(tenant_id=options.tenant_id)):
        for one in page.identifiers:
            yield f"{names.get(one.kind, IdentifierKind.Name(one.kind))}  {one.value}"


def _told(number: WhatsAppNumber) -> str:
    """A number on one line."""
    tier = _TIER_NAMES.get(number.throughput_tier, "") if number.throughput_tier else ""
    told = (number.display_phone_number, "shared" if number.shared else "", tier)
    return "  ".join(
        ("number", number.phone_number_id, *filter(None, (*told, number.graph_version)))
    )


def _identifier(options: argparse.Namespace) -> Identifier | None:
    """The identifier that is named; None when it is a number."""
    named = [name for name in _KINDS if getattr(options, name) is not None]
    if len(named) + (options.phone_number_id is not None) != 1:
        one = ", ".join(f"--{name}" for name in _KINDS)
        raise UsageError(f"one is needed: a NUMBER or one of {one}")
    if not named:
        return None
    return Identifier(kind=_KINDS[named[0]][0], value=getattr(options, named[0]))
