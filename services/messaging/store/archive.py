"""SQL of the archive: what came in, sealed; swept when its days are over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meshkit.tenancy import UNRESOLVED

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


SWEEP = "SELECT finder.sweep_archive($1, $2)"

SWEEP_STEPS = "SELECT finder.sweep_steps($1, $2)"

OLDEST_SECONDS = "SELECT finder.archive_oldest_seconds()"

UNRESOLVED_ITEMS = "SELECT inbox_id, tenant_id FROM finder.unresolved_archive($1, $2)"

ITEMS = """
SELECT a.inbox_id, a.tenant_id, a.phone_number_id, a.item_key, a.key_id, a.ciphertext
FROM unnest($1::bigint[]) WITH ORDINALITY AS wanted(inbox_id, place)
JOIN archive a ON a.inbox_id = wanted.inbox_id ORDER BY wanted.place
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
        count: int = await self._postgres.finder.fetchval(SWEEP, days, limit)
        return count

    async def sweep_steps(self, *, days: float, limit: int) -> int:
        """Delete up to `limit` steps that are older than `days`; how many."""
        count: int = await self._postgres.finder.fetchval(SWEEP_STEPS, days, limit)
        return count

    async def oldest_seconds(self) -> float:
        """The age of the oldest item, 0 without any."""
        age: float = await self._postgres.finder.fetchval(OLDEST_SECONDS)
        return age

    async def unresolved(self, *, after: int, limit: int) -> tuple[list[Resolved], int]:
        """Of up to `limit` items under the installation's data key, those whose hotel is known.

        Also the number to go on after, 0 at the end.
        """
        rows = await self._postgres.finder.fetch(UNRESOLVED_ITEMS, after, limit)
        owners = {row["inbox_id"]: row["tenant_id"] for row in rows if row["tenant_id"]}
        items = await self.items(UNRESOLVED, list(owners)) if owners else []
        known = [Resolved(item, owners[item.inbox_id]) for item in items]
        return known, rows[-1]["inbox_id"] if len(rows) == limit else 0

    async def reseal(self, items: Sequence[Archived]) -> None:
        """Store items under the data keys of their hotels."""
        owners = {item.tenant_id for item in items if item.tenant_id}
        await self._postgres.of(UNRESOLVED, *owners).execute(
            RESEAL,
            [item.inbox_id for item in items],
            [item.tenant_id for item in items],
            [item.key_id for item in items],
            [item.ciphertext for item in items],
        )

    async def items(self, tenant_id: str, inbox_ids: Sequence[int]) -> list[Archived]:
        """A hotel's items and those that are nobody's yet, in the order of `inbox_ids`."""
        rows = await self._postgres.of(tenant_id, UNRESOLVED).fetch(ITEMS, inbox_ids)
        return [Archived(**dict(row)) for row in rows]
