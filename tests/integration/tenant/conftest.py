"""A directory in a real database, and the service in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from sandbox.demo.tenants import load_tenants


@pytest.fixture
async def urls(
    service_database: Callable[[str], Awaitable[DatabaseUrls]],
) -> DatabaseUrls:
    """The database of the tenant service, with the two demo hotels."""
    made = await service_database("tenant")
    await load_tenants(made.owner_url)
    return made


@pytest.fixture
async def postgres(urls: DatabaseUrls) -> AsyncIterator[Postgres]:
    """A pool as the service has it."""
    pool = Postgres(urls.app_url)
    await pool.start()
    yield pool
    await pool.close()


@pytest.fixture
async def admin(urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    """The hand that changes hotels."""
    connection = await asyncpg.connect(urls.owner_url)
    yield connection
    await connection.close()


@pytest.fixture
def urls_owner(urls: DatabaseUrls) -> str:
    """The URL for a second hand."""
    return urls.owner_url
