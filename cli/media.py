"""`conserje media`: the files that guests have sent, never their content."""

import argparse
import mimetypes
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any
from uuid import uuid4

from conserje.messaging.v1 import event_pb2
from conserje.messaging.v1 import media_service_pb2 as pb
from conserje.messaging.v1.media_service_pb2_grpc import MediaServiceStub

from cli.asking import SECONDS, add_hotel, asks, number, or_else, pages
from cli.counts import counted
from cli.files import unreadable
from cli.guest import name_by_id
from cli.places import UsageError
from cli.times import second

SEND_SECONDS = 120
"""A file is converted and goes up to WhatsApp."""
MOST_BYTES = 7 * 1024 * 1024
"""Of one file, as the contract has it; what is larger would not even reach the service."""
UNKNOWN_TYPE = "application/octet-stream"
SHOWN = ("image/", "video/", "audio/")
"""What a phone shows or plays has no name there."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its verbs."""
    command = commands.add_parser("media")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, act, sentence in (
        ("list", _list, "a hotel's files and how they stand, the oldest first"),
        ("retry", _retry, "fetch one again that was given up"),
        ("erase", _erase, "remove one before its time"),
    ):
        verb = verbs.add_parser(name, help=sentence)
        add_hotel(verb)
        if name == "list":
            verb.add_argument("--dead", action="store_true", help="those that were given up")
        else:
            verb.add_argument("media_key", metavar="KEY", type=number, help="the file's key")
        asks(verb, "messaging", MediaServiceStub, act)
    _add_send(verbs)


def _add_send(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    send = verbs.add_parser(
        "send",
        help="send a file to a guest who has written",
        description="A photo, a video, a document, or sound. The same --request-id is sent once.",
    )
    add_hotel(send)
    send.add_argument("phone_number_id", metavar="NUMBER", help="Meta's id of the hotel's number")
    send.add_argument("content", metavar="FILE", type=Path, help="the file; up to 7 MiB")
    name_by_id(send, required=True)
    send.add_argument(
        "--type",
        dest="media_type",
        default="",
        metavar="MIME",
        help="what it is; by its name without",
    )
    send.add_argument("--caption", default="", metavar="TEXT", help="the words under it")
    send.add_argument("--request-id", default="", metavar="UUID", help="a new one without it")
    asks(send, "messaging", MediaServiceStub, _send)


@or_else("no files")
def _list(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.ListMediaRequest(tenant_id=options.tenant_id, dead_only=options.dead)
    for page in pages(stub.ListMedia, request):
        yield from map(line, page.media)


def _retry(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.RetryMediaRequest(tenant_id=options.tenant_id, media_key=options.media_key)
    stub.RetryMedia(request, timeout=SECONDS)
    yield f"{options.media_key} waits, and is fetched again"


def _erase(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.EraseMediaRequest(tenant_id=options.tenant_id, media_key=options.media_key)
    stub.EraseMedia(request, timeout=SECONDS)
    yield f"{options.media_key} is erased; its row goes soon after"


def _send(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    media_type = options.media_type or mimetypes.guess_type(options.content.name)[0] or UNKNOWN_TYPE
    request = pb.SendMediaRequest(
        tenant_id=options.tenant_id,
        request_id=options.request_id or str(uuid4()),
        phone_number_id=options.phone_number_id,
        conversation_id=options.conversation_id,
        media_type=media_type,
        content=_read(options.content),
        caption=options.caption,
        file_name="" if media_type.startswith(SHOWN) else options.content.name,
    )
    sent = stub.SendMedia(request, timeout=SEND_SECONDS)
    yield f"{sent.send_id}  {sent.media_type}  is on its way to the guest"
    hotel = options.tenant_id
    yield f"when it does not come: conserje sends held {hotel}, conserje sends list {hotel}"


def _read(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise unreadable(file, error) from None
    if len(content) > MOST_BYTES:
        raise UsageError(f"{file} has {len(content)} bytes: at most {MOST_BYTES} can be sent.")
    return content


def line(media: pb.Media) -> str:
    """One file."""
    came = second(media.arrive_time)
    kind = _word(event_pb2.MediaKind.Name(media.kind), "MEDIA_KIND_")
    state = _word(pb.MediaState.Name(media.state), "MEDIA_STATE_")
    told = f"{media.media_key:>12}  {came}  {'voice' if media.voice else kind}  {state}"
    if media.state == pb.MEDIA_STATE_STORED:
        ends = f"{media.expire_time.ToDatetime(UTC):%Y-%m-%d}"
        return f"{told}  {media.media_type}  {media.byte_count} bytes  until {ends}"
    return (
        f"{told}  {media.failure}  after {counted(media.attempt_count, 'attempt')}"
        if media.failure
        else told
    )


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
