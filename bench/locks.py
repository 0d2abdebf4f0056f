"""Locks granted by the booking service, coalesced and one by one, against the bare unary echo.

Every night has more rooms than a run can lock, so that what is measured is granting, never
refusing: a caller that is refused ends the run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg

from bench import mesh as meshes
from bench.measuring import Entry, Group, Run, Sample
from bench.processes import CpuMeter, Program, program
from bench.resolves import ECHO
from sandbox.mesh import Mesh

HOTELS = 20
TYPES = 10
NIGHTS = 365
MANY_HOTELS = 1_000
FEW_NIGHTS = 60
"""On sale in the hotels beyond the first `HOTELS`."""
ROOMS = 100_000_000

COALESCED = Entry(
    "booking.lock.coalesced",
    "locks/s",
    "64 independent callers of the single-call interface of a coalescer before"
    " BatchAcquireLocks, 2 to 4 nights of 200 room types; granted, with quote and audit.",
    ceiling=ECHO.name,
    least_ratio=2,
)
ONE_TYPE = Entry(
    "booking.lock.one_type",
    "locks/s",
    "The same, all for one room type.",
    ceiling=ECHO.name,
    least_value=5_000,
)
SINGLE = Entry(
    "booking.lock.single",
    "locks/s",
    "64 callers of AcquireLock, 2 to 4 nights of 200 room types, each call an RPC; granted.",
    ceiling=ECHO.name,
    least_ratio=0.4,
)
ONE_PROPERTY = Entry(
    "booking.lock.one_property",
    "locks/s",
    "Coalesced as above, all for the 10 room types of one hotel.",
    ceiling=ECHO.name,
)
THOUSAND_PROPERTIES = Entry(
    "booking.lock.thousand_properties",
    "locks/s",
    "The same, for the 10,000 room types of 1,000 hotels; compared with one hotel.",
    ceiling=ONE_PROPERTY.name,
    least_ratio=0.85,
)
WAYS = {
    COALESCED.name: "coalesced",
    ONE_TYPE.name: "one_type",
    SINGLE.name: "single",
    ONE_PROPERTY.name: "one_property",
    THOUSAND_PROPERTIES.name: "thousand_properties",
}


@dataclass(frozen=True)
class Place:
    """Where locks are wanted: in the first so many hotels, types and nights."""

    hotels: int
    types: int
    nights: int


EVERYWHERE = Place(HOTELS, TYPES, NIGHTS)
PLACES = {
    "one_type": Place(1, 1, NIGHTS),
    "one_property": Place(1, TYPES, FEW_NIGHTS),
    "thousand_properties": Place(MANY_HOTELS, TYPES, FEW_NIGHTS),
}

MAKE_HOTELS = """
INSERT INTO property (tenant_id, time_zone, currency_code)
SELECT 'bench-' || h, 'UTC', 'EUR' FROM generate_series(1, $1::integer) AS s (h)
"""
MAKE_TYPES = """
INSERT INTO room_type (tenant_id, room_type_id, display_names, max_guest_count)
SELECT 'bench-' || h, 'type-' || t, '{"en": "Room"}', 4
FROM generate_series(1, $1::integer) AS s (h), generate_series(1, $2::integer) AS u (t)
"""
MAKE_NIGHTS = """
INSERT INTO night_inventory (tenant_id, room_type_id, night, sellable, price)
SELECT tenant_id, room_type_id, (clock_timestamp() AT TIME ZONE 'UTC')::date + n, $2, 100.50
FROM generate_series($3::integer + 1, $4::integer) AS h (number)
JOIN room_type ON tenant_id = 'bench-' || h.number
CROSS JOIN generate_series(0, $1::integer) AS s (n)
ORDER BY tenant_id, room_type_id, n
"""


@asynccontextmanager
async def start() -> AsyncIterator[Mapping[str, Run]]:
    """An echo server, the booking service with its hotels, and callers of both."""
    async with booking_runs(_make_hotels, "lock_caller", WAYS) as runs:
        yield runs


async def _make_hotels(mesh: Mesh) -> None:
    connection = await asyncpg.connect(mesh.databases["booking"].owner_url)
    try:
        await connection.execute(MAKE_HOTELS, MANY_HOTELS)
        await connection.execute(MAKE_TYPES, MANY_HOTELS, TYPES)
        await connection.execute(MAKE_NIGHTS, NIGHTS, ROOMS, 0, HOTELS)
        await connection.execute(MAKE_NIGHTS, FEW_NIGHTS, ROOMS, HOTELS, MANY_HOTELS)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


@asynccontextmanager
async def booking_runs(
    make_hotels: Callable[[Mesh], Awaitable[None]], caller_name: str, ways: Mapping[str, str]
) -> AsyncIterator[Mapping[str, Run]]:
    """The bare echo, and a program that calls the booking service in each of its ways."""
    async with AsyncExitStack() as stack:
        mesh, endpoint = await stack.enter_async_context(meshes.running("booking"))
        await make_hotels(mesh)
        server, said = await stack.enter_async_context(program("echo_server"))
        target = f"127.0.0.1:{said['port']}"
        caller, _ = await stack.enter_async_context(program("echo_caller", target))
        echo_meter = CpuMeter(lambda: {"caller": caller.pid, "server": server.pid})
        runs = {ECHO.name: run_of(caller, echo_meter)}
        for name, way in ways.items():
            arguments = (way, mesh.wiring.target("booking"), endpoint)
            asker, _ = await stack.enter_async_context(program(caller_name, *arguments))
            runs[name] = run_of(asker, meshes.meter(mesh, ("booking",), caller=asker.pid))
        yield runs


def run_of(caller: Program, meter: CpuMeter) -> Run:
    """The rate of a program that calls, and what an item costs."""

    async def run(seconds: float) -> Sample:
        meter.start()
        count, elapsed = await caller.run(seconds)
        return Sample(count / elapsed, meter.per_item(count))

    return run


GROUP = Group((ECHO, COALESCED, ONE_TYPE, SINGLE, ONE_PROPERTY, THOUSAND_PROPERTIES), start)
