"""What a search reads from Postgres beside what a hotel sells."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import groupby

import asyncpg

from meshkit.errors import MeshError
from meshkit.postgres import Postgres
from services.booking.domain import Stay, refusal
from services.booking.rooms.seats import Seats
from services.booking.search.domain import ALTERNATIVE_DAYS, Counters

AROUND = dt.timedelta(days=ALTERNATIVE_DAYS)

Asked = tuple[str, Stay]
"""A hotel and a stay."""


class SearchStore:
    """The counters of all hotels."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    # One row per stay and room type, its nights as arrays: from the stay's first
    # alternative to its last. Lapsed locks count as free. Near pins also the rooms and everybody
    # who needs one, as `placing` reads them: also on other nights, for one makes room for another.
    # From `pinned_until` on counters say all.
    SELECT_COUNTERS = """
WITH hotel AS (
    SELECT a.item, a.first, a.until, p.tenant_id, p.inventory_version, m.now AS as_of,
        (m.now AT TIME ZONE p.time_zone)::date AS today
    FROM unnest($1::text[], $2::date[], $3::date[]) WITH ORDINALITY
        AS a (tenant_id, first, until, item)
    JOIN property p ON p.tenant_id = a.tenant_id
    CROSS JOIN (SELECT clock_timestamp() AS now OFFSET 0) m
)
SELECT h.item, h.first, h.inventory_version, h.as_of, h.today, t.room_type_id, n.nights,
    n.free_counts, least(live.first_expiry, near.first_expiry) AS first_expiry, near.taken,
    CASE WHEN near.taken IS NOT NULL THEN (
        SELECT array_agg(r.room_key ORDER BY r.room_number) FROM room r
        WHERE r.tenant_id = h.tenant_id AND r.room_type_id = t.room_type_id
    ) END AS rooms
FROM hotel h
LEFT JOIN room_type t ON t.tenant_id = h.tenant_id
LEFT JOIN LATERAL (
    SELECT array_agg(n.night - h.first) AS nights,
        array_agg(n.sellable + n.debt - n.held - n.sold + coalesce(lapsed.held, 0)) AS free_counts
    FROM night_inventory n
    LEFT JOIN (
        SELECT l.check_in + d.day AS night, count(*)::integer AS held
        FROM (
            SELECT l.check_in, l.check_out FROM room_lock l
            WHERE l.tenant_id = h.tenant_id AND l.room_type_id = t.room_type_id
                AND l.state = 'LIVE' AND l.expire_time <= h.as_of
            ORDER BY l.expire_time OFFSET 0
        ) l CROSS JOIN generate_series(0, l.check_out - l.check_in - 1) AS d (day)
        GROUP BY 1
    ) lapsed ON lapsed.night = n.night
    WHERE n.tenant_id = h.tenant_id AND n.room_type_id = t.room_type_id
        AND n.night >= h.first AND n.night < h.until
) n ON true
LEFT JOIN LATERAL (
    SELECT min(l.expire_time) AS first_expiry FROM room_lock l
    WHERE l.tenant_id = h.tenant_id AND l.room_type_id = t.room_type_id
        AND l.state = 'LIVE' AND l.expire_time > h.as_of
        AND l.check_in < h.until AND l.check_out > h.first
) live ON true
LEFT JOIN LATERAL (
    SELECT min(s.expire_time) AS first_expiry, array_agg(ARRAY[s.room_key,
        greatest(s.first, h.today) - h.first, s.departure - h.first, s.fixed::integer]) AS taken
    FROM (
        SELECT c.room_key, lower(c.nights) AS first, upper(c.nights) AS departure, true AS fixed,
            NULL::timestamptz AS expire_time
        FROM room_closure c
        WHERE c.tenant_id = h.tenant_id AND c.room_type_id = t.room_type_id
            AND c.end_time IS NULL AND upper(c.nights) > h.today
        UNION ALL
        SELECT s.room_key, s.arrival, s.departure,
            s.pinned OR r.state IN ('CHECKED_IN', 'CHECKED_OUT'), NULL
        FROM stay s
        JOIN reservation r ON r.tenant_id = s.tenant_id AND r.reservation_id = s.reservation_id
        WHERE s.tenant_id = h.tenant_id AND s.room_type_id = t.room_type_id AND s.occupying
            AND s.room_key IS NOT NULL AND s.departure > h.today AND s.arrival < t.pinned_until
        UNION ALL
        SELECT l.room_key, l.check_in, l.check_out, l.pinned, l.expire_time
        FROM room_lock l
        WHERE l.tenant_id = h.tenant_id AND l.room_type_id = t.room_type_id
            AND l.state = 'LIVE' AND l.expire_time > h.as_of AND NOT l.left_out
            AND l.check_out > h.today AND l.check_in < t.pinned_until
    ) s
    WHERE t.pinned_until > greatest(h.first, h.today)
) near ON true
ORDER BY h.item
"""

    async def counters(self, asked: Sequence[Asked]) -> list[Counters | MeshError]:
        """The hotels around their stays, far enough for alternatives; in one statement."""
        rows = await self._postgres.of(*{tenant_id for tenant_id, _ in asked}).fetch(
            self.SELECT_COUNTERS,
            [tenant_id for tenant_id, _ in asked],
            [stay.check_in - AROUND for _, stay in asked],
            [stay.check_out + AROUND for _, stay in asked],
        )
        grouped = groupby(rows, key=lambda row: int(row["item"]))
        found = {item: _counters(list(of_one)) for item, of_one in grouped}
        unknown = refusal("PROPERTY_UNKNOWN")
        return [found.get(item, unknown) for item in range(1, len(asked) + 1)]


def _counters(rows: list[asyncpg.Record]) -> Counters:
    row = rows[0]
    expiries = [one["first_expiry"] for one in rows if one["first_expiry"]]
    return Counters(
        version=row["inventory_version"],
        today=row["today"],
        as_of=row["as_of"],
        first_expiry=min(expiries, default=None),
        first=row["first"],
        free={one["room_type_id"]: _free(one) for one in rows if one["nights"]},
        seats={one["room_type_id"]: _seats(one) for one in rows if one["taken"]},
    )


def _free(row: asyncpg.Record) -> list[int]:
    """Night by night; one that is not there is not free."""
    free = [0] * (max(row["nights"]) + 1)
    for place, count in zip(row["nights"], row["free_counts"], strict=True):
        free[place] = count
    return free


def _seats(row: asyncpg.Record) -> Seats:
    taken = [(room, first, end, bool(fixed)) for room, first, end, fixed in row["taken"]]
    return Seats(row["rooms"] or (), taken)
