"""Searches answered by the booking service, from the database and from the cache, against the bare
unary echo.

Every hotel has two taxes, terms and a type that is sold out two nights of seven, so that answers
have lines, deposits, reasons and nearest dates in them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg

from bench.locks import booking_runs
from bench.measuring import Entry, Group, Run
from bench.resolves import ECHO
from sandbox.mesh import Mesh

HOTELS = 100
TYPES = 5
NIGHTS = 365
STAY_NIGHTS = 3

COLD = Entry(
    "booking.search.cold",
    "searches/s",
    "64 independent callers of the single-call interface of a coalescer before"
    " BatchSearchAvailability: 3 nights of 5 types with taxes and alternatives, every stay another"
    " one; read from the database.",
    ceiling=ECHO.name,
    least_ratio=0.5,
)
CACHED = Entry(
    "booking.search.cached",
    "searches/s",
    "The same for 50 stays again and again; from the cache, which forgets them every 5 s.",
    ceiling=ECHO.name,
    least_ratio=1.5,
)
WAYS = {COLD.name: "cold", CACHED.name: "cached"}

HOUSE = """{"levies": [
    {"levy_id": "vat", "display_names": {"en": "VAT"}, "basis": "STAY", "included": true,
        "percent": "10"},
    {"levy_id": "city", "display_names": {"en": "City tax"}, "basis": "PERSON_NIGHT",
        "included": false, "amount": "1.50"}]}"""
TERMS = """{"deposit": {"kind": "PERCENT", "value": "30"},
    "cancellation": [{"hours_before": 48, "penalty": {"kind": "NIGHTS", "value": "1"}}]}"""
MAKE_HOTELS = """
INSERT INTO property (tenant_id, time_zone, currency_code, house, reservation_terms)
SELECT 'bench-' || h, 'UTC', 'EUR', $2, $3 FROM generate_series(1, $1::integer) AS s (h)
"""
MAKE_TYPES = """
INSERT INTO room_type (tenant_id, room_type_id, display_names, max_guest_count)
SELECT 'bench-' || h, 'type-' || t, '{"en": "Room"}', 4
FROM generate_series(1, $1::integer) AS s (h), generate_series(1, $2::integer) AS u (t)
"""
MAKE_NIGHTS = """
INSERT INTO night_inventory (tenant_id, room_type_id, night, sellable, price)
SELECT tenant_id, room_type_id, (clock_timestamp() AT TIME ZONE 'UTC')::date + n,
    CASE WHEN room_type_id = 'type-1' AND n % 7 < 2 THEN 0 ELSE 5 END, 100.50 + n % 7
FROM room_type, generate_series(0, $1::integer) AS s (n)
WHERE tenant_id LIKE 'bench-%' ORDER BY tenant_id, room_type_id, n
"""


@asynccontextmanager
async def start() -> AsyncIterator[Mapping[str, Run]]:
    """An echo server, the booking service with its hotels, and callers of both."""
    async with booking_runs(_make_hotels, "search_caller", WAYS) as runs:
        yield runs


async def _make_hotels(mesh: Mesh) -> None:
    connection = await asyncpg.connect(mesh.databases["booking"].owner_url)
    try:
        await connection.execute(MAKE_HOTELS, HOTELS, HOUSE, TERMS)
        await connection.execute(MAKE_TYPES, HOTELS, TYPES)
        await connection.execute(MAKE_NIGHTS, NIGHTS)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


GROUP = Group((ECHO, COLD, CACHED), start)
