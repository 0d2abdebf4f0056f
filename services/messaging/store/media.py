"""SQL of the files that guests have sent: who fetches them, what became of them, when they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class WaitingMedia:
    """A file that is ours to fetch until the lease runs out.

    `content` is what WhatsApp said of it, as protobuf; `whatsapp_id` the guest's.
    """

    media_key: int
    phone_number_id: str
    account_id: str
    arrive_time: datetime
    content: bytes
    lease_number: int
    attempt_count: int
    whatsapp_id: bytes | None


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """What a file turned out to be."""

    media_type: str
    byte_count: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class MediaRow:
    """A file of a hotel and how it stands; what is not known yet is None."""

    media_key: int
    phone_number_id: str
    arrive_time: datetime
    content: bytes
    state: str
    attempt_count: int
    failure: str | None
    media_type: str | None
    byte_count: int | None
    sha256: bytes | None
    store_time: datetime | None
    expire_time: datetime | None


@dataclass(frozen=True, slots=True)
class EndedMedia:
    """A file whose time is over; without a hotel there is none to remove."""

    media_key: int
    tenant_id: str | None


@dataclass(frozen=True, slots=True)
class MediaBacklog:
    """How many files wait (counted up to a bound), and for how long the oldest."""

    waiting_count: int
    oldest_seconds: float


# One number after the other is looked at, as for mailboxes: however many files wait for one
# hotel, it takes its share, and the first of each goes before the second of any. The claim
# moves `due_time` to the lease's end: what a holder that died had is due again by itself.
CLAIM = """
WITH RECURSIVE number AS (
    (SELECT m.phone_number_id FROM media m WHERE m.state = 'WAITING'
     ORDER BY m.phone_number_id LIMIT 1)
    UNION ALL
    SELECT (SELECT m.phone_number_id FROM media m
            WHERE m.state = 'WAITING' AND m.phone_number_id > number.phone_number_id
            ORDER BY m.phone_number_id LIMIT 1)
    FROM number WHERE number.phone_number_id IS NOT NULL
), due AS (
    SELECT share.media_key, share.turn FROM number CROSS JOIN LATERAL (
        SELECT m.media_key, row_number() OVER (ORDER BY m.due_time) AS turn FROM media m
        WHERE m.phone_number_id = number.phone_number_id
          AND m.state = 'WAITING' AND m.due_time <= now()
        ORDER BY m.due_time
        LIMIT greatest(0, $2 - coalesce((
            SELECT held.count FROM unnest($4::text[], $5::integer[]) AS held(number, count)
            WHERE held.number = number.phone_number_id), 0))) AS share
), chosen AS MATERIALIZED (
    SELECT m.media_key FROM media m JOIN due ON due.media_key = m.media_key
    WHERE m.state = 'WAITING' AND m.due_time <= now()
    ORDER BY due.turn, m.due_time LIMIT $1::bigint FOR NO KEY UPDATE OF m SKIP LOCKED
)
UPDATE media m SET due_time = now() + $3::float8 * interval '1 second',
    lease_number = m.lease_number + 1, attempt_count = m.attempt_count + 1
FROM chosen WHERE m.media_key = chosen.media_key
RETURNING m.media_key, m.phone_number_id, m.account_id, m.arrive_time, m.content,
          m.lease_number, m.attempt_count,
          (SELECT b.whatsapp_id FROM inbox i JOIN mailbox b ON b.mailbox_id = i.mailbox_id
           WHERE i.inbox_id = m.media_key) AS whatsapp_id
"""

RENEW = """
UPDATE media m SET due_time = now() + $3::float8 * interval '1 second'
FROM unnest($1::bigint[], $2::bigint[]) AS held(media_key, lease_number)
WHERE m.media_key = held.media_key AND m.lease_number = held.lease_number AND m.state = 'WAITING'
"""

STORED = """
UPDATE media SET state = 'STORED', tenant_id = $3, media_type = $4, byte_count = $5, sha256 = $6,
    failure = NULL, store_time = now(), expire_time = arrive_time + $7::float8 * interval '1 second'
WHERE media_key = $1 AND lease_number = $2 AND state = 'WAITING'
RETURNING media_key
"""

AGAIN = """
UPDATE media SET tenant_id = coalesce($3, tenant_id), failure = $4,
    due_time = now() + $5::float8 * interval '1 second', lease_number = lease_number + 1
