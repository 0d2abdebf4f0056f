"""The RPCs of media: protobuf in, protobuf out."""

from __future__ import annotations

import re
from typing import Any

import grpc
import structlog
from conserje.messaging.v1 import media_service_pb2 as pb
from conserje.messaging.v1.media_service_pb2_grpc import MediaServiceServicer

from meshkit.pages import bad_token, from_token, to_token
from services.messaging.media.audio_cache import MOST_LISTED, AudioCache, Entry, Kind
from services.messaging.operations.wire import timestamp

log = structlog.get_logger()

Context = grpc.aio.ServicerContext[Any, Any]

KINDS: dict[str, pb.AudioKind.ValueType] = {
    Kind.SPEECH: pb.AUDIO_KIND_SPEECH,
    Kind.TRANSCRIPT: pb.AUDIO_KIND_TRANSCRIPT,
}
PLACE = re.compile(r"[0-9]{15} [a-z]{1,16}-[0-9a-f]{40}", re.ASCII)


class MediaServicer(MediaServiceServicer):
    """`conserje.messaging.v1.MediaService`."""

    def __init__(self, cache: AudioCache) -> None:
        self._cache = cache

    async def ListAudioCacheEntries(
        self, request: pb.ListAudioCacheEntriesRequest, context: Context
    ) -> pb.ListAudioCacheEntriesResponse:
        """One page of what is kept for a hotel."""
        size = min(request.page_size or MOST_LISTED, MOST_LISTED)
        page = await self._cache.page(request.tenant_id, _place(request.page_token), size)
        log.info(
            "audio cache listed",
            tenant_id=request.tenant_id,
            entries=len(page.entries),
            total=page.total,
            steps=page.steps,
            truncated=page.truncated,
        )
        return pb.ListAudioCacheEntriesResponse(
            entries=[_described(one) for one in page.entries],
            next_page_token=to_token(page.place) if page.truncated else "",
            total_count=page.total,
            step_count=page.steps,
            truncated=page.truncated,
        )

    async def PurgeAudioCache(
        self, request: pb.PurgeAudioCacheRequest, context: Context
    ) -> pb.PurgeAudioCacheResponse:
        """A hotel's entries are forgotten."""
        purged = await self._cache.purge(request.tenant_id)
        log.info(
            "audio cache purged",
            tenant_id=request.tenant_id,
            entries=purged.count,
            steps=purged.steps,
            more=purged.more,
        )
        return pb.PurgeAudioCacheResponse(
            purge_count=purged.count, step_count=purged.steps, more=purged.more
        )


def _place(token: str) -> str:
    if not token:
        return ""
    (place,) = from_token(token, 1)
    if not PLACE.fullmatch(place):
        raise bad_token()
    return place


def _described(entry: Entry) -> pb.AudioCacheEntry:
    return pb.AudioCacheEntry(
        entry_id=entry.entry_id,
        kind=KINDS.get(entry.kind, pb.AUDIO_KIND_UNSPECIFIED),
        media_type=entry.media_type,
        byte_count=entry.byte_count,
        create_time=timestamp(entry.made),
        expire_time=timestamp(entry.ends),
    )
