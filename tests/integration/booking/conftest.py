"""A booking service on a fresh database, with a small hotel to sell."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from services.booking.metrics import BookingMetrics
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Hotel, Sql
from tests.integration.booking.searching import Searches


@pytest.fixture
async def database(
    service_database: Callable[[str], Awaitable[DatabaseUrls]],
) -> DatabaseUrls:
    """A fresh, migrated booking database."""
    return await service_database("booking")


@pytest.fixture
async def sql(database: DatabaseUrls) -> AsyncIterator[Sql]:
    """A connection beside the service's own, as the owner."""
    connection = await asyncpg.connect(database.owner_url)
    yield connection
    await connection.close()


@pytest.fixture
async def hotel(sql: Sql) -> Hotel:
    """Hotel `mirador` with 3 `single`, 5 `double` and 1 `suite`, 60 nights from today."""
    return await Hotel.create(sql, "mirador", {"single": 3, "double": 5, "suite": 1})


@pytest.fixture
def metrics() -> BookingMetrics:
    """Metrics of this test alone."""
    return BookingMetrics(CollectorRegistry())


@pytest.fixture
async def postgres(database: DatabaseUrls) -> AsyncIterator[Postgres]:
    """The service's pool."""
    pool = Postgres(database.app_url)
    await pool.start()
    yield pool
    await pool.close()


@pytest.fixture
def store(postgres: Postgres, metrics: BookingMetrics) -> BookingStore:
    """The store under test."""
    return BookingStore(postgres, metrics)


@pytest.fixture
def searches(postgres: Postgres, metrics: BookingMetrics) -> Searches:
    """What searches read."""
    return Searches(postgres, metrics)


@pytest.fixture
def today() -> dt.date:
    """The property's date; its zone is UTC."""
    return dt.datetime.now(dt.UTC).date()
