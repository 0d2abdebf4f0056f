"""The service over the wire, with its database coming and going."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
import grpc
import pytest
from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceStub
from conserje.tenant.v1.tenant_pb2 import TENANT_STATE_SUSPENDED
from conserje.tenant.v1.tenant_service_pb2 import (
    BatchResolveTenantsRequest,
    ResolveTenantRequest,
    ResolveTenantResponse,
)
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from meshkit.kit import Kit
from meshkit.migrate import migrate
from meshkit.status import from_rpc_error
from meshkit.telemetry import Tracing
from sandbox.databases import DatabaseUrls
from sandbox.demo.tenants import load_tenants
from sandbox.embedded import EmbeddedPostgres
from services.tenant.app import build
from services.tenant.settings import TenantSettings
from tests.waiting import eventually

MIRADOR = ResolveTenantRequest(phone_number_id="100000000000001")
LUNA = ResolveTenantRequest(phone_number_id="100000000000002")


class Service:
    """The running service, as its callers and its probes see it."""

    def __init__(self, kit: Kit, channel: grpc.aio.Channel) -> None:
        self._kit = kit
        self.stub: Any = TenantServiceStub(channel)
        self.credentials: Any = CredentialServiceStub(channel)

    @property
    def target(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._kit.ports['grpc']}"

    async def resolve(self) -> ResolveTenantResponse:
        response: ResolveTenantResponse = await self.stub.ResolveTenant(MIRADOR, timeout=5)
        return response

    async def readiness(self) -> tuple[int, dict[str, Any]]:
        url = f"http://127.0.0.1:{self._kit.ports['ops']}/readyz"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status, await response.json()

    def metric(self, name: str, **labels: str) -> float | None:
        return self._kit.registry.get_sample_value(name, labels)


@asynccontextmanager
async def serving(
    app_url: str, tracing: Tracing | None = None, **values: Any
) -> AsyncIterator[Service]:
    defaults = {"database_url": app_url, "poll_seconds": 0.05}
    settings = TenantSettings.model_validate(defaults | values)
    kit = Kit("tenant", settings, migrations="services.tenant", tracing=tracing)
    await kit.start_ops()
    await build(kit, settings)
    await kit.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{kit.ports['grpc']}") as channel:
        yield Service(kit, channel)
    await kit.drain()


@pytest.fixture
async def service(urls: DatabaseUrls) -> AsyncIterator[Service]:
    async with serving(urls.app_url) as running:
        yield running


async def test_a_change_of_the_hotel_reaches_the_callers(
    service: Service, admin: asyncpg.Connection
) -> None:
    before = await service.resolve()
    await admin.execute("UPDATE tenant SET state = 'SUSPENDED' WHERE tenant_id = 'hotel-mirador'")

    async def changed() -> bool:
        return (await service.resolve()).routing_record.version > before.routing_record.version

    await eventually(changed)
    after = await service.resolve()
    assert after.routing_record.state == TENANT_STATE_SUSPENDED
    assert after.as_of.ToNanoseconds() > before.as_of.ToNanoseconds()
    assert service.metric("tenants_active") == 1


async def test_answers_of_one_batch_are_of_one_moment(
    service: Service, admin: asyncpg.Connection
) -> None:
    batch = BatchResolveTenantsRequest(items=[MIRADOR, LUNA] * 50)
    seen: set[str] = set()

    async def ask() -> None:
        while "Hotel 9" not in seen:
            results = (await service.stub.BatchResolveTenants(batch)).results
            names = {one.value.routing_record.display_name for one in results}
            assert len(names) == 1
            seen.update(names)

    await admin.execute("UPDATE tenant SET display_name = 'Hotel 0'")

    async def first() -> bool:
        return (await service.resolve()).routing_record.display_name == "Hotel 0"

    await eventually(first)
    async with asyncio.timeout(20):
        callers = [asyncio.create_task(ask()) for _ in range(4)]
        for number in range(1, 10):
            await admin.execute("UPDATE tenant SET display_name = $1", f"Hotel {number}")
            await asyncio.sleep(0.03)
        await asyncio.gather(*callers)


async def test_postgres_comes_late_goes_and_returns(own_postgres: EmbeddedPostgres) -> None:
    urls = await own_postgres.create_service_database("tenant")
    await migrate(urls.owner_url, "services.tenant", "conserje_tenant")
    await load_tenants(urls.owner_url)
    own_postgres.stop()
    async with serving(urls.app_url) as service:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.resolve()
        assert from_rpc_error(caught.value).reason == "DIRECTORY_NOT_LOADED"
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        status, body = await service.readiness()
        assert status == 503
        assert body["checks"]["directory"] == "The directory of hotels was not read yet."

        own_postgres.start()

        async def ready() -> bool:
            return (await service.readiness())[0] == 200

        await eventually(ready)
        assert (await service.resolve()).routing_record.tenant_id == "hotel-mirador"

        own_postgres.kill()

        async def degraded() -> bool:
            return "postgres" in (await service.readiness())[1]["degraded"]

        await eventually(degraded)
        assert (await service.readiness())[0] == 200
        assert (await service.resolve()).routing_record.tenant_id == "hotel-mirador"
        age = service.metric("tenant_directory_age_seconds")
        assert age is not None
        assert age > 0

        own_postgres.start()

        async def recovered() -> bool:
            return not (await service.readiness())[1]["degraded"]

        await eventually(recovered)


async def test_a_schema_that_is_behind_leaves_the_directory_unread(
    own_postgres: EmbeddedPostgres,
) -> None:
    urls = await own_postgres.create_service_database("tenant")
    async with serving(urls.app_url) as service:
        status, body = await service.readiness()
        assert status == 503
        assert "0001_directory.sql" in body["degraded"]["postgres"]
        await migrate(urls.owner_url, "services.tenant", "conserje_tenant")

        async def ready() -> bool:
            return (await service.readiness())[0] == 200

        await eventually(ready)