WHERE media_key = $1 AND lease_number = $2 AND state = 'WAITING'
"""

DEAD = """
UPDATE media SET state = 'DEAD', tenant_id = coalesce($3, tenant_id), failure = $4,
    expire_time = arrive_time + $5::float8 * interval '1 second'
WHERE media_key = $1 AND lease_number = $2 AND state = 'WAITING'
"""

_COLUMNS = """
SELECT media_key, phone_number_id, arrive_time, content, state, attempt_count, failure,
       media_type, byte_count, sha256, store_time, expire_time
FROM media
"""

PAGE = _COLUMNS + "WHERE tenant_id = $1 AND media_key > $2 ORDER BY media_key LIMIT $3"
ONE = _COLUMNS + "WHERE tenant_id = $1 AND media_key = $2"

ENDED = """
SELECT media_key, tenant_id FROM media WHERE expire_time <= now() ORDER BY expire_time LIMIT $1
"""

FORGET = "DELETE FROM media WHERE media_key = ANY($1::bigint[]) AND expire_time <= now()"

BACKLOG = """
SELECT count(*) AS waiting_count,
       coalesce(extract(epoch FROM now() - min(arrive_time)), 0)::float8 AS oldest_seconds
FROM (SELECT arrive_time FROM media WHERE state = 'WAITING' LIMIT 10000) AS waiting
"""


class MediaStore:
    """The files of all hotels, as rows."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def claim(
        self, *, limit: int, share: int, seconds: float, held: Mapping[str, int]
    ) -> list[WaitingMedia]:
        """Lease up to `limit` files that are due.

        Of one number at most `share`, together with those that are `held` of it.
        """
        rows = await self._postgres.fetch(
            CLAIM, limit, share, seconds, list(held), list(held.values())
        )
        return [WaitingMedia(**dict(row)) for row in rows]

    async def renew(self, held: Sequence[tuple[int, int]], seconds: float) -> None:
        """Hold files for another `seconds`; `held` are their keys and lease numbers."""
        keys, numbers = [key for key, _ in held], [number for _, number in held]
        await self._postgres.execute(RENEW, keys, numbers, seconds)

    async def stored(
        self, media: WaitingMedia, tenant_id: str, what: StoredMedia, keep_seconds: float
    ) -> bool:
        """The file is kept; False when the lease was lost, and somebody else says so."""
        row = await self._postgres.fetchrow(
            *(STORED, media.media_key, media.lease_number, tenant_id),
            *(what.media_type, what.byte_count, what.sha256, keep_seconds),
        )
        return row is not None

    async def again(
        self, media: WaitingMedia, tenant_id: str | None, reason: str, seconds: float
    ) -> None:
        """It is tried again after `seconds`."""
        key = (media.media_key, media.lease_number)
        await self._postgres.execute(AGAIN, *key, tenant_id, reason, seconds)

    async def dead(
        self, media: WaitingMedia, tenant_id: str | None, reason: str, keep_seconds: float
    ) -> None:
        """It is given up."""
        key = (media.media_key, media.lease_number)
        await self._postgres.execute(DEAD, *key, tenant_id, reason, keep_seconds)

    async def page(self, tenant_id: str, *, after: int, limit: int) -> list[MediaRow]:
        """A hotel's files in the order in which they came."""
        rows = await self._postgres.fetch(PAGE, tenant_id, after, limit)
        return [MediaRow(**dict(row)) for row in rows]

    async def one(self, tenant_id: str, media_key: int) -> MediaRow | None:
        """A file of a hotel; None when it has none of that key."""
        row = await self._postgres.fetchrow(ONE, tenant_id, media_key)
        return None if row is None else MediaRow(**dict(row))

    async def ended(self, limit: int) -> list[EndedMedia]:
        """Up to `limit` files whose time is over, the first to end first."""
        return [EndedMedia(**dict(row)) for row in await self._postgres.fetch(ENDED, limit)]

    async def forget(self, media_keys: Sequence[int]) -> None:
        """Their files are removed: nothing is known of them any more."""
        await self._postgres.execute(FORGET, media_keys)

    async def backlog(self) -> MediaBacklog:
        """What waits at the moment."""
        row = await self._postgres.fetchrow(BACKLOG)
        assert row is not None
        return MediaBacklog(**dict(row))
