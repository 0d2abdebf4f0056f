"""Locks, expiries, reservations, changes, cancellations, shut and particular rooms, on Postgres.

In both directions: never more than a night's capacity, and never a refusal
while there is an assignment of rooms. See `machine` and `model`.
"""

from __future__ import annotations

import asyncio
import os
import random

import asyncpg
import pytest
import uvloop
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from tests.integration.booking.hotel import assert_consistent
from tests.integration.booking.machine import BookingMachine

SEED = 39032796
SHORT = (200, 50)


@pytest.mark.parametrize(
    ("examples", "steps"),
    [SHORT, *(pytest.param(2_000, 50, marks=pytest.mark.soak, id=f"soak-{n}") for n in range(10))],
)
def test_the_hotel_is_its_model(database: DatabaseUrls, examples: int, steps: int) -> None:
    # The soak looks elsewhere each time; what runs before a change lands does not change by itself.
    chosen = random.randrange(2**32) if examples > SHORT[0] else SEED
    number = int(os.environ.get("CONSERJE_TEST_SEED") or chosen)
    print(f"CONSERJE_TEST_SEED={number}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        BookingMachine.runner = runner
        # Nothing is lost here when Postgres dies, and nobody waits for its disk.
        in_a_hurry = "?synchronous_commit=off"
        BookingMachine.sql = runner.run(asyncpg.connect(database.owner_url + in_a_hurry))
        BookingMachine.pool = runner.run(_pool(database.app_url + in_a_hurry))
        run_state_machine_as_test(
            seed(number)(BookingMachine),
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        # Counters equal the ledger and the audit explains it, of all the hotels there were.
        runner.run(assert_consistent(BookingMachine.sql))
        runner.run(BookingMachine.pool.close())
        runner.run(BookingMachine.sql.close())


async def _pool(url: str) -> Postgres:
    pool = Postgres(url, kept=2, overflow=1)
    await pool.start()
    return pool
