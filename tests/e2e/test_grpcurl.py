"""What docs/recipes/grpcurl.md promises, with the real grpcurl."""

from __future__ import annotations

import asyncio
import json

import pytest

from sandbox.mesh import Mesh
from sandbox.wiring import MODULES
from tests.e2e.guests import MIRADOR
from tests.tools import tool

pytestmark = pytest.mark.e2e

SERVICE = "conserje.tenant.v1.TenantService"


async def _grpcurl(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        tool("grpcurl"),
        "-plaintext",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, told.decode()
    return told.decode()


async def test_services_are_listed_described_called_and_asked_for_their_health(mesh: Mesh) -> None:
    address = mesh.address("tenant").grpc
    assert SERVICE in (await _grpcurl(address, "list")).split()
    described = await _grpcurl(address, "describe", SERVICE)
    assert "rpc ResolveTenant (" in described
    request = json.dumps({"phone_number_id": MIRADOR})
    answer = json.loads(await _grpcurl("-d", request, address, f"{SERVICE}/ResolveTenant"))
    assert answer["routing_record"]["tenant_id"] == "hotel-mirador"
    health = json.loads(await _grpcurl(address, "grpc.health.v1.Health/Check"))
    assert health == {"status": "SERVING"}


@pytest.mark.parametrize("process", sorted(MODULES.keys() - {"graph"}))
async def test_every_process_describes_itself_and_its_health(process: str, mesh: Mesh) -> None:
    address = mesh.address(process).grpc
    listed = (await _grpcurl(address, "list")).split()
    assert "grpc.health.v1.Health" in listed
    for service in listed:
        assert "rpc " in await _grpcurl(address, "describe", service)
    health = json.loads(await _grpcurl(address, "grpc.health.v1.Health/Check"))
    assert health == {"status": "SERVING"}
