"""A hotel in a test's database, and what must be true of it at any time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID, uuid4

import asyncpg

from services.booking.domain import Guests, LockRequest, Stay

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

NIGHTS = 60
PRICE = Decimal("100.50")

INSERT_PROPERTY = (
    "INSERT INTO property (tenant_id, time_zone, currency_code) VALUES ($1, $2, 'EUR')"
)
INSERT_TYPE = """
INSERT INTO room_type (tenant_id, room_type_id, display_names, max_guest_count)
VALUES ($1, $2, '{"en": "Room"}', 4)
"""
INSERT_ROOMS = """
INSERT INTO room (tenant_id, room_id, room_type_id, room_number)
SELECT $1, $2 || '-' || n, $2, n::text FROM generate_series(1, $3::integer) AS s (n)
"""
INSERT_NIGHTS = """
INSERT INTO night_inventory (tenant_id, room_type_id, night, sellable, price)
SELECT $1, $2, $4::date + n, $3, $6 FROM generate_series(0, $5::integer - 1) AS s (n)
"""

# Counters = ledger, in both directions, for every night of every hotel.
SELECT_DRIFT = """
WITH held AS (
    SELECT l.tenant_id, l.room_type_id, l.check_in + d.day AS night, count(*) AS held
    FROM room_lock l CROSS JOIN generate_series(0, l.check_out - l.check_in - 1) AS d (day)
    WHERE l.state = 'LIVE' GROUP BY 1, 2, 3
),
sold AS (
    SELECT s.tenant_id, s.room_type_id, d.night::date AS night, count(*) AS sold
    FROM stay s CROSS JOIN generate_series(lower(s.nights), upper(s.nights) - 1, '1 day')
        AS d (night)
    WHERE s.occupying GROUP BY 1, 2, 3
)
SELECT tenant_id, room_type_id, night, n.held, held.held, n.sold, sold.sold, n.sellable
FROM night_inventory n
FULL JOIN held USING (tenant_id, room_type_id, night)
FULL JOIN sold USING (tenant_id, room_type_id, night)
WHERE n.night IS NULL OR n.held <> coalesce(held.held, 0) OR n.sold <> coalesce(sold.sold, 0)
    OR n.held + n.sold > n.sellable + n.debt
"""
# Every lock explained by the audit: granted once, ended at most once, as its state says.
SELECT_UNEXPLAINED = """
SELECT l.lock_id, l.state, array_agg(a.event ORDER BY a.audit_number) AS events
FROM room_lock l
LEFT JOIN lock_audit a ON a.tenant_id = l.tenant_id AND a.lock_id = l.lock_id
    AND a.event NOT IN ('EXTENDED', 'REFUSED')  -- Any number of times, in between.
GROUP BY l.tenant_id, l.lock_id, l.state
HAVING array_agg(a.event ORDER BY a.audit_number) NOT IN (
    CASE l.state WHEN 'LIVE' THEN ARRAY['GRANTED'] ELSE ARRAY['GRANTED', l.state] END,
    -- One that ran out may still be given back, or taken again.
    CASE WHEN l.state IN ('RELEASED', 'CONVERTED') THEN ARRAY['GRANTED', 'EXPIRED', l.state]
        ELSE ARRAY['GRANTED'] END
)
"""
SELECT_OVERLAPS = """
SELECT a.reservation_id, b.reservation_id FROM stay a JOIN stay b
ON a.room_key = b.room_key AND a.nights && b.nights AND a.reservation_id < b.reservation_id
WHERE a.occupying AND b.occupying
"""
SELECT_WITHOUT_ROOM = "SELECT reservation_id FROM stay WHERE occupying AND room_key IS NULL"
# Where there are rooms out of order, everybody's room is decided on: nobody is in one that is
# shut, and no two who hold or have booked are in the same.
SELECT_IN_EACH_OTHERS_WAY = """
WITH placed AS (
    SELECT tenant_id, closure_id AS id, room_key, nights FROM room_closure WHERE end_time IS NULL
    UNION ALL
    SELECT tenant_id, reservation_id, room_key, nights FROM stay WHERE occupying
    UNION ALL
    SELECT l.tenant_id, l.lock_id, l.room_key, daterange(l.check_in, l.check_out)
    FROM room_lock l
    WHERE l.state = 'LIVE' AND l.expire_time > clock_timestamp()
        AND is_pinned(l.tenant_id, l.room_type_id)
)
SELECT a.id, b.id FROM placed a JOIN placed b
ON a.tenant_id = b.tenant_id AND a.room_key = b.room_key AND a.nights && b.nights AND a.id < b.id
"""
LOCK_TYPES = """
SELECT FROM room_type WHERE tenant_id = $1 ORDER BY room_type_id FOR NO KEY UPDATE
"""
COUNT_CHANGE = "UPDATE property SET inventory_version = inventory_version + 1"
"""What an import does; whoever changes prices or terms by hand has to."""
LAPSE = """
UPDATE room_lock SET create_time = create_time - interval '1 hour',
    expire_time = expire_time - interval '1 hour'
