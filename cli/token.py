"""`conserje token`: what hotels send with, and what their PMS wants to see."""

import argparse
from collections.abc import Iterator
from typing import Any

from conserje.tenant.v1 import credential_service_pb2 as pb
from conserje.tenant.v1.credential_pb2 import (
    CREDENTIAL_KIND_ACCESS_TOKEN,
    CREDENTIAL_KIND_PMS,
    Credential,
    CredentialKind,
)

from cli import secret
from cli.asking import SECONDS, add_hotel, or_else, pages
from cli.secret import add_verb
from cli.times import second

_EPILOG = """examples:
  conserje token set casa-azul --from token.txt
  pass show meta/casa-azul | conserje token set casa-azul --for 100000000000031
  conserje token list casa-azul
A token is never an argument: others on the machine could read it there.
"""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser(
        "token",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    setting = add_verb(verbs, "set", "give a hotel a token", _set)
    removing = add_verb(verbs, "remove", "erase a token", _remove)
    for verb in (setting, removing):
        add_hotel(verb)
        which = verb.add_mutually_exclusive_group()
        which.add_argument(
            "--for",
            dest="id",
            default="",
            metavar="ID",
            help="only for this number or business account of the hotel, by Meta's id",
        )
        which.add_argument(
            "--pms",
            default="",
            metavar="NAME",
            help="of the hotel's own system: `main`, which it wants to see, or `notices` or "
            "`notices-next`, which it signs with",
        )
    secret.add_source(setting)
    listing = add_verb(verbs, "list", "names, keys and times", _list)
    listing.add_argument("tenant_id", metavar="HOTEL", nargs="?", default="", help="only its own")


def describe(credential: Credential) -> str:
    """A secret on one line, without itself."""
    kind = CredentialKind.Name(credential.kind).removeprefix("CREDENTIAL_KIND_")
    owner = credential.tenant_id or credential.app_name
    when = second(credential.set_time)
    return f"{owner}  {kind:<12}  {credential.name or '-'}  key {credential.key_id}  set {when}"


def listed(stub: Any, *, tenant_id: str = "", app_name: str = "") -> Iterator[Credential]:
    """All secrets, or those of one owner."""
    request = pb.ListCredentialsRequest(tenant_id=tenant_id, app_name=app_name)
    for page in pages(stub.ListCredentials, request):
        yield from page.credentials


def _set(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.SetCredentialRequest(
        tenant_id=options.tenant_id,
        kind=_kind(options),
        name=options.pms or options.id,
        value=secret.read(options.file),
    )
    yield describe(stub.SetCredential(request, timeout=SECONDS).credential)


def _remove(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.RemoveCredentialRequest(
        tenant_id=options.tenant_id, kind=_kind(options), name=options.pms or options.id
    )
    removed = stub.RemoveCredential(request, timeout=SECONDS).credential
    yield f"removed: {describe(removed)}"


def _kind(options: argparse.Namespace) -> CredentialKind.ValueType:
    return CREDENTIAL_KIND_PMS if options.pms else CREDENTIAL_KIND_ACCESS_TOKEN


@or_else("no tokens")
def _list(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    for one in listed(stub, tenant_id=options.tenant_id):
        if one.tenant_id:
            yield describe(one)
