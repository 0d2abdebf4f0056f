"""The directory in memory follows the database, cheaply, and survives it."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, cast

import asyncpg
import pytest
from conserje.tenant.v1.tenant_service_pb2 import (
    BatchResolveTenantsRequest,
    ResolveTenantRequest,
    ResolveTenantResponse,
)
from prometheus_client import CollectorRegistry

from meshkit import postgres as pools
from meshkit.clock import FakeClock
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from services.tenant import refresh
from services.tenant.answers import Answers
from services.tenant.changes import Changes
from services.tenant.domain import Directory, Snapshot
from services.tenant.hotels.import_store import ImportStore
from services.tenant.hotels.store import HotelStore
from services.tenant.identifiers.store import IdentifierStore
from services.tenant.metrics import TenantMetrics
from services.tenant.refresh import Refresher
from services.tenant.servicer import TenantServicer
from services.tenant.store import TenantStore
from tests.integration.tenant.test_store import ADD_HOTELS, ADD_NUMBERS
from tests.sent import read

NO_CONTEXT = cast(Any, None)
RELOAD_SECONDS = 300
RENAME = "UPDATE tenant SET display_name = 'Renamed' WHERE tenant_id = 'hotel-mirador'"
ADD_HOTEL = """
INSERT INTO tenant
  (tenant_id, display_name, time_zone, default_language_code, language_codes, currency_code)
VALUES ($1, 'New', 'UTC', 'es', '{es}', 'EUR') ON CONFLICT DO NOTHING
"""
ADD_NUMBER = """
INSERT INTO whatsapp_number (tenant_id, phone_number_id, whatsapp_business_account_id)
VALUES ($1, $2, '8') ON CONFLICT DO NOTHING
"""
ADD_ADDRESS = """
INSERT INTO identifier (tenant_id, kind, value) VALUES ($1, 'EMAIL', $2) ON CONFLICT DO NOTHING
"""
MOVE_ADDRESSES = "UPDATE identifier SET tenant_id = $1 WHERE value LIKE $2"
MOVE = "UPDATE whatsapp_number SET tenant_id = $1 WHERE phone_number_id = $2"
ERASE = """
DELETE FROM tenant WHERE tenant_id = $1
  AND NOT EXISTS (SELECT FROM whatsapp_number WHERE whatsapp_number.tenant_id = tenant.tenant_id)
  AND NOT EXISTS (SELECT FROM identifier WHERE identifier.tenant_id = tenant.tenant_id)
  AND NOT EXISTS (SELECT FROM past_number WHERE past_number.tenant_id = tenant.tenant_id)
