"""What commands about secrets have in common.

A secret comes from a file or standard input, never from an argument.
"""

import argparse
import sys
from pathlib import Path

from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceStub

from cli.asking import Act, asks
from cli.files import STANDARD_INPUT, unreadable
from cli.places import UsageError

MOST_BYTES = 64 * 1024


def add_verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, help: str, act: Act
) -> argparse.ArgumentParser:
    """Adds a command that asks the tenant service about secrets."""
    verb = verbs.add_parser(name, help=help)
    asks(verb, "tenant", CredentialServiceStub, act)
    return verb


def add_source(verb: argparse.ArgumentParser) -> None:
    """Adds the option that says where the secret is."""
    verb.add_argument(
        "--from",
        dest="file",
        default=STANDARD_INPUT,
        metavar="FILE",
        help="holds the secret and nothing else; - is standard input, as without this",
    )


def read(file: str) -> str:
    """The secret, without the line end that editors and `echo` add."""
    if file == STANDARD_INPUT and sys.stdin.isatty():
        print("Type or paste it, then Enter and Ctrl-D:", file=sys.stderr)
    try:
        raw = _bytes(file)
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(file, error) from None
    if len(raw) > MOST_BYTES:
        raise UsageError(f"{file} is longer than any secret")
    if not (value := text.removesuffix("\n").removesuffix("\r")):
        raise UsageError("the secret is empty")
    return value


def _bytes(file: str) -> bytes:
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    with Path(file).open("rb") as opened:
        return opened.read(MOST_BYTES + 1)
