"""`conserje app`: the Meta apps of an installation, and the secrets that sign their webhooks."""

import argparse
from collections.abc import Iterator
from typing import Any

from conserje.tenant.v1 import credential_service_pb2 as pb
from conserje.tenant.v1.credential_pb2 import (
    CREDENTIAL_KIND_APP_SECRET,
    CREDENTIAL_KIND_VERIFY_TOKEN,
    MetaApp,
)

from cli import secret
from cli.asking import SECONDS, or_else, pages
from cli.secret import add_verb
from cli.token import describe, listed

_EPILOG = """examples:
  conserje app set norte --id 4711
  conserje app add-secret norte 2026-11 --from secret.txt
  conserje app set-verify-token norte --from word.txt
To change a secret: add the new one, change it at Meta, remove the old one.
"""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser(
        "app",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_verb(verbs, "list", "apps, and what their secrets are called", _list)
    setting = add_verb(verbs, "set", "make an app known, at /webhooks/whatsapp/APP", _set)
    removing = add_verb(verbs, "remove", "forget an app and erase its secrets", _remove)
    adding = add_verb(verbs, "add-secret", "one more secret, or another value", _add)
    taking = add_verb(verbs, "remove-secret", "one secret less", _take)
    word = add_verb(verbs, "set-verify-token", "the word of its registration", _set_word)
    for verb in (setting, removing, adding, taking, word):
        verb.add_argument("app_name", metavar="APP", help="the last part of its webhook's address")
    for verb in (adding, taking):
        verb.add_argument("name", metavar="NAME", help="a word of yours, such as 2026-11")
    setting.add_argument(
        "--id", dest="app_id", default="", metavar="ID", help="Meta's id of the app"
    )
    for verb in (adding, word):
        secret.add_source(verb)


@or_else("no apps")
def _list(stub: Any, _options: argparse.Namespace) -> Iterator[str]:
    for page in pages(stub.ListApps, pb.ListAppsRequest()):
        for app in page.apps:
            yield _describe(app)
            yield from (f"  {describe(one)}" for one in listed(stub, app_name=app.app_name))


def _describe(app: MetaApp) -> str:
    return f"{app.app_name}  {app.app_id or 'no id'}  /webhooks/whatsapp/{app.app_name}"


def _set(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.SetAppRequest(app_name=options.app_name, app_id=options.app_id)
    yield _describe(stub.SetApp(request, timeout=SECONDS).app)


def _remove(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.RemoveAppRequest(app_name=options.app_name)
    yield f"removed: {_describe(stub.RemoveApp(request, timeout=SECONDS).app)}"


def _add(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.SetCredentialRequest(
        app_name=options.app_name,
        kind=CREDENTIAL_KIND_APP_SECRET,
        name=options.name,
        value=secret.read(options.file),
    )
    yield describe(stub.SetCredential(request, timeout=SECONDS).credential)


def _take(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.RemoveCredentialRequest(
        app_name=options.app_name, kind=CREDENTIAL_KIND_APP_SECRET, name=options.name
    )
    removed = stub.RemoveCredential(request, timeout=SECONDS).credential
    yield f"removed: {describe(removed)}"


def _set_word(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.SetCredentialRequest(
        app_name=options.app_name,
        kind=CREDENTIAL_KIND_VERIFY_TOKEN,
        value=secret.read(options.file),
    )
    yield describe(stub.SetCredential(request, timeout=SECONDS).credential)