"""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def directory(clock: FakeClock) -> Directory:
    return Directory(clock)


@pytest.fixture
def refresher(postgres: Postgres, directory: Directory, clock: FakeClock) -> Refresher:
    return refresher_of(
        postgres,
        directory,
        TenantMetrics(CollectorRegistry(), directory, Changes(directory)),
        clock,
    )


def refresher_of(
    postgres: Postgres, directory: Directory, metrics: TenantMetrics, clock: FakeClock
) -> Refresher:
    return Refresher(
        store=TenantStore(postgres),
        directory=directory,
        changes=Changes(directory),
        metrics=metrics,
        clock=clock,
        poll_seconds=1,
        reload_seconds=RELOAD_SECONDS,
    )


def name_of(directory: Directory) -> str:
    return directory.snapshot.numbers["100000000000001"].display_name


async def test_a_change_is_seen_at_the_next_look(
    refresher: Refresher, directory: Directory, admin: asyncpg.Connection
) -> None:
    await refresher.refresh()
    assert name_of(directory) == "Hotel Mirador"
    await admin.execute(RENAME)
    await refresher.refresh()
    assert name_of(directory) == "Renamed"


async def test_a_look_without_a_change_is_one_short_statement(
    refresher: Refresher, directory: Directory, postgres: Postgres, clock: FakeClock
) -> None:
    await refresher.refresh()
    loaded = directory.snapshot
    clock.advance(1)
    before = postgres.statements
    await refresher.refresh()
    assert postgres.statements - before == 1
    assert directory.snapshot is loaded
    assert directory.age() == 0


async def test_a_change_is_read_alone_whatever_the_number_of_hotels(
    refresher: Refresher, directory: Directory, postgres: Postgres, admin: asyncpg.Connection
) -> None:
    await admin.execute(ADD_HOTELS, 300)
    await admin.execute(ADD_NUMBERS, 300)
    await refresher.refresh()
    numbers = directory.snapshot.numbers
    before, statements = dict(numbers), postgres.finder.statements
    await admin.execute(RENAME)
    await refresher.refresh()
    # BEGIN, what has changed, COMMIT.
    assert postgres.finder.statements - statements == 3
    changed = [one for one in before if numbers[one] is not before[one]]
    assert changed == ["100000000000001"]
    # Not even the table was made anew.
    assert directory.snapshot.numbers is numbers


async def test_very_many_changes_are_a_new_reading(
    refresher: Refresher,
    directory: Directory,
    admin: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refresh, "MOST_AT_ONCE", 3)
    await refresher.refresh()
    numbers = directory.snapshot.numbers
    await admin.execute(ADD_HOTELS, 4)
    await admin.execute(ADD_NUMBERS, 4)
    await refresher.refresh()
    assert directory.snapshot.numbers is not numbers
    assert len(directory.snapshot.numbers) == 6


@pytest.mark.parametrize("seed", range(3))
async def test_what_was_followed_is_what_would_be_read(
    refresher: Refresher,
    directory: Directory,
    postgres: Postgres,
    admin: asyncpg.Connection,
    seed: int,
) -> None:
    await refresher.refresh()
    store, chance = TenantStore(postgres), random.Random(seed)
    for _ in range(25):
        async with admin.transaction():
            for _ in range(chance.choice((1, 1, 3))):
                await change_something(admin, chance)
        await refresher.refresh()
        followed, read = directory.snapshot, await store.read_directory()
        assert followed.held == read.held
        assert followed.version == read.version
        assert followed.active_tenant_count == read.active_tenant_count
        assert without_tables(followed) == without_tables(read)


def without_tables(snapshot: Snapshot) -> int:
    """Their size depends on what they once held."""
    return snapshot.memory - snapshot.held.tables()


async def change_something(admin: asyncpg.Connection, chance: random.Random) -> None:
    """One of the changes that operators make, or somebody with SQL."""
    hotels = [row[0] for row in await admin.fetch("SELECT tenant_id FROM tenant ORDER BY 1")]
    numbers = await admin.fetch("SELECT phone_number_id FROM whatsapp_number ORDER BY 1")
    hotel, other = chance.choice(hotels), f"hotel-{chance.randrange(6)}"
    number = chance.choice(numbers)[0] if numbers else "0"
    new = str(chance.randrange(10**9))
    sql, *arguments = chance.choice(
        (
            ("UPDATE tenant SET display_name = $1 WHERE tenant_id = $2", new, hotel),
            ("UPDATE tenant SET state = 'SUSPENDED' WHERE tenant_id = $1", hotel),
            ("UPDATE tenant SET state = 'ACTIVE' WHERE tenant_id = $1", hotel),
            (ADD_HOTEL, other),
            (ADD_NUMBER, hotel, new),
            (ADD_NUMBER, hotel, new),
            (MOVE, hotel, number),
            (ADD_ADDRESS, hotel, f"{new[:2]}@hotel.example"),
            (ADD_ADDRESS, hotel, f"{new[:2]}@hotel.example"),
            (MOVE_ADDRESSES, hotel, f"{new[0]}%"),
            ("DELETE FROM identifier WHERE value LIKE $1", f"{new[0]}%"),
            ("DELETE FROM whatsapp_number WHERE phone_number_id = $1", number),
            (ERASE, hotel),
        )
    )
    await admin.execute(sql, *arguments)


async def test_everything_is_read_again_now_and_then(
    refresher: Refresher, directory: Directory, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    await refresher.refresh()
    await admin.execute("ALTER TABLE tenant DISABLE TRIGGER tenant_stamp")
    await admin.execute(RENAME)
    clock.advance(RELOAD_SECONDS * 0.8)
    await refresher.refresh()
    assert name_of(directory) == "Hotel Mirador"
    clock.advance(RELOAD_SECONDS * 0.4)
    await refresher.refresh()
    assert name_of(directory) == "Renamed"


async def test_replicas_that_were_started_together_do_not_read_together(
    refresher: Refresher, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_times, read = list[float](), TenantStore.read_directory

    async def noted(store: TenantStore, known: Snapshot | None = None) -> Snapshot:
        read_times.append(clock.monotonic())
        return await read(store, known)

    monkeypatch.setattr(TenantStore, "read_directory", noted)
    step = RELOAD_SECONDS / 20
    while len(read_times) < 14:
        await refresher.refresh()
        clock.advance(step)
    between = [after - before for before, after in pairwise(read_times)]
    assert 0.9 * RELOAD_SECONDS <= min(between) < max(between) <= 1.1 * RELOAD_SECONDS + step


async def test_a_database_set_back_is_followed(
    refresher: Refresher, directory: Directory, admin: asyncpg.Connection
) -> None:
    await refresher.refresh()
    await admin.execute("UPDATE directory SET version = 1")
    await refresher.refresh()
    assert directory.version == 1


async def test_without_the_database_the_last_directory_goes_on_and_ages(
    refresher: Refresher, directory: Directory, postgres: Postgres, clock: FakeClock
) -> None:
    await refresher.refresh()
    loaded = directory.snapshot
    await postgres.close()
    clock.advance(90)
    await refresher.refresh()
    assert directory.snapshot is loaded
    assert directory.problem() is None
    assert directory.age() == 90
    assert directory.staleness(90) is None
    assert directory.staleness(6) == "The directory is of 90 s ago: the database is not heard."
    mirador = loaded.numbers["100000000000001"]
    told = read(ResolveTenantResponse, Answers().response(mirador, directory.snapshot))
    assert told.as_of.ToDatetime(UTC) == loaded.read_time


async def test_a_flood_of_unknown_numbers_costs_no_statement(
    urls: DatabaseUrls, directory: Directory, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pool's own look at its server would be counted too.
    monkeypatch.setattr(pools, "CHECK_SECONDS", 3600)
    postgres = Postgres(urls.app_url)
    await postgres.start()
    registry = CollectorRegistry()
    changes = Changes(directory)
    metrics = TenantMetrics(registry, directory, changes)
    refresher = refresher_of(postgres, directory, metrics, clock)
    await refresher.refresh()
    servicer = TenantServicer(
        directory,
        HotelStore(postgres),
        IdentifierStore(postgres),
        ImportStore(postgres),
        metrics,
        changes,
        refresher.look,
    )
    before = postgres.statements
    for start in range(0, 100 * 256, 256):
        items = [ResolveTenantRequest(phone_number_id=f"9{start + n}") for n in range(256)]
        await servicer.BatchResolveTenants(BatchResolveTenantsRequest(items=items), NO_CONTEXT)
    assert postgres.statements == before > 0
    unknown = registry.get_sample_value("tenant_resolution_total", {"result": "unknown"})
    assert unknown == 100 * 256
    assert len(directory.snapshot.numbers) == 2
    await postgres.close()