WHERE tenant_id = $1 AND ($2::uuid IS NULL OR lock_id = $2) AND state = 'LIVE'
"""


@dataclass(frozen=True)
class House:
    """A hotel, wherever it is kept."""

    tenant_id: str
    today: dt.date

    def stay(self, first: int = 10, nights: int = 2) -> Stay:
        """The stay that begins `first` days from today."""
        check_in = self.today + dt.timedelta(days=first)
        return Stay(check_in, check_in + dt.timedelta(days=nights))

    def request(
        self,
        room_type_id: str = "suite",
        stay: Stay | None = None,
        *,
        guest_id: str | None = None,
        request_id: UUID | None = None,
        guests: int = 2,
    ) -> LockRequest:
        """A request for a lock, of a guest of its own unless told."""
        return LockRequest(
            tenant_id=self.tenant_id,
            request_id=request_id or uuid4(),
            room_type_id=room_type_id,
            stay=stay or self.stay(),
            guests=Guests(guests, 0),
            guest_id=guest_id or uuid4().hex,
        )


@dataclass(frozen=True)
class Hotel(House):
    """One hotel of a test, in Postgres."""

    sql: Sql

    @classmethod
    async def create(
        cls,
        sql: Sql,
        tenant_id: str,
        rooms: Mapping[str, int],
        time_zone: str = "UTC",
        nights: int = NIGHTS,
    ) -> Hotel:
        """A hotel with so many rooms of each type, on sale for so many nights."""
        await sql.execute(INSERT_PROPERTY, tenant_id, time_zone)
        today = await sql.fetchval("SELECT (clock_timestamp() AT TIME ZONE $1)::date", time_zone)
        for room_type_id, count in rooms.items():
            key = (tenant_id, room_type_id)
            await sql.execute(INSERT_TYPE, *key)
            await sql.execute(INSERT_ROOMS, *key, count)
            await sql.execute(INSERT_NIGHTS, *key, count, today, nights, PRICE)
        return cls(tenant_id, today, sql)

    async def lapse(self, lock_id: UUID | None = None) -> None:
        """An hour passes for one live lock, or for all; in the order everybody keeps."""
        async with self.sql.transaction():
            await self.sql.execute(LOCK_TYPES, self.tenant_id)
            await self.sql.execute(LAPSE, self.tenant_id, lock_id)

    async def counters(self, room_type_id: str, stay: Stay) -> list[tuple[int, int]]:
        """Held and sold, night by night."""
        rows = await self.sql.fetch(
            "SELECT held, sold FROM night_inventory WHERE tenant_id = $1"
            " AND room_type_id = $2 AND night >= $3 AND night < $4 ORDER BY night",
            self.tenant_id,
            room_type_id,
            stay.check_in,
            stay.check_out,
        )
        return [(row["held"], row["sold"]) for row in rows]


async def assert_consistent(sql: Sql) -> None:
    """Counters equal the ledger, the audit explains it, no room is taken twice."""
    assert await sql.fetch(SELECT_DRIFT) == []
    assert await sql.fetch(SELECT_UNEXPLAINED) == []
    assert await sql.fetch(SELECT_OVERLAPS) == []
    assert await sql.fetch(SELECT_IN_EACH_OTHERS_WAY) == []
    assert await sql.fetch(SELECT_WITHOUT_ROOM) == []
