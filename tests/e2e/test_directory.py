"""Whose a number is, as every process of the mesh knows it, and what is told of that."""

from __future__ import annotations

import asyncio
import re
import uuid

import grpc
import pytest
from conserje.tenant.v1.tenant_pb2 import Tenant, WhatsAppNumber
from conserje.tenant.v1.tenant_service_pb2 import CreateTenantRequest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from sandbox.mesh import Mesh

pytestmark = pytest.mark.e2e

FOLLOWERS = ("gateway", "messaging")
COPIED = re.compile(r'^watch_version\{what="directory"\} (\S+)$', re.MULTILINE)
OWN = re.compile(r"^tenant_directory_version (\S+)$", re.MULTILINE)
OF_TENANT = (
    "tenant_resolution_latency_seconds_bucket{",
    'tenant_resolution_total{result="hit"}',
    'tenant_resolution_total{result="guest"}',
    'tenant_resolution_total{result="unknown"}',
    'tenant_resolution_total{result="suspended"}',
    'tenant_resolution_total{result="waba_mismatch"}',
    "tenant_refresh_latency_seconds_bucket{",
    "tenants_active ",
    "tenant_identifiers_cached ",
    "tenant_directory_version ",
    "tenant_directory_age_seconds ",
)
OF_EVERY_POOL = (
    "db_pool_size ",
    "db_pool_overflow ",
    "db_pool_in_use ",
    "db_pool_waiters ",
    "db_pool_acquire_seconds_bucket{",
)


async def test_a_new_hotel_is_known_to_every_process(mesh: Mesh) -> None:
    before = await level(mesh)
    number = WhatsAppNumber(
        phone_number_id="100000000000777", whatsapp_business_account_id="200000000000777"
    )
    hotel = Tenant(
        tenant_id="hotel-of-every-process",
        display_name="Hotel",
        time_zone="Europe/Madrid",
        default_language_code="es",
        language_codes=["es"],
        currency_code="EUR",
        numbers=[number],
    )
    async with grpc.aio.insecure_channel(mesh.address("tenant").grpc) as channel:
        await TenantServiceStub(channel).CreateTenant(
            CreateTenantRequest(request_id=str(uuid.uuid4()), tenant=hotel), timeout=10
        )
    assert await level(mesh, above=before) > before


async def level(mesh: Mesh, above: float = 0.0) -> float:
    """The version that every process has, once it is the same for all and beyond a former one."""
    async with asyncio.timeout(20):
        while True:
            found = {await version_at(mesh, "tenant", OWN)}
            found |= {await version_at(mesh, name, COPIED) for name in FOLLOWERS}
            if len(found) == 1 and min(found) > above:
                return found.pop()
            await asyncio.sleep(0.05)


async def version_at(mesh: Mesh, name: str, pattern: re.Pattern[str]) -> float:
    """The version of a process's directory; -1 before its first."""
    found = pattern.findall(await mesh.metrics(name))
    return float(found[0]) if found else -1.0


async def test_the_directory_and_the_pools_are_measured_by_the_names_that_are_promised(
    mesh: Mesh,
) -> None:
    for service, names in (
        ("tenant", (*OF_TENANT, *OF_EVERY_POOL)),
        ("booking", OF_EVERY_POOL),
        ("messaging", OF_EVERY_POOL),
    ):
        exposed = (await mesh.metrics(service)).splitlines()
        for name in names:
            assert any(line.startswith(name) for line in exposed), f"{service} has no {name}"
