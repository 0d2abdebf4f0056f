"""Who stands in the way of a stay: read only, nothing is decided by it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from meshkit.dates import nights as nights_of
from services.booking.domain import Stay, refusal
from services.booking.reservations.store import ReservationStore
from services.booking.rooms.placing import load


@dataclass(frozen=True, slots=True)
class ConflictFilter:
    """What somebody would like to have: a room of a type, or this very room."""

    tenant_id: str
    room_type_id: str
    room_id: str
    """Empty: any room of the type."""
    stay: Stay


class ConflictPlace(NamedTuple):
    """Where a page of conflicts ended: they go by arrival."""

    check_in: dt.date
    holder_id: UUID


@dataclass(frozen=True, slots=True)
class Conflict:
    """A live lock, or a reservation, on a night that is taken."""

    holder_id: UUID
    room_type_id: str
    room_count: int
    stay: Stay
    guest_id: str
    expire_time: dt.datetime | None
    """None for a reservation."""

    @property
    def place(self) -> ConflictPlace:
        """Its place in the list."""
        return ConflictPlace(self.stay.check_in, self.holder_id)


FIRST_CONFLICT = ConflictPlace(dt.date(1, 1, 1), UUID(int=0))
"""Before the first of any list."""


class ConflictStore(ReservationStore):
    """What is asked of Postgres about stays that cannot be had."""

    # Lapsed locks keep nothing, swept or not, so that what is in time is counted here rather than
    # read from `held`. One statement: the nights and who is there belong together. Where nobody
    # is there it gives one row with the nights alone, and none when the place is unknown.
    # Full nights, and those that were found out to be none for one more ($8), are everybody's of
    # the type; on others only who has to be in the very room that is wanted is in the way.
    SELECT_CONFLICTS = """,
live AS MATERIALIZED (
    SELECT coalesce(l.part_of, l.lock_id) AS holder_id, l.check_in, l.check_out,
        count(*) AS room_count, max(coalesce(whole.guest_id, l.guest_id)) AS guest_id,
        l.expire_time, bool_or(l.pinned AND l.room_key = p.room_key) AS in_room
    FROM place p
    JOIN room_lock l ON l.tenant_id = $1 AND l.room_type_id = p.room_type_id AND l.state = 'LIVE'
        AND l.expire_time > statement_timestamp() AND l.check_in < $4 AND l.check_out > $3
    LEFT JOIN room_lock whole ON whole.tenant_id = l.tenant_id AND whole.lock_id = l.part_of
    GROUP BY 1, l.check_in, l.check_out, l.expire_time
),
booked AS MATERIALIZED (
    SELECT s.reservation_id AS holder_id, s.arrival AS check_in, s.departure AS check_out,
        count(*) AS room_count, r.guest_id, NULL::timestamptz AS expire_time,
        bool_or(s.room_key = p.room_key
            AND (s.pinned OR r.state IN ('CHECKED_IN', 'CHECKED_OUT'))) AS in_room
    FROM place p
    JOIN stay s ON s.tenant_id = $1 AND s.room_type_id = p.room_type_id AND s.occupying
        AND s.departure > $3 AND s.arrival < $4
    JOIN reservation r ON r.tenant_id = s.tenant_id AND r.reservation_id = s.reservation_id
    GROUP BY s.tenant_id, s.reservation_id, s.arrival, s.departure, r.guest_id
),
holder AS (TABLE live UNION ALL TABLE booked),
shut AS (
    SELECT c.nights
    FROM place p
    JOIN room_closure c ON c.tenant_id = $1 AND c.room_type_id = p.room_type_id
        AND c.room_key = p.room_key AND c.end_time IS NULL
        AND upper(c.nights) > $3 AND lower(c.nights) < $4
),
wanted AS MATERIALIZED (
    SELECT d.night,
        d.night = ANY ($8::date[]) OR i.price IS NULL OR i.sellable + i.debt <= i.sold
        + (SELECT coalesce(sum(l.room_count), 0) FROM live l
            WHERE d.night >= l.check_in AND d.night < l.check_out) AS is_full
    FROM place p
    CROSS JOIN (SELECT $3::date + n AS night
        FROM generate_series(0, $4::date - $3::date - 1) AS s (n)) d
    LEFT JOIN night_inventory i
        ON i.tenant_id = $1 AND i.room_type_id = p.room_type_id AND i.night = d.night
),
taken AS (
    SELECT w.night FROM wanted w
    WHERE w.is_full OR EXISTS (SELECT FROM shut c WHERE w.night <@ c.nights) OR EXISTS (
        SELECT FROM holder h
        WHERE h.in_room AND w.night >= h.check_in AND w.night < h.check_out)
)
SELECT p.room_type_id, p.room_key, p.pinned,
    (SELECT array_agg(night ORDER BY night) FROM taken) AS nights, h.*
