"""The RPCs of media: protobuf in, protobuf out."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import grpc
import structlog
from conserje.messaging.v1 import media_service_pb2 as pb
from conserje.messaging.v1.event_pb2 import MediaContent
from conserje.messaging.v1.media_service_pb2_grpc import MediaServiceServicer

from copies.directory import Directory
from meshkit.errors import InvalidArgument, NotFound
from meshkit.pages import bad_token, from_token, number_from_token, page_size, to_token
from services.messaging.directory import sending
from services.messaging.media.audio_cache import MOST_LISTED, AudioCache, Entry, Kind
from services.messaging.media.uploads import Given, Uploads
from services.messaging.opaque import make_opaque
from services.messaging.operations.wire import timestamp
from services.messaging.refusals import check_stored
from services.messaging.replies.limits import CAPTION, width
from services.messaging.store.media import MediaRow, MediaStore
from services.messaging.store.uploads import Uploaded, UploadStore
from services.messaging.wake import Wake
from services.messaging.whatsapp.build import parts
from services.messaging.whatsapp.sends import CAPTIONED, Media

log = structlog.get_logger()

Context = grpc.aio.ServicerContext[Any, Any]

KINDS: dict[str, pb.AudioKind.ValueType] = {
    Kind.SPEECH: pb.AUDIO_KIND_SPEECH,
    Kind.TRANSCRIPT: pb.AUDIO_KIND_TRANSCRIPT,
}
STATES: dict[str, pb.MediaState.ValueType] = {
    "WAITING": pb.MEDIA_STATE_WAITING,
    "STORED": pb.MEDIA_STATE_STORED,
    "DEAD": pb.MEDIA_STATE_DEAD,
}
PLACE = re.compile(r"[0-9]{15} [a-z]{1,16}-[0-9a-f]{40}", re.ASCII)


class MediaServicer(MediaServiceServicer):
    """`conserje.messaging.v1.MediaService`."""

    def __init__(
        self,
        store: MediaStore,
        cache: AudioCache,
        uploads: Uploads,
        sends: UploadStore,
        directory: Directory,
        messages: Wake,
    ) -> None:
        self._store = store
        self._cache = cache
        self._uploads = uploads
        self._sends = sends
        self._directory = directory
        self._messages = messages

    async def GetMedia(self, request: pb.GetMediaRequest, context: Context) -> pb.GetMediaResponse:
        """One file of a hotel."""
        row = await self._store.one(request.tenant_id, request.media_key)
        if row is None:
            raise _unknown(request.media_key)
        return pb.GetMediaResponse(media=_media(row))

    async def ListMedia(
        self, request: pb.ListMediaRequest, context: Context
    ) -> pb.ListMediaResponse:
        """One page of a hotel's files."""
        size = page_size(request.page_size)
        rows = await self._store.page(
            request.tenant_id,
            after=number_from_token(request.page_token),
            limit=size + 1,
            dead_only=request.dead_only,
        )
        token = to_token(rows[size - 1].media_key) if len(rows) > size else ""
        return pb.ListMediaResponse(
            media=[_media(row) for row in rows[:size]], next_page_token=token
        )

    async def RetryMedia(
        self, request: pb.RetryMediaRequest, context: Context
    ) -> pb.RetryMediaResponse:
        """A file that was given up is fetched again."""
        if not await self._store.retry(request.tenant_id, request.media_key):
            raise _unknown(request.media_key)
        return pb.RetryMediaResponse()

    async def EraseMedia(
        self, request: pb.EraseMediaRequest, context: Context
    ) -> pb.EraseMediaResponse:
        """A file's time is over."""
        if not await self._store.erase(request.tenant_id, request.media_key):
            raise _unknown(request.media_key)
        return pb.EraseMediaResponse()

    async def SendMedia(
        self, request: pb.SendMediaRequest, context: Context
    ) -> pb.SendMediaResponse:
        """Upload a file where WhatsApp does not have it yet, and store a send of it."""
        given = Given(request.content, request.media_type)
        _check_words(request, given)
        record = sending(self._directory, request.tenant_id, request.phone_number_id)
        uploaded = await self._uploads.of(record, given)
        same = await self._sends.send(
            *(request.tenant_id, UUID(request.request_id), request.phone_number_id),
            *(request.conversation_id, given.kind, _body(request, given, uploaded)),
        )
        check_stored(same)
        self._messages.set()
        return pb.SendMediaResponse(send_id=request.request_id, media_type=uploaded.media_type)

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


def _check_words(request: pb.SendMediaRequest, given: Given) -> None:
    """What WhatsApp would not show is refused: nothing is to be lost on the way."""
    if request.caption and given.kind not in CAPTIONED:
        raise InvalidArgument.field("caption", f"is not shown under {given.kind}")
    if width(request.caption) > CAPTION:
        raise InvalidArgument.field("caption", f"is longer than {CAPTION} characters")
    if request.file_name and given.kind != "document":
        raise InvalidArgument.field("file_name", "only documents have one")


def _body(request: pb.SendMediaRequest, given: Given, uploaded: Uploaded) -> bytes:
    """What leaves, but for the recipient."""
    file = Media(
        given.kind,
        id=uploaded.whatsapp_media_id,
        caption=request.caption,
        filename=request.file_name,
    )
    (part,) = parts(file)
    return part.body(make_opaque(request.tenant_id, UUID(request.request_id)))


def _unknown(media_key: int) -> NotFound:
    return NotFound("MEDIA_UNKNOWN", "The hotel has no such file.", media_key=media_key)


def _media(row: MediaRow) -> pb.Media:
    told = MediaContent.FromString(row.content)
    media = pb.Media(
        media_key=row.media_key,
        phone_number_id=row.phone_number_id,
        kind=told.kind,
        voice=told.voice,
        state=STATES.get(row.state, pb.MEDIA_STATE_UNSPECIFIED),
        media_type=row.media_type or "",
        byte_count=row.byte_count or 0,
        sha256=(row.sha256 or b"").hex(),
        attempt_count=row.attempt_count,
        failure=row.failure or "",
        arrive_time=timestamp(row.arrive_time),
    )
    if row.store_time is not None:
        media.store_time.CopyFrom(timestamp(row.store_time))
    if row.expire_time is not None:
        media.expire_time.CopyFrom(timestamp(row.expire_time))
    return media


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
