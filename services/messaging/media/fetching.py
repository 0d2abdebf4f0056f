"""Fetches one file from WhatsApp: where it is, its bytes, and whether they are the right ones.

Source: "Media" of the Cloud API documentation (June 2026). The address lasts 5
minutes and needs the token as well, so the token goes to the Graph API and to the
origins that the settings name, wherever an answer or a webhook may point.
"""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import aiohttp
from conserje.messaging.v1.event_pb2 import MediaContent
from yarl import URL

from meshkit.errors import FailedPrecondition, Unavailable
from services.messaging.store.media import StoredMedia
from services.messaging.whatsapp.reader import GraphReader

CHUNK = 1 << 16
MOST_REDIRECTS = 3
GONE = (401, 403, 404, 410)
"""What an address answers whose time is over: Meta documents 404."""
MEDIA_ID = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
"""It becomes part of an address: nothing that leads elsewhere is one."""
MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,128}", re.ASCII)
UNKNOWN_TYPE = "application/octet-stream"


class Reason(StrEnum):
    """Why a file is not here."""

    BAD_ID = "BAD_ID"
    HOST_NOT_ALLOWED = "HOST_NOT_ALLOWED"
    TOO_LARGE = "TOO_LARGE"
    GRAPH_REFUSED = "GRAPH_REFUSED"
    GRAPH_AWAY = "GRAPH_AWAY"
    EXPIRED = "EXPIRED"
    DOWNLOAD_FAILED = "DOWNLOAD_FAILED"
    DIGEST_MISMATCH = "DIGEST_MISMATCH"
    STORE_AWAY = "STORE_AWAY"
    NO_HOTEL = "NO_HOTEL"
    HOTEL_DELETED = "HOTEL_DELETED"
    TENANT_AWAY = "TENANT_AWAY"


FINAL = (Reason.BAD_ID, Reason.HOST_NOT_ALLOWED, Reason.TOO_LARGE, Reason.HOTEL_DELETED)
"""Tried again it would be the same."""


class FetchError(Exception):
    """A file that is not here, and whether it is of any use to try again."""

    def __init__(self, reason: Reason, *, code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        """Meta's, where the Graph API refused."""


@dataclass(frozen=True, slots=True)
class Described:
    """Where a file is, and what WhatsApp says of it."""

    url: str
    media_type: str
    sha256: bytes | None


class Fetcher:
    """Fetches over one pooled session for each origin, and one for the Graph API."""

    def __init__(
        self,
        reader: GraphReader,
        sessions: Mapping[str, aiohttp.ClientSession],
        *,
        most_bytes: int,
    ) -> None:
        """`sessions` are those of the origins that a token may be shown to."""
        self._reader = reader
        self._sessions = {str(URL(origin).origin()): one for origin, one in sessions.items()}
        self._most_bytes = most_bytes

    async def fetch(
        self, content: MediaContent, phone_number_id: str, token: str, into: Path
    ) -> StoredMedia:
        """Write the file to `into`; raises `FetchError`, `OSError` where it cannot be written.

        The address in the webhook saves a question. One that is over, there or in the answer,
        is asked for again once.
        """
        if not MEDIA_ID.fullmatch(content.media_id):
            raise FetchError(Reason.BAD_ID)
        told = Described(content.url, content.mime_type, _digest(content.sha256))
        if not told.url:
            told = await self._describe(content, phone_number_id, token)
        try:
            size, digest = await self._download(told.url, token, into)
        except FetchError as error:
            if error.reason is not Reason.EXPIRED:
                raise
            told = await self._describe(content, phone_number_id, token)
            size, digest = await self._download(told.url, token, into)
        if told.sha256 not in (None, digest):
            raise FetchError(Reason.DIGEST_MISMATCH)
        return StoredMedia(_media_type(told.media_type), size, digest)

    async def _describe(self, content: MediaContent, phone_number_id: str, token: str) -> Described:
        """What Meta answers for the id. It refuses a file of any other number."""
        try:
            answer = await self._reader.get(
                content.media_id, {"phone_number_id": phone_number_id}, token
            )
        except FailedPrecondition as error:
            raise FetchError(Reason.GRAPH_REFUSED, code=int(error.metadata["code"])) from error
        except Unavailable as error:
            raise FetchError(Reason.GRAPH_AWAY) from error
        return Described(
            str(answer.get("url", "")),
            content.mime_type or str(answer.get("mime_type", "")),
            _digest(content.sha256) or _digest(str(answer.get("sha256", ""))),
        )

    async def _download(self, url: str, token: str, into: Path) -> tuple[int, bytes]:
        """Size and SHA-256 of what was written."""
        for _ in range(MOST_REDIRECTS + 1):
            target, session = self._allowed(url)
            # The bytes themselves are what the digest is of, and what the cap counts.
            headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
            try:
                async with session.get(target, headers=headers, allow_redirects=False) as response:
                    if 300 <= response.status < 400:
                        url = _next(target, response)
                        continue
                    return await self._write(response, into)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise FetchError(Reason.DOWNLOAD_FAILED) from error
        raise FetchError(Reason.DOWNLOAD_FAILED)

    def _allowed(self, url: str) -> tuple[URL, aiohttp.ClientSession]:
        """The address, and the session of its origin; whatever else is refused unasked."""
        try:
            target = URL(url)
            session = self._sessions.get(str(target.origin()))
        except ValueError as error:
            raise FetchError(Reason.HOST_NOT_ALLOWED) from error
        if session is None or target.user is not None or target.password is not None:
            raise FetchError(Reason.HOST_NOT_ALLOWED)
        return target, session

    async def _write(self, response: aiohttp.ClientResponse, into: Path) -> tuple[int, bytes]:
        if response.status in GONE:
            raise FetchError(Reason.EXPIRED)
        if response.status != 200:
            raise FetchError(Reason.DOWNLOAD_FAILED)
        if (response.content_length or 0) > self._most_bytes:
            raise FetchError(Reason.TOO_LARGE)
        size, digest = 0, hashlib.sha256()
        file = await asyncio.to_thread(into.open, "wb")
        try:
            async for chunk in response.content.iter_chunked(CHUNK):
                size += len(chunk)
                if size > self._most_bytes:
                    raise FetchError(Reason.TOO_LARGE)
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
        finally:
            await asyncio.to_thread(file.close)
        return size, digest.digest()


def _next(target: URL, response: aiohttp.ClientResponse) -> str:
    return str(target.join(URL(response.headers.get("Location", ""))))


def _digest(told: str) -> bytes | None:
    """A SHA-256 as Meta writes it, base64 in webhooks and hex in answers; None for none."""
    try:
        digest = bytes.fromhex(told) if len(told) == 64 else b64decode(told, validate=True)
    except (ValueError, binascii.Error):
        return None
    return digest if len(digest) == 32 else None


def _media_type(told: str) -> str:
    """The type without its parameters; what is no type says nothing."""
    bare = told.partition(";")[0].strip().lower()
    return bare if MEDIA_TYPE.fullmatch(bare) else UNKNOWN_TYPE
