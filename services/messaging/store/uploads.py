"""SQL of the files of ours that WhatsApp has: who uploads one, and what it is called there."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class UploadKey:
    """A file of a number: its SHA-256 and MIME type as it was given."""

    tenant_id: str
    phone_number_id: str
    sha256: bytes
    given_type: str


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What WhatsApp calls a file, and its MIME type as it was uploaded."""

    whatsapp_media_id: str
    media_type: str


# One of those that ask at once gets the lease; a row whose time is over counts for nothing.
LEASE = """
INSERT INTO media_upload AS u
    (tenant_id, phone_number_id, sha256, given_type, expire_time)
VALUES ($1, $2, $3, $4, now() + $5::float8 * interval '1 second')
ON CONFLICT (tenant_id, phone_number_id, sha256, given_type) DO UPDATE SET
    expire_time = excluded.expire_time, whatsapp_media_id = NULL, media_type = NULL
WHERE u.expire_time <= now()
RETURNING tenant_id
"""

KNOWN = """
SELECT whatsapp_media_id, media_type FROM media_upload
WHERE tenant_id = $1 AND phone_number_id = $2 AND sha256 = $3 AND given_type = $4
  AND whatsapp_media_id IS NOT NULL AND expire_time > now()
"""

UPLOADED = """
UPDATE media_upload SET whatsapp_media_id = $5, media_type = $6,
    expire_time = now() + $7::float8 * interval '1 second'
WHERE tenant_id = $1 AND phone_number_id = $2 AND sha256 = $3 AND given_type = $4
"""

GIVE_UP = """
DELETE FROM media_upload
WHERE tenant_id = $1 AND phone_number_id = $2 AND sha256 = $3 AND given_type = $4
  AND whatsapp_media_id IS NULL
"""

FORGET_ENDED = "SELECT finder.forget_uploads($1)"

SEND = "SELECT known, same FROM send_file($1, $2, $3, $4, $5, $6)"


class UploadStore:
    """What WhatsApp has of ours."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def known(self, key: UploadKey) -> Uploaded | None:
        """What WhatsApp calls it; None when it does not know it, or not any more."""
        row = await self._postgres.of(key.tenant_id).fetchrow(KNOWN, *astuple(key))
        return None if row is None else Uploaded(**dict(row))

    async def lease(self, key: UploadKey, seconds: float) -> bool:
        """Whether the file is ours to upload for so long; else it is there, or somebody does it."""
        named = self._postgres.of(key.tenant_id)
        return await named.fetchval(LEASE, *astuple(key), seconds) is not None

    async def uploaded(self, key: UploadKey, what: Uploaded, seconds: float) -> None:
        """WhatsApp has it, and knows it for so long."""
        named = self._postgres.of(key.tenant_id)
        await named.execute(UPLOADED, *astuple(key), *astuple(what), seconds)

    async def give_up(self, key: UploadKey) -> None:
        """WhatsApp has it not; whoever asks next may upload it."""
        await self._postgres.of(key.tenant_id).execute(GIVE_UP, *astuple(key))

    async def forget_ended(self, limit: int) -> None:
        """What WhatsApp does not know any more."""
        await self._postgres.finder.execute(FORGET_ENDED, limit)

    async def send(
        self, tenant_id: str, request_id: UUID, number: str, mailbox_id: int, kind: str, body: bytes
    ) -> bool | None:
        """Store a send; whether the request id has this very message.

        None when the hotel has no such conversation.
        """
        row = await self._postgres.fetchrow(
            *(SEND, tenant_id, request_id, number, mailbox_id, kind, body)
        )
        assert row is not None
        return bool(row["same"]) if row["known"] else None
