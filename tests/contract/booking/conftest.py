"""The real booking server, and pytest-grpc's stub made to talk to it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import grpc
import pytest
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub

from meshkit.config import load
from meshkit.kit import Kit
from sandbox.databases import DatabaseUrls
from services.booking.app import build
from services.booking.settings import BookingSettings
from tests.conftest import RedisServer, ServiceDatabases
from tests.integration.booking.hotel import Hotel


@pytest.fixture(scope="session")
async def booking_database(service_databases: ServiceDatabases) -> AsyncIterator[DatabaseUrls]:
    """One database for all contract tests; each test has a hotel of its own in it."""
    name, urls = await service_databases.create("booking")
    yield urls
    await service_databases.drop(name)


@pytest.fixture
async def hotel(booking_database: DatabaseUrls) -> AsyncIterator[Hotel]:
    """The hotel that the stub may book."""
    sql = await asyncpg.connect(booking_database.owner_url)
    rooms = {"single": 3, "double": 5, "suite": 1}
    yield await Hotel.create(sql, f"hotel-{secrets.token_hex(4)}", rooms)
    await sql.close()


@pytest.fixture(scope="session")
async def grpc_addr(
    booking_database: DatabaseUrls, redis_server: RedisServer
) -> AsyncIterator[str]:
    """Where the running service listens; pytest-grpc would make up an address of its own."""
    environ = {
        "CONSERJE_BOOKING_DATABASE_URL": booking_database.app_url,
        "CONSERJE_REDIS_URL": redis_server.url,
        "CONSERJE_BOOKING_DRAIN_SECONDS": "1",
    }
    settings = load(BookingSettings, "booking", environ)
    kit = Kit("booking", settings, migrations="services.booking")
    await kit.start_ops()
    await build(kit, settings)
    await kit.start()
    yield f"127.0.0.1:{kit.ports['grpc']}"
    await kit.drain()


@pytest.fixture(scope="session")
def grpc_channel(grpc_addr: str) -> Iterator[grpc.Channel]:
    """A synchronous channel, like any other client's."""
    with grpc.insecure_channel(grpc_addr) as channel:
        yield channel


@pytest.fixture(scope="session")
def grpc_stub_cls(grpc_channel: grpc.Channel) -> type[BookingServiceStub]:
    """The stub under test."""
    return BookingServiceStub


@pytest.fixture(scope="session")
def grpc_stub(grpc_stub_cls: type[Any], grpc_channel: grpc.Channel) -> Any:
    """A synchronous stub; call it from a thread, the server runs on this loop."""
    return grpc_stub_cls(grpc_channel)


@pytest.fixture
def call() -> Callable[..., Awaitable[Any]]:
    """`await call(stub.Method, request)`: the blocking call, in a thread."""

    async def in_thread(method: Callable[..., Any], request: Any) -> Any:
        return await asyncio.to_thread(method, request, timeout=5)

    return in_thread
