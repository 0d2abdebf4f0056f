"""Files of ours are uploaded once for each number, and sent by the id that WhatsApp gave them."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from copies.directory import Record
from meshkit.errors import FailedPrecondition, InvalidArgument
from services.messaging.media.metrics import UploadMetrics
from services.messaging.media.sound import Sound
from services.messaging.store.uploads import Uploaded, UploadKey, UploadStore
from services.messaging.tokens import Tokens
from services.messaging.whatsapp.codes import TOKEN_CODES
from services.messaging.whatsapp.sends import MediaKind
from services.messaging.whatsapp.uploader import GraphUploader

KEPT_SECONDS = 29 * 86_400.0
"""WhatsApp knows an id for 30 days; what is sent with it may wait for a day."""
LEASE_SECONDS = 120.0
"""Longer than converting and uploading take."""
AGAIN_SECONDS = 0.1
MEGABYTE = 1024 * 1024
TYPES: dict[str, tuple[MediaKind, int]] = {
    "image/jpeg": ("image", 5 * MEGABYTE),
    "image/png": ("image", 5 * MEGABYTE),
    "image/webp": ("sticker", 500 * 1024),
    "video/mp4": ("video", 16 * MEGABYTE),
    "video/3gpp": ("video", 16 * MEGABYTE),
    **dict.fromkeys(
        (
            "application/pdf",
            "text/plain",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ),
        ("document", 100 * MEGABYTE),
    ),
}
"""How a file is sent, and the most bytes that WhatsApp takes of it. Sound has many types."""
SOUND = "audio/"
AUDIO_BYTES = 16 * MEGABYTE


@dataclass(frozen=True, slots=True)
class Given:
    """A file as somebody gave it."""

    content: bytes
    media_type: str

    @property
    def kind(self) -> MediaKind:
        """How it is sent; raises `InvalidArgument` for what WhatsApp does not take."""
        return self._sent_as[0]

    def check(self) -> None:
        """Raises `InvalidArgument` for more than WhatsApp takes."""
        most = self._sent_as[1]
        if len(self.content) > most:
            raise InvalidArgument.field(
                "content", f"is {len(self.content)} bytes; WhatsApp takes {most} of {self.kind}"
            )

    @property
    def _sent_as(self) -> tuple[MediaKind, int]:
        if self.media_type.startswith(SOUND):
            return "audio", AUDIO_BYTES
        if self.media_type not in TYPES:
            raise InvalidArgument.field(
                "media_type",
                f"{self.media_type} is none that WhatsApp takes: those are sound ({SOUND}…), "
                f"{', '.join(TYPES)}",
            )
        return TYPES[self.media_type]


class Uploads:
    """The files that WhatsApp has of ours."""

    def __init__(
        self,
        *,
        store: UploadStore,
        uploader: GraphUploader,
        sound: Sound,
        tokens: Tokens,
        metrics: UploadMetrics,
    ) -> None:
        self._store = store
        self._uploader = uploader
        self._sound = sound
        self._tokens = tokens
        self._metrics = metrics

    async def of(self, record: Record, given: Given) -> Uploaded:
        """What WhatsApp calls a file of this number, which is uploaded if it does not know it.

        Of those who ask at once one uploads, and the others wait for it as long as their deadline
        lets them. Raises what the Graph API refuses, see `GraphUploader`.
        """
        given.check()
        digest = hashlib.sha256(given.content).digest()
        key = UploadKey(record.tenant_id, record.phone_number_id, digest, given.media_type)
        while (known := await self._store.known(key)) is None:
            if await self._store.lease(key, LEASE_SECONDS):
                return await self._upload(key, record, given)
            await asyncio.sleep(AGAIN_SECONDS)
        self._metrics.uploads.labels("known").inc()
        return known

    async def _upload(self, key: UploadKey, record: Record, given: Given) -> Uploaded:
        done = False
        try:
            uploaded = await self._uploaded(record, given)
            await self._store.uploaded(key, uploaded, KEPT_SECONDS)
            done = True
        finally:
            self._metrics.uploads.labels("uploaded" if done else "failed").inc()
            if not done:
                await self._store.give_up(key)
        return uploaded

    async def _uploaded(self, record: Record, given: Given) -> Uploaded:
        content, media_type = given.content, given.media_type
        if given.kind == "audio":
            content, media_type = await self._sound.for_whatsapp(content, media_type)
        token = await self._tokens.of(record.tenant_id, record.phone_number_id)
        try:
            media_id = await self._uploader.upload(
                *(record.phone_number_id, content, media_type),
                token=token,
                version=record.graph_version,
            )
        except FailedPrecondition as error:
            if int(error.metadata["code"]) in TOKEN_CODES:
                self._tokens.refused(record.tenant_id, record.phone_number_id)
            raise
        return Uploaded(media_id, media_type)
