"""Loading a big directory does not hold the loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import asyncpg
import orjson
import pytest
from conserje.tenant.v1.tenant_service_pb2 import WatchTenantsRequest, WatchTenantsResponse
from prometheus_client import CollectorRegistry

from copies.directory import Directory as Copy
from meshkit.clock import FakeClock
from meshkit.postgres import Postgres
from meshkit.watch import WatchMetrics
from services.tenant.changes import Changes
from services.tenant.domain import Directory
from services.tenant.hotels.import_store import ImportStore
from services.tenant.hotels.store import HotelStore
from services.tenant.identifiers.store import IdentifierStore
from services.tenant.metrics import TenantMetrics
from services.tenant.refresh import Refresher
from services.tenant.servicer import TenantServicer
from services.tenant.store import TenantStore
from tests.integration.meshkit.watching import in_background
from tests.integration.tenant.test_store import ADD_HOTELS
from tests.waiting import eventually

SIZES = [
    pytest.param((1_000, 10_000), id="short"),
    pytest.param((10_000, 100_000), id="full", marks=pytest.mark.soak),
]
LONGEST_SECONDS = 0.010
"""On a machine that takes `YARDSTICK_SECONDS` for the yardstick; a slower one may take longer."""
YARDSTICK_SECONDS = 0.00125
YARDSTICK = orjson.dumps([{"id": str(n), "tenant_id": f"hotel-{n}"} for n in range(1_000)])
IDLE_SECONDS = 0.0001
RELOAD_SECONDS = 300
ADD_NUMBERS = """
INSERT INTO whatsapp_number (tenant_id, phone_number_id, whatsapp_business_account_id)
SELECT 'hotel-' || (1 + n % $1::int), (7000000 + n)::text, '8' || (1 + n % $1::int)
FROM generate_series(1, $2::int) AS n
"""


def longest_seconds() -> float:
    """The limit on this machine, as it is right now: making objects is what loading does."""
    taken = []
    for _ in range(9):
        begun = time.thread_time()
        kept = [orjson.loads(YARDSTICK) for _ in range(10)]
        taken.append(time.thread_time() - begun)
        del kept
    return LONGEST_SECONDS * max(1.0, sorted(taken)[4] / YARDSTICK_SECONDS)


class Slices:
    """What this thread computed between two ticks of the loop, in seconds.

    Time on the CPU, unlike time on the clock, is of this process alone. Ticks in which next to
    nothing was done are left out: there are so many that any percentile would be of them.
    """

    def __init__(self) -> None:
        self._seconds: list[float] = []

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[None]:
        """Measure while the block runs."""
        task = asyncio.create_task(self._measure())
        await asyncio.sleep(0)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def p999(self) -> float:
        """The longest but one in a thousand."""
        return sorted(self._seconds)[int(len(self._seconds) * 0.999)]

    async def _measure(self) -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            if now - last > IDLE_SECONDS:
                self._seconds.append(now - last)
            last = now


@pytest.fixture(params=SIZES)
async def size(request: pytest.FixtureRequest, admin: asyncpg.Connection) -> tuple[int, int]:
    """How many hotels there are, and how many numbers."""
    hotels, numbers = request.param
    # The trigger would touch each hotel ten times, which takes minutes.
    await admin.execute("ALTER TABLE whatsapp_number DISABLE TRIGGER whatsapp_number_touch")
    await admin.execute(ADD_HOTELS, hotels)
    await admin.execute(ADD_NUMBERS, hotels, numbers)
    await admin.execute("ALTER TABLE whatsapp_number ENABLE TRIGGER whatsapp_number_touch")
    return hotels, numbers


async def test_a_full_load_a_change_and_the_next_load_leave_the_loop_turning(
    postgres: Postgres, admin: asyncpg.Connection, size: tuple[int, int]
) -> None:
    hotels, numbers = size
    slices, clock = Slices(), FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    directory = Directory(clock)
    changes = Changes(directory)
    refresher = Refresher(
        store=TenantStore(postgres),
        directory=directory,
        changes=changes,
        metrics=TenantMetrics(CollectorRegistry(), directory, changes),
        clock=clock,
        poll_seconds=1,
        reload_seconds=RELOAD_SECONDS,
    )
    async with slices.measured():
        await refresher.refresh()
    first = dict(directory.snapshot.numbers)
    await admin.execute("UPDATE tenant SET display_name = 'X' WHERE tenant_id = 'hotel-1'")
    async with slices.measured():
        await refresher.refresh()
    second = directory.snapshot.numbers
    assert len(second) == numbers + 2
    assert sum(second[one] is not number for one, number in first.items()) == numbers // hotels
    shared = dict(second)
    clock.advance(2 * RELOAD_SECONDS)
    async with slices.measured():
        await refresher.refresh()
    third = directory.snapshot.numbers
    assert third is not second
    assert all(third[one] is number for one, number in shared.items())
    assert slices.p999() <= longest_seconds()


async def test_a_whole_copy_leaves_the_loop_of_its_reader_turning(
    postgres: Postgres, size: tuple[int, int]
) -> None:
    _, numbers = size
    slices, clock = Slices(), FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    stub, registry = Replayed(await messages_of(postgres)), CollectorRegistry()
    copy = Copy(stub, clock=clock, registry=registry, watches=WatchMetrics(registry))  # type: ignore[arg-type]
    async with slices.measured(), in_background(copy.run):
        # The second time the whole copy before must go.
        await eventually(lambda: stub.opened == 3, 60)
        await eventually(lambda: count(registry) == numbers + 2, 10)
    assert slices.p999() <= longest_seconds()


class Replayed:
    """Says the same whole copy twice, and then nothing."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self.opened = 0
        self._messages = messages

    async def WatchTenants(self, _request: object) -> AsyncIterator[WatchTenantsResponse]:
        self.opened += 1
        if self.opened > 2:
            await asyncio.Event().wait()
        for message in self._messages:
            await asyncio.sleep(0)
            yield WatchTenantsResponse.FromString(message)


async def messages_of(postgres: Postgres) -> list[bytes]:
    """A whole copy of the directory, as it comes to its readers."""
    directory = Directory(FakeClock(datetime(2026, 1, 1, tzinfo=UTC)))
    changes = Changes(directory)
    await changes.publish(await TenantStore(postgres).read_directory())
    metrics = TenantMetrics(CollectorRegistry(), directory, changes)
    servicer = TenantServicer(
        directory,
        HotelStore(postgres),
        IdentifierStore(postgres),
        ImportStore(postgres),
        metrics,
        changes,
        lambda: None,
    )
    messages: list[bytes] = []
    async for message in servicer.WatchTenants(WatchTenantsRequest(), cast(Any, None)):
        messages.append(message.SerializeToString())
        if not message.more:
            return messages
    raise AssertionError("the copy has no end")


def count(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("tenant_directory_copy_records")
