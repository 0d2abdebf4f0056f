"""What a search reads from Postgres."""

from __future__ import annotations

import asyncpg
import orjson

from meshkit.postgres import Postgres
from services.booking.domain import Stay, refusal
from services.booking.search.domain import ALTERNATIVE_DAYS, Inventory, Night, RoomType


class SearchStore:
    """The counters and prices of all hotels."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    # One row per room type, its nights as arrays: from the stay's first
    # alternative to its last. Lapsed locks count as free.
    SELECT_INVENTORY = """
WITH hotel AS (
    SELECT p.tenant_id, p.currency_code, m.now AS as_of,
        (m.now AT TIME ZONE p.time_zone)::date AS today
    FROM property p CROSS JOIN (SELECT clock_timestamp() AS now OFFSET 0) m
    WHERE p.tenant_id = $1
)
SELECT h.currency_code, h.as_of, h.today, t.room_type_id, t.display_names, t.max_guest_count,
    n.nights, n.free_counts, n.prices, horizon.last_night, live.first_expiry
FROM hotel h
JOIN room_type t ON t.tenant_id = h.tenant_id
CROSS JOIN LATERAL (
    SELECT array_agg(n.night) AS nights,
        array_agg(n.sellable + n.debt - n.held - n.sold + coalesce(lapsed.held, 0)) AS free_counts,
        array_agg(n.price) AS prices
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
        AND n.night >= $2::date - $4::integer AND n.night < $3::date + $4::integer
        AND n.price IS NOT NULL
) n
CROSS JOIN LATERAL (
    SELECT max(o.night) AS last_night FROM night_inventory o
    WHERE o.tenant_id = h.tenant_id AND o.room_type_id = t.room_type_id
        AND o.price IS NOT NULL
) horizon
CROSS JOIN LATERAL (
    SELECT min(l.expire_time) AS first_expiry FROM room_lock l
    WHERE l.tenant_id = h.tenant_id AND l.room_type_id = t.room_type_id
        AND l.state = 'LIVE' AND l.expire_time > h.as_of
        AND l.check_in < $3::date + $4::integer AND l.check_out > $2::date - $4::integer
) live
"""

    async def inventory(self, tenant_id: str, stay: Stay) -> Inventory:
        """The hotel around a stay, far enough for alternatives."""
        rows = await self._postgres.fetch(
            self.SELECT_INVENTORY, tenant_id, stay.check_in, stay.check_out, ALTERNATIVE_DAYS
        )
        last_night = max((row["last_night"] for row in rows if row["last_night"]), default=None)
        if last_night is None:
            raise refusal("PROPERTY_UNKNOWN")
        expiries = [row["first_expiry"] for row in rows if row["first_expiry"]]
        return Inventory(
            currency_code=rows[0]["currency_code"],
            today=rows[0]["today"],
            as_of=rows[0]["as_of"],
            last_night=last_night,
            first_expiry=min(expiries, default=None),
            room_types=tuple(_room_type(row) for row in rows),
        )


def _room_type(row: asyncpg.Record) -> RoomType:
    nights = zip(row["nights"] or (), row["free_counts"] or (), row["prices"] or (), strict=True)
    return RoomType(
        room_type_id=row["room_type_id"],
        display_names=orjson.loads(row["display_names"]),
        max_guest_count=row["max_guest_count"],
        nights={night: Night(free_count, price) for night, free_count, price in nights},
    )
