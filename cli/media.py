"""`conserje media`: the files that guests have sent, never their content."""

import argparse
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from conserje.messaging.v1 import event_pb2
from conserje.messaging.v1 import media_service_pb2 as pb
from conserje.messaging.v1.media_service_pb2_grpc import MediaServiceStub

from cli.asking import SECONDS, asks, pages


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its verbs."""
    command = commands.add_parser("media", help="files that guests have sent")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, act, sentence in (
        ("list", _list, "a hotel's files and how they stand, the oldest first"),
        ("retry", _retry, "fetch one again that was given up"),
        ("erase", _erase, "remove one before its time"),
    ):
        verb = verbs.add_parser(name, help=sentence)
        verb.add_argument("tenant", metavar="TENANT", help="the hotel's id")
        if name == "list":
            verb.add_argument("--dead", action="store_true", help="those that were given up")
        else:
            verb.add_argument("key", metavar="KEY", type=int, help="the file's key")
        asks(verb, "messaging", MediaServiceStub, act)


def _list(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.ListMediaRequest(tenant_id=options.tenant, dead_only=options.dead)
    for page in pages(stub.ListMedia, request):
        yield from map(line, page.media)


def _retry(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.RetryMediaRequest(tenant_id=options.tenant, media_key=options.key)
    stub.RetryMedia(request, timeout=SECONDS)
    yield from ()


def _erase(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.EraseMediaRequest(tenant_id=options.tenant, media_key=options.key)
    stub.EraseMedia(request, timeout=SECONDS)
    yield from ()


def line(media: pb.Media) -> str:
    """One file."""
    came = f"{media.arrive_time.ToDatetime(UTC):%Y-%m-%d %H:%M:%S}Z"
    kind = _word(event_pb2.MediaKind.Name(media.kind), "MEDIA_KIND_")
    state = _word(pb.MediaState.Name(media.state), "MEDIA_STATE_")
    told = f"{media.media_key:>12}  {came}  {'voice' if media.voice else kind}  {state}"
    if media.state == pb.MEDIA_STATE_STORED:
        ends = f"{media.expire_time.ToDatetime(UTC):%Y-%m-%d}"
        return f"{told}  {media.media_type}  {media.byte_count} bytes  until {ends}"
    return (
        f"{told}  {media.failure}  after {media.attempt_count} attempts" if media.failure else told
    )


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
