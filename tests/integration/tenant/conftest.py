"""A directory in a real database, and the service in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from cli.command import main
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from sandbox.demo.tenants import load_tenants
from tests.integration.tenant.test_process import ports_of, start

Conserje = Callable[..., Awaitable[tuple[int, str, str]]]
"""Runs the command: exit code, output, errors."""


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


@pytest.fixture
async def conserje(
    urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Conserje]:
    """Runs the command: exit code, output, errors."""

    async def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(main, arguments)
        return (code, *capsys.readouterr())

    # A process of its own: what it logs is not what the command prints.
    service = await start(urls)
    try:
        ports = await ports_of(service)
        monkeypatch.setenv("CONSERJE_TARGET_TENANT", f"127.0.0.1:{ports['grpc']}")
        yield run
    finally:
        service.terminate()
        await service.communicate()
