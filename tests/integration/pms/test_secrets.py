"""The secret of a hotel's own system comes from the tenant service, unless the folder has one."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from conserje.tenant.v1.credential_service_pb2 import ListKeysRequest
from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceStub
from conserje.tenant.v1.tenant_pb2 import Tenant
from conserje.tenant.v1.tenant_service_pb2 import CreateTenantRequest

from copies import credentials
from copies.credentials import Secrets
from meshkit.client import Channel
from meshkit.clock import SystemClock
from meshkit.errors import FailedPrecondition
from meshkit.metrics import RpcMetrics, new_registry
from meshkit.telemetry import Tracing
from meshkit.watch import WatchMetrics
from sandbox.databases import DatabaseUrls
from services.booking.pms.secrets import PmsSecrets, stored_secrets
from tests.integration.pms.front import Front
from tests.integration.tenant.keys import add_key, pms
from tests.integration.tenant.test_serving import Service, serving
from tests.waiting import eventually

HOTEL = Tenant(
    tenant_id="mirador",
    display_name="Mirador",
    time_zone="Europe/Madrid",
    default_language_code="es",
    language_codes=["es"],
    currency_code="EUR",
)


@pytest.fixture
async def tenants(
    service_database: Callable[[str], Awaitable[DatabaseUrls]], tmp_path: Path
) -> AsyncIterator[Service]:
    """The tenant service as it is, with the hotel."""
    keys = add_key(tmp_path / "keys", "2026-01")
    urls = await service_database("tenant")
    async with serving(urls.app_url, keys_folder=str(keys)) as running:
        request = CreateTenantRequest(request_id=str(uuid.uuid4()), tenant=HOTEL)
        await running.stub.CreateTenant(request)
        yield running


@pytest.fixture
async def stored(tenants: Service) -> AsyncIterator[Secrets]:
    """What it keeps, followed."""
    registry = new_registry()
    channel = Channel(
        tenants.target, tracing=Tracing("test"), metrics=RpcMetrics(registry, "client")
    )
    made = stored_secrets(
        channel.stub(CredentialServiceStub),
        clock=SystemClock(),
        registry=registry,
        watches=WatchMetrics(registry),
    )
    stopping = asyncio.Event()
    following = asyncio.create_task(made.follow(stopping))
    yield made
    stopping.set()
    await following
    await channel.aclose()


async def test_a_stored_secret_is_shown_to_the_hotels_system_and_a_changed_one_next(
    tenants: Service, stored: Secrets, front: Front
) -> None:
    """`front` has the hotel's connection; its own secret is taken away."""
    front.connections._secrets = PmsSecrets(None, stored)

    async def asked() -> bool:
        front.connections.outdate()
        connected = await front.connections.of("mirador")
        assert connected is not None
        try:
            return bool(await connected.pms.room_types())
        except FailedPrecondition:
            return False

    assert not await asked(), "without a secret it is refused"
    await tenants.credentials.SetCredential(pms("mirador", "h1"))
    await eventually(asked)
    await tenants.credentials.SetCredential(pms("mirador", "another"))

    async def refused() -> bool:
        return not await asked()

    await eventually(refused)


async def test_the_folder_holds_over_what_is_stored(
    tenants: Service, stored: Secrets, tmp_path: Path
) -> None:
    await tenants.credentials.SetCredential(pms("mirador", "stored"))
    folder = tmp_path / "secrets"
    folder.mkdir()
    secrets = PmsSecrets(folder, stored)
    assert await secrets.of("mirador") == "stored"
    (folder / "mirador").write_text("of the folder\n")
    assert await secrets.of("mirador") == "of the folder"
    assert await secrets.of("../mirador") == ""
    assert await PmsSecrets(None).of("mirador") == ""


async def test_a_secret_that_cannot_be_read_stays_as_it_was(
    tenants: Service, stored: Secrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "KEEP_SECONDS", 0.0)
    await tenants.credentials.SetCredential(pms("mirador", "stored"))
    secrets = PmsSecrets(None, stored)
    assert await secrets.of("mirador") == "stored"
    key = tmp_path / "keys" / "2026-01"
    add_key(tmp_path / "keys", "2026-07")
    key.unlink()
    await tenants.credentials.ListKeys(ListKeysRequest())
    assert await secrets.of("mirador") == "stored"
    failed = tenants.metric("credential_reads_total", kind="pms", result="failed")
    assert failed == 1
