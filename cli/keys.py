"""`conserje keys`: what hotels' and apps' secrets are encrypted under."""

import argparse
from collections.abc import Iterator
from typing import Any

from conserje.tenant.v1 import credential_service_pb2 as pb
from conserje.tenant.v1.credential_pb2 import EncryptionKey

from cli.asking import SaidNoError, or_else, pages
from cli.secret import add_verb


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser("keys")
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_verb(verbs, "list", "keys, and how many secrets are under each", _list)
    add_verb(verbs, "rotate", "encrypt every secret under the newest key", _rotate)


@or_else("no keys")
def _list(stub: Any, _options: argparse.Namespace) -> Iterator[str]:
    for page in pages(stub.ListKeys, pb.ListKeysRequest()):
        yield from map(_describe, page.keys)


def _describe(key: EncryptionKey) -> str:
    place = "newest" if key.newest else "present" if key.present else "MISSING"
    return f"{key.key_id}  {place}  {key.credential_count} secrets"


def _rotate(stub: Any, _options: argparse.Namespace) -> Iterator[str]:
    """To the end; no when secrets are still under other keys."""
    renewed = failed = 0
    newest = ""
    for page in pages(stub.RotateKeys, pb.RotateKeysRequest()):
        renewed += page.renewed_count
        failed += page.failed_count
        newest = page.newest_key_id
    yield f"{renewed} secrets are now under {newest}"
    if failed:
        yield f"{failed} could not be decrypted and are as they were; see `conserje keys list`"
        raise SaidNoError
