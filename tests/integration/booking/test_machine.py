"""Locks, expiries, reservations, changes, cancellations, shut and particular rooms.

In both directions: never more than a night's capacity, and never a refusal
while there is an assignment of rooms, in Postgres and in the fake. See `machine`
and `model`.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import uvloop
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from prometheus_client import CollectorRegistry

from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from services.booking.metrics import BookingMetrics
from services.booking.rooms.store import RoomStore
from services.booking.store import BookingStore
from tests.integration.booking.desk import Desk, PostgresDesk
from tests.integration.booking.fake import FakeDesk
from tests.integration.booking.hotel import Hotel, assert_consistent
from tests.integration.booking.machine import BookingMachine, noon
from tests.integration.booking.model import ROOMS
from tests.integration.booking.searching import Searches

SEED = 39032796
EXAMPLES, STEPS = 200, 50


@pytest.mark.parametrize(
    "rounds", [1, *(pytest.param(10, marks=pytest.mark.soak, id=f"soak-{n}") for n in range(10))]
)
@pytest.mark.parametrize("where", ["postgres", "fake"])
async def test_the_hotel_is_its_model(
    service_database: Callable[[str], Awaitable[DatabaseUrls]], where: str, rounds: int
) -> None:
    # The soak looks elsewhere each time; what runs before a change lands does not change by itself.
    chosen = random.randrange(2**32) if rounds > 1 else SEED
    first = int(os.environ.get("CONSERJE_TEST_SEED") or chosen)
    print(f"CONSERJE_TEST_SEED={first}")
    for number in range(first, first + rounds):
        if where == "fake":
            await asyncio.to_thread(_play_in_memory, number)
            continue
        # Hotels stay, and sweeping looks at all there are: each round has a database of its own.
        database = await service_database("booking")
        await asyncio.to_thread(_play_in_postgres, database, number)


def _play_in_memory(number: int) -> None:
    async def open_desk() -> FakeDesk:
        return FakeDesk(uuid4().hex, ROOMS, noon())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        _play(runner, open_desk, number)


def _play_in_postgres(database: DatabaseUrls, number: int) -> None:
    # Nothing is lost here when Postgres dies, and nobody waits for its disk.
    in_a_hurry = "?synchronous_commit=off"
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sql = runner.run(asyncpg.connect(database.owner_url + in_a_hurry))
        pool = runner.run(_pool(database.app_url + in_a_hurry))
        metrics = BookingMetrics(CollectorRegistry())
        stores = BookingStore(pool, metrics), RoomStore(pool, metrics), Searches(pool, metrics)

        async def open_desk() -> PostgresDesk:
            hotel = await Hotel.create(sql, uuid4().hex, ROOMS, noon(), nights=14)
            return PostgresDesk(hotel, *stores)

        _play(runner, open_desk, number)
        # Counters equal the ledger and the audit explains it, of all the hotels there were.
        runner.run(assert_consistent(sql))
        runner.run(pool.close())
        runner.run(sql.close())


def _play(
    runner: asyncio.Runner, open_desk: Callable[[], Coroutine[Any, Any, Desk]], number: int
) -> None:
    """A round: so many hotels, one after another, by one seed."""
    BookingMachine.loop, BookingMachine.open_desk = runner.get_loop(), open_desk
    run_state_machine_as_test(
        seed(number)(BookingMachine),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


async def _pool(url: str) -> Postgres:
    pool = Postgres(url, kept=2, overflow=1)
    await pool.start()
    return pool
