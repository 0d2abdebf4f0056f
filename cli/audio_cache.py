"""`conserje audio-cache`: what is kept of a hotel's voice notes and spoken replies."""

import argparse
from collections.abc import Iterator
from typing import Any

from conserje.messaging.v1 import media_service_pb2 as pb
from conserje.messaging.v1.media_service_pb2_grpc import MediaServiceStub

from cli.asking import SECONDS, add_hotel, asks, pages
from cli.hotel_check import refuse_unknown
from cli.times import second

KINDS = {pb.AUDIO_KIND_SPEECH: "speech", pb.AUDIO_KIND_TRANSCRIPT: "transcript"}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its verbs."""
    command = commands.add_parser("audio-cache")
    verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, act, sentence in (
        ("list", _list, "a hotel's entries, the first to end first; never their content"),
        ("purge", _purge, "forget all of them; what is needed again is made again"),
    ):
        verb = verbs.add_parser(name, help=sentence)
        add_hotel(verb)
        asks(verb, "messaging", MediaServiceStub, act)


def _list(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.ListAudioCacheEntriesRequest(tenant_id=options.tenant_id)
    total = 0
    for page in pages(stub.ListAudioCacheEntries, request):
        total = page.total_count
        yield from map(line, page.entries)
    if not total:
        refuse_unknown(options.tenant_id, options.target)
    yield f"{total} in all"


def _purge(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.PurgeAudioCacheRequest(tenant_id=options.tenant_id)
    count, more = 0, True
    while more:
        purged = stub.PurgeAudioCache(request, timeout=SECONDS)
        count, more = count + purged.purge_count, purged.more
    yield f"forgotten: {count}"


def line(entry: pb.AudioCacheEntry) -> str:
    """One entry."""
    made, ends = second(entry.create_time), second(entry.expire_time)
    return (
        f"{entry.entry_id}  {KINDS.get(entry.kind, 'unknown')}  {entry.media_type}  "
        f"{entry.byte_count} bytes  made {made}  ends {ends}"
    )
