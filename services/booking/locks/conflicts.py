"""Who stands in the way of a stay: read only, nothing is decided by it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.booking.domain import Stay, refusal
from services.booking.reservations.store import ReservationStore


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
    SELECT_CONFLICTS_OF_TYPE = """
WITH live AS MATERIALIZED (
    SELECT coalesce(l.part_of, l.lock_id) AS holder_id, l.check_in, l.check_out,
        count(*) AS room_count, max(coalesce(whole.guest_id, l.guest_id)) AS guest_id,
        l.expire_time
    FROM room_lock l
    LEFT JOIN room_lock whole ON whole.tenant_id = l.tenant_id AND whole.lock_id = l.part_of
    WHERE l.tenant_id = $1 AND l.room_type_id = $2 AND l.state = 'LIVE'
        AND l.expire_time > statement_timestamp() AND l.check_in < $4 AND l.check_out > $3
    GROUP BY 1, l.check_in, l.check_out, l.expire_time
),
booked AS MATERIALIZED (
    SELECT s.reservation_id AS holder_id, s.arrival AS check_in, s.departure AS check_out,
        count(*) AS room_count, r.guest_id, NULL::timestamptz AS expire_time
    FROM stay s JOIN reservation r USING (tenant_id, reservation_id)
    WHERE s.tenant_id = $1 AND s.room_type_id = $2 AND s.occupying
        AND s.departure > $3 AND s.arrival < $4
    GROUP BY s.tenant_id, s.reservation_id, s.arrival, s.departure, r.guest_id
),
taken AS MATERIALIZED (
    SELECT d.night
    FROM (SELECT $3::date + n AS night FROM generate_series(0, $4::date - $3::date - 1) AS s (n)) d
    LEFT JOIN night_inventory i
        ON i.tenant_id = $1 AND i.room_type_id = $2 AND i.night = d.night
    WHERE i.price IS NULL OR i.sellable + i.debt <= i.sold
        + (SELECT coalesce(sum(l.room_count), 0) FROM live l
            WHERE d.night >= l.check_in AND d.night < l.check_out)
)
SELECT t.room_type_id, (SELECT array_agg(night ORDER BY night) FROM taken) AS nights, h.*
FROM room_type t
LEFT JOIN LATERAL (
    SELECT h.* FROM (TABLE live UNION ALL TABLE booked) h
    WHERE (h.check_in, h.holder_id) > ($5, $6) AND EXISTS (
        SELECT FROM taken WHERE night >= h.check_in AND night < h.check_out)
    ORDER BY h.check_in, h.holder_id LIMIT $7
) h ON true
WHERE t.tenant_id = $1 AND t.room_type_id = $2
ORDER BY h.check_in, h.holder_id
"""
    SELECT_CONFLICTS_OF_ROOM = """
WITH place AS MATERIALIZED (
    SELECT room_type_id, room_key FROM room WHERE tenant_id = $1 AND room_id = $2
),
booked AS MATERIALIZED (
    SELECT s.reservation_id AS holder_id, s.arrival AS check_in, s.departure AS check_out,
        1::bigint AS room_count, r.guest_id, NULL::timestamptz AS expire_time
    FROM place p
    JOIN stay s ON s.tenant_id = $1 AND s.room_type_id = p.room_type_id
        AND s.room_key = p.room_key AND s.occupying
        AND s.departure > $3 AND s.arrival < $4
    JOIN reservation r ON r.tenant_id = s.tenant_id AND r.reservation_id = s.reservation_id
    UNION ALL
    SELECT coalesce(l.part_of, l.lock_id), l.check_in, l.check_out, 1,
        coalesce(whole.guest_id, l.guest_id), l.expire_time
    FROM place p
    JOIN room_lock l ON l.tenant_id = $1 AND l.room_type_id = p.room_type_id
        AND l.state = 'LIVE' AND l.expire_time > statement_timestamp()
        AND l.pinned AND l.room_key = p.room_key AND l.check_in < $4 AND l.check_out > $3
    LEFT JOIN room_lock whole ON whole.tenant_id = l.tenant_id AND whole.lock_id = l.part_of
),
shut AS (
    SELECT lower(c.nights) AS check_in, upper(c.nights) AS check_out
    FROM place p
    JOIN room_closure c ON c.tenant_id = $1 AND c.room_type_id = p.room_type_id
        AND c.room_key = p.room_key AND c.end_time IS NULL
        AND upper(c.nights) > $3 AND lower(c.nights) < $4
),
taken AS (
    SELECT DISTINCT greatest(b.check_in, $3::date) + n AS night
    FROM (SELECT check_in, check_out FROM booked UNION ALL TABLE shut) b
    CROSS JOIN generate_series(0, least(b.check_out, $4::date) - greatest(b.check_in, $3::date) - 1)
        AS s (n)
)
SELECT p.room_type_id, (SELECT array_agg(night ORDER BY night) FROM taken) AS nights, h.*
FROM place p
LEFT JOIN LATERAL (
    SELECT b.* FROM booked b WHERE (b.check_in, b.holder_id) > ($5, $6)
    ORDER BY b.check_in, b.holder_id LIMIT $7
) h ON true
ORDER BY h.check_in, h.holder_id
"""

    async def conflicts(
        self, wanted: ConflictFilter, after: ConflictPlace, size: int
    ) -> tuple[Sequence[dt.date], list[Conflict]]:
        """The nights that cannot be had, and at most `size` of those who are there, after a
        place in the order of arrival."""
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
            sql, wanted.tenant_id, key, stay.check_in, stay.check_out, *after, size
        )
        if not rows:
            raise refusal(unknown)
        found = [_conflict(row) for row in rows if row["holder_id"] is not None]
        return rows[0]["nights"] or (), found


def _conflict(row: asyncpg.Record) -> Conflict:
    return Conflict(
        holder_id=row["holder_id"],
        room_type_id=row["room_type_id"],
        room_count=row["room_count"],
        stay=Stay(row["check_in"], row["check_out"]),
        guest_id=row["guest_id"],
        expire_time=row["expire_time"],
    )
