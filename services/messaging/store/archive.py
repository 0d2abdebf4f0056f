"""SQL of the archive: what came in, sealed; swept when its days are over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class Archived:
    """A sealed item; `tenant_id` says whose data key it is under, None the installation's."""

    inbox_id: int
    tenant_id: str | None
    phone_number_id: str
    item_key: bytes
    key_id: str
    ciphertext: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Resolved:
    """An item under the installation's data key whose hotel is known by now."""

    item: Archived
    tenant_id: str


# Numbers are given out in the order of arrival, so the oldest stand first: a sweep looks at
# `$2` rows, whatever there is. Replicas look at the same time; one works. What was answered
# is gone from the inbox too then, and what WhatsApp told of our messages.
SWEEP = """
WITH oldest AS (
    SELECT inbox_id, arrive_time FROM archive ORDER BY inbox_id LIMIT $2
), gone AS (
    DELETE FROM archive a USING oldest
    WHERE a.inbox_id = oldest.inbox_id
      AND oldest.arrive_time < now() - $1::float8 * interval '1 day'
      AND (SELECT pg_try_advisory_xact_lock(hashtext('conserje.messaging.archive')))
    RETURNING a.inbox_id
), answered AS (
    UPDATE inbox i SET event = '' FROM gone
    WHERE i.inbox_id = gone.inbox_id AND i.state = 'DONE' AND i.event <> ''
), statuses AS (
    UPDATE delivery_status d SET event = '' FROM gone
    WHERE d.inbox_id = gone.inbox_id AND d.event <> ''
)
SELECT count(*) FROM gone
"""

OLDEST_SECONDS = """
SELECT coalesce(extract(epoch FROM now() - (
    SELECT arrive_time FROM archive ORDER BY inbox_id LIMIT 1)), 0)::float8
"""

UNRESOLVED = """
SELECT a.inbox_id, a.tenant_id, a.phone_number_id, a.item_key, a.key_id, a.ciphertext,
       i.tenant_id AS owner
FROM (SELECT inbox_id, tenant_id, phone_number_id, item_key, key_id, ciphertext FROM archive
      WHERE tenant_id IS NULL AND inbox_id > $1 ORDER BY inbox_id LIMIT $2) AS a
LEFT JOIN inbox i ON i.inbox_id = a.inbox_id
ORDER BY a.inbox_id
"""

RESEAL = """
UPDATE archive a SET tenant_id = item.tenant, key_id = item.key_id, ciphertext = item.sealed
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[])
     AS item(inbox_id, tenant, key_id, sealed)
WHERE a.inbox_id = item.inbox_id AND a.tenant_id IS NULL
"""


class ArchiveStore:
    """Sealed items of all hotels."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def sweep(self, *, days: float, limit: int) -> int:
        """Delete up to `limit` items that are older than `days`; how many."""
        count: int = await self._postgres.fetchval(SWEEP, days, limit)
        return count

    async def oldest_seconds(self) -> float:
        """The age of the oldest item, 0 without any."""
        age: float = await self._postgres.fetchval(OLDEST_SECONDS)
        return age

    async def unresolved(self, *, after: int, limit: int) -> tuple[list[Resolved], int]:
        """Of up to `limit` items under the installation's data key, those whose hotel is known.

        Also the number to go on after, 0 at the end.
        """
        rows = await self._postgres.fetch(UNRESOLVED, after, limit)
        known = [Resolved(_archived(row), row["owner"]) for row in rows if row["owner"]]
        return known, rows[-1]["inbox_id"] if len(rows) == limit else 0

    async def reseal(self, items: Sequence[Archived]) -> None:
        """Store items under the data keys of their hotels."""
        await self._postgres.execute(
            RESEAL,
            [item.inbox_id for item in items],
            [item.tenant_id for item in items],
            [item.key_id for item in items],
            [item.ciphertext for item in items],
        )


def _archived(row: asyncpg.Record) -> Archived:
    return Archived(
        *(row["inbox_id"], row["tenant_id"], row["phone_number_id"], row["item_key"]),
        *(row["key_id"], row["ciphertext"]),
    )
