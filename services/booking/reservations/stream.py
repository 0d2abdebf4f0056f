"""The outbox of reservations, read in commit order.

An event has the number of the transaction that wrote it. Below the oldest
transaction that is still open all numbers are settled, so whoever stops after
one of them has missed none, wherever the next read is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from meshkit.postgres import Postgres
from meshkit.watch import HEARTBEAT_SECONDS, Part
from services.booking.reservations.rows import SELECT_EVENTS, ReservationEvent, event

POLL_SECONDS = 0.25
"""How long a change waits to be told, at most; a look that finds nothing is one index probe."""
PART_EVENTS = 50
"""Events of a message: some 100 kB, far below the bound of a message."""


class ReservationStream:
    """Every change of every reservation, from the database to whoever watches."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    OF_HOTEL = (
        SELECT_EVENTS
        + """
WHERE tenant_id = $3 AND transaction_id > $1::bigint::text::xid8
    AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY transaction_id LIMIT $2
"""
    )
    FIND = """
SELECT tenant_id, reservation_id, version FROM finder.events_after($1::bigint::text::xid8, $2)
"""
    THESE = (
        SELECT_EVENTS
        + """
JOIN unnest($1::text[], $2::uuid[], $3::integer[]) AS told (tenant_id, reservation_id, version)
    USING (tenant_id, reservation_id, version)
ORDER BY transaction_id
"""
    )

    async def watch(
        self, tenant_id: str, after_version: int
    ) -> AsyncIterator[Part[ReservationEvent]]:
        """All that comes after a version, of one hotel or (without a name) of all."""
        version, silent = after_version, 0.0
        while True:
            found = await self._settled(tenant_id, version)
            if found:
                yield Part(found[-1].position, version, found)
                version, silent = found[-1].position, 0.0
                continue
            await asyncio.sleep(POLL_SECONDS)
            silent += POLL_SECONDS
            if silent >= HEARTBEAT_SECONDS:
                yield Part(version, version)
                silent = 0.0

    async def _settled(self, tenant_id: str, after_version: int) -> list[ReservationEvent]:
        place = (max(after_version, 0), PART_EVENTS)
        if tenant_id:
            rows = await self._postgres.of(tenant_id).fetch(self.OF_HOTEL, *place, tenant_id)
            return [event(row) for row in rows]
        found = await self._postgres.finder.fetch(self.FIND, *place)
        if not found:
            return []
        keys = tuple(zip(*found, strict=True))
        return [event(row) for row in await self._postgres.of(*keys[0]).fetch(self.THESE, *keys)]
