"""What searches touch: the nights that are asked about, whatever else the database keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest

from meshkit.postgres import Named, Postgres
from services.booking.search.store import SearchStore
from tests.integration.booking.hotel import Hotel, Sql

TYPES, ROOMS = 5, 100
RESERVATIONS = 50_000

INSERT_RESERVATIONS = """
WITH booked AS (
    INSERT INTO reservation
        (tenant_id, reservation_id, confirmation_code, guest_id, state, create_time)
    SELECT $1, gen_random_uuid(), 'C' || n, 'g' || n, 'CONFIRMED', now()
    FROM generate_series(1, $3::integer) AS s (n)
    RETURNING reservation_id
)
INSERT INTO stay
    (tenant_id, reservation_id, stay_number, room_type_id, nights, adult_count, child_count,
    nightly_prices, currency_code, occupying)
SELECT $1, b.reservation_id, 1, 'type-' || (b.n % $4), daterange(f.first, f.first + 2), 2, 0,
    '{1,1}', 'EUR', true
FROM (SELECT reservation_id, row_number() OVER () AS n FROM booked) b
CROSS JOIN LATERAL (SELECT $2::date + (b.n % 300)::integer AS first) f
"""
# Most have ended; every hundredth is live.
INSERT_LOCKS = """
INSERT INTO room_lock
    (tenant_id, lock_id, room_type_id, check_in, check_out, adult_count, child_count, guest_id,
    state, owner_token, fencing_number, nightly_prices, currency_code, create_time, expire_time,
    end_time)
SELECT $1, gen_random_uuid(), 'type-' || (n % $4), $2::date + n % 300, $2::date + n % 300 + 2, 2, 0,
    'g' || n, CASE WHEN n % 100 = 0 THEN 'LIVE' ELSE 'RELEASED' END, gen_random_uuid(), n, '{1,1}',
    'EUR', now(), now() + interval '1 hour', CASE WHEN n % 100 <> 0 THEN now() END
FROM generate_series(1, $3::integer) AS s (n)
"""
# 20 hotels that were there before, and the nights of yet others that are long over.
INSERT_OTHERS = """
INSERT INTO property (tenant_id, time_zone, currency_code)
SELECT $1 || h, 'UTC', 'EUR' FROM generate_series(1, $2::integer) AS s (h)
"""
INSERT_OTHER_TYPES = """
INSERT INTO room_type (tenant_id, room_type_id, display_names, max_guest_count)
SELECT $1 || h, 'type-' || t, '{"en": "Room"}', 4
FROM generate_series(1, $2::integer) AS s (h), generate_series(1, 10) AS u (t)
"""
INSERT_OLD_NIGHTS = """
INSERT INTO night_inventory (tenant_id, room_type_id, night, sellable, price)
SELECT t.tenant_id, t.room_type_id, current_date - n, 9, 100
FROM room_type t, generate_series(1, $2::integer) AS s (n)
WHERE t.tenant_id LIKE $1 || '%'
"""


class Spy:
    """Lends the pool, and notes the statements that are sent."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self.sent: list[tuple[str, Sequence[object]]] = []

    def of(self, *tenants: str) -> Named:
        """Statements that name hotels are sent over this one."""
        return Named(self, tenants)  # type: ignore[arg-type]

    async def fetch(self, sql: str, *arguments: object) -> Any:
        """All rows of one statement."""
        self.sent.append((sql, arguments))
        return await self._postgres.fetch(sql, *arguments)


async def add_old_nights(sql: Sql, name: str, count: int) -> None:
    """So many nights that are over, of hotels with this name."""
    hotels = 20
    await sql.execute(INSERT_OTHERS, name, hotels)
    await sql.execute(INSERT_OTHER_TYPES, name, hotels)
    await sql.execute(INSERT_OLD_NIGHTS, name, count // hotels // 10)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's nodes, all of them."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


async def touched(postgres: Postgres, sent: Sequence[tuple[str, Sequence[object]]]) -> int:
    """The buffers that statements touch; whole tables are read by none of them."""
    buffers = 0
    for statement, arguments in sent:
        explained = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement
        plan = orjson.loads(await postgres.fetchval(explained, *arguments))[0]["Plan"]
        whole = (
            one for one in nodes(plan) if one["Node Type"] == "Seq Scan" and one["Actual Loops"]
        )
        scanned = {one.get("Relation Name") for one in whole}
        assert scanned <= {None, "property", "room_type"}, plan
        buffers += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return buffers


async def assert_no_rooms_are_read(
    postgres: Postgres, sent: Sequence[tuple[str, Sequence[object]]]
) -> None:
    """Who sleeps where is for types with pins alone."""
    for statement, arguments in sent:
        explained = "EXPLAIN (ANALYZE, FORMAT JSON) " + statement
        plan = orjson.loads(await postgres.fetchval(explained, *arguments))[0]["Plan"]
        loops: dict[str, int] = {}
        for node in nodes(plan):
            name = node.get("Relation Name", "")
            loops[name] = loops.get(name, 0) + node["Actual Loops"]
        assert loops["night_inventory"] > 0
        assert loops["stay"] == loops["room_closure"] == loops["room"] == 0, plan


@pytest.mark.parametrize("old_nights", [100_000, pytest.param(10_000_000, marks=pytest.mark.soak)])
async def test_old_nights_of_others_are_not_touched(
    postgres: Postgres, sql: Sql, old_nights: int
) -> None:
    """500 rooms, 50,000 reservations: as many buffers with the nights of others beside."""
    rooms = {f"type-{number}": ROOMS for number in range(TYPES)}
    hotel = await Hotel.create(sql, "large", rooms, nights=540)
    booked = (hotel.tenant_id, hotel.today, RESERVATIONS, TYPES)
    await sql.execute(INSERT_RESERVATIONS, *booked)
    await sql.execute(INSERT_LOCKS, *booked)
    await add_old_nights(sql, "early-", old_nights // 10)
    await sql.execute("VACUUM ANALYZE")
    spy = Spy(postgres)
    searches = SearchStore(spy)  # type: ignore[arg-type]
    for first, count in ((10, 2), (100, 3), (250, 14)):
        await searches.counters([(hotel.tenant_id, hotel.stay(first, count))])
    await assert_no_rooms_are_read(postgres, spy.sent)
    before = await touched(postgres, spy.sent)
    await add_old_nights(sql, "late-", old_nights)
    await sql.execute("VACUUM ANALYZE")
    after = await touched(postgres, spy.sent)
    print(f"{len(spy.sent)} statements touched {before} buffers, then {after}")
    assert 0.9 * before <= after <= 1.1 * before
