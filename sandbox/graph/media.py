"""Media of both directions, in bounded memory."""

import hashlib
import secrets
import time
from base64 import b64encode
from collections import OrderedDict
from dataclasses import dataclass

from sandbox.graph.errors import VALUE_INVALID, GraphError, no_such_object

MEGABYTE = 1024 * 1024
# Meta's limits by the first part of the MIME type.
MAX_BYTES = {
    "image": 5 * MEGABYTE,
    "audio": 16 * MEGABYTE,
    "video": 16 * MEGABYTE,
    "application": 100 * MEGABYTE,
    "text": 100 * MEGABYTE,
}
MAX_STICKER_BYTES = 500 * 1024
URL_SECONDS = 300.0


@dataclass(frozen=True)
class Media:
    """One file and whose it is."""

    media_id: str
    phone_number_id: str
    mime_type: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The digest in base64, as Meta writes it in webhooks."""
        return b64encode(hashlib.sha256(self.content).digest()).decode()


class MediaStore:
    """Files by id and their short-lived addresses; the oldest files go first."""

    def __init__(self, keep_bytes: int) -> None:
        self._keep_bytes = keep_bytes
        self._files: OrderedDict[str, Media] = OrderedDict()
        self._links: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self.held_bytes = 0
        self.described = 0
        """Addresses that were given out."""
        self.downloaded = 0
        self.uploaded = 0

    def add(self, phone_number_id: str, mime_type: str, content: bytes) -> Media:
        """Keeps a file that is within Meta's limits."""
        _check_size(mime_type, len(content))
        media = Media(str(secrets.randbelow(10**16)), phone_number_id, mime_type, content)
        self._files[media.media_id] = media
        self.held_bytes += len(content)
        while self.held_bytes > self._keep_bytes and len(self._files) > 1:
            self.remove(next(iter(self._files)))
        return media

    def get(self, media_id: str, phone_number_id: str = "") -> Media:
        """The file; another number's is refused when the caller names its own."""
        media = self._files.get(media_id)
        if media is None or phone_number_id not in ("", media.phone_number_id):
            raise no_such_object(media_id)
        return media

    def remove(self, media_id: str) -> None:
        """Forgets a file."""
        self.held_bytes -= len(self._files.pop(media_id).content)

    def link(self, media: Media) -> str:
        """A name under which the file can be fetched for five minutes."""
        self.described += 1
        name = secrets.token_urlsafe(24)
        self._links[name] = (media.media_id, time.monotonic() + URL_SECONDS)
        while len(self._links) > 10_000:
            self._links.popitem(last=False)
        return name

    def open(self, name: str) -> Media | None:
        """The file behind a link that is still valid."""
        media_id, until = self._links.get(name, ("", 0.0))
        media = self._files.get(media_id) if time.monotonic() < until else None
        self.downloaded += media is not None
        return media


def _check_size(mime_type: str, size: int) -> None:
    limit = MAX_BYTES.get(mime_type.split("/")[0])
    if mime_type == "image/webp":
        limit = MAX_STICKER_BYTES
    if limit is None:
        raise GraphError(VALUE_INVALID, f"type {mime_type} is not supported")
    if size > limit:
        raise GraphError(VALUE_INVALID, f"file of {size} bytes is larger than {limit} bytes")