FROM place p
LEFT JOIN LATERAL (
    SELECT h.* FROM holder h
    WHERE (h.check_in, h.holder_id) > ($5, $6) AND (h.in_room OR EXISTS (
        SELECT FROM wanted w WHERE w.is_full AND w.night >= h.check_in AND w.night < h.check_out))
    ORDER BY h.check_in, h.holder_id LIMIT $7
) h ON true
ORDER BY h.check_in, h.holder_id
"""
    OF_TYPE = """
WITH place AS MATERIALIZED (
    SELECT room_type_id, NULL::bigint AS room_key, is_pinned(tenant_id, room_type_id) AS pinned
    FROM room_type WHERE tenant_id = $1 AND room_type_id = $2
)"""
    # Who wants this very room makes it a pin.
    OF_ROOM = """
WITH place AS MATERIALIZED (
    SELECT room_type_id, room_key, true AS pinned FROM room WHERE tenant_id = $1 AND room_id = $2
)"""
    SELECT_CONFLICTS_OF_TYPE = OF_TYPE + SELECT_CONFLICTS
    SELECT_CONFLICTS_OF_ROOM = OF_ROOM + SELECT_CONFLICTS

    async def conflicts(
        self, wanted: ConflictFilter, after: ConflictPlace, size: int
    ) -> tuple[Sequence[dt.date], list[Conflict]]:
        """The nights that cannot be had, and at most `size` of those who are there, after a
        place in the order of arrival."""
        rows = await self._conflicts(wanted, after, size, ())
        row = rows[0]
        if not row["nights"] and row["pinned"]:
            place = (row["room_type_id"], row["room_key"])
            if not await self._has_room(wanted, *place):
                # A room each night, but none for all of them: all who are there are in the way.
                stay = wanted.stay
                all_nights = nights_of(stay.check_in, stay.check_out)
                rows = await self._conflicts(wanted, after, size, list(all_nights))
        found = [_conflict(row) for row in rows if row["holder_id"] is not None]
        return rows[0]["nights"] or (), found

    async def _conflicts(
        self, wanted: ConflictFilter, after: ConflictPlace, size: int, full: Sequence[dt.date]
    ) -> list[asyncpg.Record]:
        """A page of those in the way on nights that are taken, and on these; never empty."""
        if wanted.room_id:
            sql, key, unknown = self.SELECT_CONFLICTS_OF_ROOM, wanted.room_id, "ROOM_UNKNOWN"
        else:
            sql, key, unknown = (
                self.SELECT_CONFLICTS_OF_TYPE,
                wanted.room_type_id,
                "ROOM_TYPE_UNKNOWN",
            )
        stay = wanted.stay
        rows = await self._postgres.of(wanted.tenant_id).fetch(
            sql, wanted.tenant_id, key, stay.check_in, stay.check_out, *after, size, full
        )
        if not rows:
            raise refusal(unknown)
        return rows

    async def _has_room(
        self, wanted: ConflictFilter, room_type_id: str, room_key: int | None
    ) -> bool:
        """Whether taking the stay would find rooms for everybody."""
        async with self._postgres.of(wanted.tenant_id).acquire() as connection:
            plan = await load(connection, wanted.tenant_id, room_type_id)
        stay = wanted.stay
        nights = (stay.check_in.toordinal(), stay.check_out.toordinal())
        return plan.has_room(nights, room_key)


def _conflict(row: asyncpg.Record) -> Conflict:
    return Conflict(
        holder_id=row["holder_id"],
        room_type_id=row["room_type_id"],
        room_count=row["room_count"],
        stay=Stay(row["check_in"], row["check_out"]),
        guest_id=row["guest_id"],
        expire_time=row["expire_time"],
    )
