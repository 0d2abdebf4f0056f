"""SQL of the files that guests have sent: who fetches them, what became of them, when they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from meshkit.tenancy import UNRESOLVED

if TYPE_CHECKING:
    from meshkit.postgres import Postgres, Statements


@dataclass(frozen=True, slots=True)
class WaitingMedia:
    """A file that is ours to fetch until the lease runs out.

    `tenant_id` is the hotel's, where it is known already; `content` what WhatsApp said of the
    file, as protobuf; `whatsapp_id` the guest's.
    """

    media_key: int
    tenant_id: str | None
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


CLAIM = "SELECT media_key, tenant_id FROM finder.claim_media($1, $2, $3, $4, $5)"

# In the name of the hotels that are known, after the claim has committed.
CLAIMED = """
SELECT m.media_key, m.tenant_id, m.phone_number_id, m.account_id, m.arrive_time, m.content,
       m.lease_number, m.attempt_count, b.whatsapp_id
FROM media m LEFT JOIN mailbox b ON b.mailbox_id = m.mailbox_id
WHERE m.media_key = ANY($1::bigint[]) AND m.state = 'WAITING'
"""

RENEW = "SELECT finder.renew_media($1, $2, $3)"

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

DEAD_PAGE = (
    _COLUMNS
    + "WHERE tenant_id = $1 AND state = 'DEAD' AND media_key > $2 ORDER BY media_key LIMIT $3"
)

RETRY = """
UPDATE media SET state = 'WAITING', due_time = now(), attempt_count = 0, failure = NULL,
    expire_time = NULL
WHERE tenant_id = $1 AND media_key = $2 AND state = 'DEAD' AND expire_time > now()
RETURNING media_key
"""

# Whoever is fetching it finds that nobody waits for it any more.
ERASE = """
UPDATE media SET expire_time = now(),
    state = CASE state WHEN 'WAITING' THEN 'DEAD' ELSE state END,
    failure = CASE state WHEN 'WAITING' THEN 'ERASED' ELSE failure END
WHERE tenant_id = $1 AND media_key = $2
RETURNING media_key
"""

WANTED = "SELECT EXISTS (SELECT FROM media WHERE media_key = $1 AND state <> 'DEAD')"

ENDED = "SELECT media_key, tenant_id FROM finder.ended_media($1)"
FORGET = "DELETE FROM media WHERE media_key = ANY($1::bigint[]) AND expire_time <= now()"
BACKLOG = "SELECT waiting_count, oldest_seconds FROM finder.media_backlog()"


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
        found = await self._postgres.finder.fetch(
            CLAIM, limit, share, seconds, list(held), list(held.values())
        )
        if not found:
            return []
        whose = {row["tenant_id"] or UNRESOLVED for row in found}
        keys = [row["media_key"] for row in found]
        rows = await self._postgres.of(*whose).fetch(CLAIMED, keys)
        return [WaitingMedia(**dict(row)) for row in rows]

    async def renew(self, held: Sequence[tuple[int, int]], seconds: float) -> None:
        """Hold files for another `seconds`; `held` are their keys and lease numbers."""
        keys, numbers = [key for key, _ in held], [number for _, number in held]
        await self._postgres.finder.execute(RENEW, keys, numbers, seconds)

    async def stored(
        self, media: WaitingMedia, tenant_id: str, what: StoredMedia, keep_seconds: float
    ) -> bool:
        """The file is kept; False when the lease was lost, and somebody else says so."""
        row = await self._named(media, tenant_id).fetchrow(
            *(STORED, media.media_key, media.lease_number, tenant_id),
            *(what.media_type, what.byte_count, what.sha256, keep_seconds),
        )
        return row is not None

    async def again(
        self, media: WaitingMedia, tenant_id: str | None, reason: str, seconds: float
    ) -> None:
        """It is tried again after `seconds`."""
        key = (media.media_key, media.lease_number)
        await self._named(media, tenant_id).execute(AGAIN, *key, tenant_id, reason, seconds)

    async def dead(
        self, media: WaitingMedia, tenant_id: str | None, reason: str, keep_seconds: float
    ) -> None:
        """It is given up."""
        key = (media.media_key, media.lease_number)
        await self._named(media, tenant_id).execute(DEAD, *key, tenant_id, reason, keep_seconds)

    async def is_wanted(self, tenant_id: str, media_key: int) -> bool:
        """Whether a file is to be kept, or was erased meanwhile."""
        named = self._postgres.of(tenant_id, UNRESOLVED)
        return bool(await named.fetchval(WANTED, media_key))

    async def page(
        self, tenant_id: str, *, after: int, limit: int, dead_only: bool
    ) -> list[MediaRow]:
        """A hotel's files in the order in which they came."""
        sql = DEAD_PAGE if dead_only else PAGE
        rows = await self._postgres.of(tenant_id).fetch(sql, tenant_id, after, limit)
        return [MediaRow(**dict(row)) for row in rows]

    async def one(self, tenant_id: str, media_key: int) -> MediaRow | None:
        """A file of a hotel; None when it has none of that key."""
        row = await self._postgres.of(tenant_id).fetchrow(ONE, tenant_id, media_key)
        return None if row is None else MediaRow(**dict(row))

    async def retry(self, tenant_id: str, media_key: int) -> bool:
        """Have a file that was given up fetched again; whether it was one."""
        return await self._changed(RETRY, tenant_id, media_key)

    async def erase(self, tenant_id: str, media_key: int) -> bool:
        """End a file's time now; whether there is one."""
        return await self._changed(ERASE, tenant_id, media_key)

    async def ended(self, limit: int) -> list[EndedMedia]:
        """Up to `limit` files whose time is over, the first to end first."""
        rows = await self._postgres.finder.fetch(ENDED, limit)
        return [EndedMedia(**dict(row)) for row in rows]

    async def forget(self, ended: Sequence[EndedMedia]) -> None:
        """Their files are removed: nothing is known of them any more."""
        whose = {one.tenant_id or UNRESOLVED for one in ended}
        await self._postgres.of(*whose).execute(FORGET, [one.media_key for one in ended])

    async def backlog(self) -> MediaBacklog:
        """What waits at the moment."""
        row = await self._postgres.finder.fetchrow(BACKLOG)
        assert row is not None
        return MediaBacklog(**dict(row))

    async def _changed(self, sql: str, tenant_id: str, media_key: int) -> bool:
        named = self._postgres.of(tenant_id)
        return await named.fetchval(sql, tenant_id, media_key) is not None

    def _named(self, media: WaitingMedia, tenant_id: str | None) -> Statements:
        """What was another hotel's, or nobody's, becomes the one's that it is by now."""
        return self._postgres.of(media.tenant_id or UNRESOLVED, tenant_id or UNRESOLVED)
