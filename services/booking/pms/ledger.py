"""SQL of what hotels' own systems have booked, beside what we have."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from meshkit.errors import Aborted
from meshkit.postgres import Postgres
from services.booking.domain import ReservationState, Stay

if TYPE_CHECKING:
    from meshkit.postgres import Connection


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A room of a booking that others made, by our room type."""

    booking_id: str
    room_type_id: str
    stay: Stay


@dataclass(frozen=True, slots=True)
class Oversold:
    """A night on which more is sold than there is."""

    room_type_id: str
    night: dt.date
    debt: int


@dataclass(frozen=True, slots=True)
class Ours:
    """A reservation of ours, as far as a comparison needs it."""

    reservation_id: UUID
    confirmation_code: str
    state: ReservationState
    stay: Stay
    room_type_ids: tuple[str, ...]
    booking_id: str
    """What we know it as there; empty when nothing is known."""
    settled: bool
    """Nothing is under way for it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a hotel's system has said since a cursor, ready to be counted."""

    changed_ids: Sequence[str]
    rooms: Sequence[Elsewhere]
    cursor: str
    complete: bool
    """Bookings that are not among the changed ones are gone."""


class PmsLedger:
    """Both sides' bookings of all hotels."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    SELECT_CURSOR = "SELECT cursor FROM pms_connection WHERE tenant_id = $1"

    async def cursor(self, tenant_id: str) -> str:
        """Up to where its changes were counted; empty at first, and without a connection."""
        return await self._postgres.of(tenant_id).fetchval(self.SELECT_CURSOR, tenant_id) or ""

    MOVE_CURSOR = """
UPDATE pms_connection SET cursor = $3 WHERE tenant_id = $1 AND cursor = $2 RETURNING 1
"""
    LOCK_TYPES = """
SELECT lock_room_types(array_agg(t.tenant_id), array_agg(t.room_type_id)) FROM room_type t
WHERE t.tenant_id = $1
"""
    DELETE_ELSEWHERE = """
DELETE FROM pms_elsewhere WHERE tenant_id = $1 AND ($2 OR booking_id = ANY ($3))
"""
    INSERT_ELSEWHERE = """
INSERT INTO pms_elsewhere (tenant_id, booking_id, room_place, room_type_id, nights)
SELECT $1, e.booking_id, row_number() OVER (PARTITION BY e.booking_id), e.room_type_id,
    daterange(e.check_in, e.check_out)
FROM unnest($2::text[], $3::text[], $4::date[], $5::date[])
    AS e (booking_id, room_type_id, check_in, check_out)
JOIN room_type t ON t.tenant_id = $1 AND t.room_type_id = e.room_type_id
"""
    RECOUNT = """
SELECT r.room_type_id, r.night, r.debt
FROM property p CROSS JOIN LATERAL recount_elsewhere(
    p.tenant_id,
    ARRAY(SELECT t.room_type_id FROM room_type t WHERE t.tenant_id = p.tenant_id),
    (clock_timestamp() AT TIME ZONE p.time_zone)::date) r
WHERE p.tenant_id = $1
"""

    async def take(self, tenant_id: str, after_cursor: str, taken: Taken) -> list[Oversold]:
        """Count what others have booked; the nights that are oversold by it.

        Raises Aborted when somebody else was faster: the cursor is another one.
        """
        async with self._postgres.of(tenant_id).acquire() as connection:
            await connection.execute(self.LOCK_TYPES, tenant_id)
            row = (tenant_id, after_cursor, taken.cursor)
            if await connection.fetchval(self.MOVE_CURSOR, *row) is None:
                raise Aborted("PMS_CURSOR_MOVED", "Another replica has counted these changes.")
            await self._replace(connection, tenant_id, taken)
            rows = await connection.fetch(self.RECOUNT, tenant_id)
        return [Oversold(row["room_type_id"], row["night"], row["debt"]) for row in rows]

    async def _replace(self, connection: Connection, tenant_id: str, taken: Taken) -> None:
        await connection.execute(
            self.DELETE_ELSEWHERE, tenant_id, taken.complete, list(taken.changed_ids)
        )
        await connection.execute(
            self.INSERT_ELSEWHERE,
            tenant_id,
            [one.booking_id for one in taken.rooms],
            [one.room_type_id for one in taken.rooms],
            [one.stay.check_in for one in taken.rooms],
            [one.stay.check_out for one in taken.rooms],
        )

    # What was settled is looked at once more: a second booking, or one that should be gone.
    WAKE = """
UPDATE pms_booking SET step = 'WATCH', due_time = clock_timestamp(), failure_count = 0
WHERE tenant_id = $1 AND reservation_id = ANY ($2) AND step = 'NONE'
"""

    async def wake(self, tenant_id: str, reservation_ids: Sequence[UUID]) -> None:
        """Have reservations looked at in the hotel's system, those that nothing is done for."""
        if reservation_ids:
            hotel = self._postgres.of(tenant_id)
            await hotel.execute(self.WAKE, tenant_id, list(reservation_ids))

    # Those from before the hotel's system was connected were never sent there, and have no row.
    SELECT_OURS = """
SELECT r.reservation_id, r.confirmation_code, r.state, min(s.arrival) AS check_in,
    max(s.departure) AS check_out, array_agg(s.room_type_id ORDER BY s.stay_number) AS types,
    coalesce(b.booking_id, '') AS booking_id, coalesce(b.step = 'NONE', true) AS settled
FROM reservation r
JOIN stay s ON s.tenant_id = r.tenant_id AND s.reservation_id = r.reservation_id
LEFT JOIN pms_booking b ON b.tenant_id = r.tenant_id AND b.reservation_id = r.reservation_id
WHERE r.tenant_id = $1 AND ($2::uuid[] IS NULL OR r.reservation_id = ANY ($2))
GROUP BY r.reservation_id, r.confirmation_code, r.state, b.booking_id, b.step
HAVING max(s.departure) > $3
ORDER BY r.reservation_id
"""

    async def ours(
        self, tenant_id: str, today: dt.date, reservation_ids: Sequence[UUID] | None = None
    ) -> list[Ours]:
        """Reservations that are, or were, to be there: those named, or all from today on."""
        rows = await self._postgres.of(tenant_id).fetch(
            self.SELECT_OURS,
            tenant_id,
            None if reservation_ids is None else list(reservation_ids),
            today,
        )
        return [
            Ours(
                row["reservation_id"],
                row["confirmation_code"],
                ReservationState(row["state"]),
                Stay(row["check_in"], row["check_out"]),
                tuple(row["types"]),
                row["booking_id"],
                row["settled"],
            )
            for row in rows
        ]
