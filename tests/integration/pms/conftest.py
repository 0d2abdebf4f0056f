"""A fake system in this process, and adapters that speak to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from sandbox.pms.app import Addresses, serving
from sandbox.pms.client import PmsControl
from services.booking.pms.http import Hosts
from services.booking.pms.saga import Patience
from tests.integration.booking.hotel import Hotel, Sql
from tests.integration.pms.front import Front, connection

ROOMS = {"double": 3, "suite": 1}


@pytest.fixture
async def addresses() -> AsyncIterator[Addresses]:
    """A running fake system."""
    async with serving() as running:
        yield running


@pytest.fixture
async def pms(addresses: Addresses) -> AsyncIterator[PmsControl]:
    """Its control, with the hotel `h1` in it: 3 `double`, 1 `suite`."""
    async with PmsControl(addresses.control) as control:
        await control.property("h1", ROOMS)
        yield control


@pytest.fixture
async def hosts() -> AsyncIterator[Hosts]:
    """Sessions of this test."""
    made = Hosts()
    yield made
    await made.close()


@pytest.fixture
def arrival() -> dt.date:
    """A day ahead."""
    return dt.datetime.now(dt.UTC).date() + dt.timedelta(days=10)


@pytest.fixture
async def sql(
    service_database: Callable[[str], Awaitable[DatabaseUrls]],
) -> AsyncIterator[tuple[Sql, DatabaseUrls]]:
    """A connection as the owner of a fresh booking database."""
    urls = await service_database("booking")
    connected = await asyncpg.connect(urls.owner_url)
    yield connected, urls
    await connected.close()


@pytest.fixture
async def fronts(
    sql: tuple[Sql, DatabaseUrls],
    redis_url: str,
    pms: PmsControl,
    addresses: Addresses,
    tmp_path: Path,
) -> AsyncIterator[Callable[..., Awaitable[Front]]]:
    """Replicas of a booking service for the hotel `mirador`, which is `h1` in the fake system."""
    connected, urls = sql
    await Hotel.create(connected, "mirador", {"single": 3, "double": 5, "suite": 1})
    # It does not know a key again: a second create is a second booking.
    await pms.property("h1", {"SGL": 3, "DBL": 5, "SUI": 1}, idempotent=False)
    (tmp_path / "mirador").write_text("h1\n")
    async with AsyncExitStack() as stack:

        async def make(patience: Patience | None = None) -> Front:
            pool = Postgres(urls.app_url)
            await pool.start()
            stack.push_async_callback(pool.close)
            # A busy machine may not open twenty connections within the 250 ms of `make_redis`, and
            # who gives Redis up asks by himself.
            redis = Redis.from_url(redis_url)
            stack.push_async_callback(redis.aclose)
            front = Front(pool, redis, tmp_path, patience)
            stack.push_async_callback(front.hosts.close)
            return front

        first = await make()
        await first.store.set_connection(connection(addresses.url))
        yield make


@pytest.fixture
async def front(fronts: Callable[..., Awaitable[Front]]) -> Front:
    """One of them."""
    return await fronts()
