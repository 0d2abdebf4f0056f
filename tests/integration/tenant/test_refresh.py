"""The directory in memory follows the database, cheaply, and survives it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import asyncpg
import pytest
from conserje.tenant.v1.tenant_service_pb2 import (
    BatchResolveTenantsRequest,
    ResolveTenantRequest,
)
from prometheus_client import CollectorRegistry

from meshkit import postgres as pools
from meshkit.clock import FakeClock
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from services.tenant.changes import Changes
from services.tenant.domain import Directory
from services.tenant.hotels.import_store import ImportStore
from services.tenant.hotels.store import HotelStore
from services.tenant.identifiers.store import IdentifierStore
from services.tenant.metrics import TenantMetrics
from services.tenant.refresh import Refresher
from services.tenant.servicer import TenantServicer
from services.tenant.store import TenantStore

NO_CONTEXT = cast(Any, None)
RELOAD_SECONDS = 300
RENAME = "UPDATE tenant SET display_name = 'Renamed' WHERE tenant_id = 'hotel-mirador'"


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
