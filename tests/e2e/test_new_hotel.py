"""A hotel that was just made is written to from the terminal, as README says."""

from __future__ import annotations

import asyncio
import os
import sys
from uuid import uuid4

import grpc
import pytest
from conserje.tenant.v1.tenant_pb2 import Tenant, WhatsAppNumber
from conserje.tenant.v1.tenant_service_pb2 import CreateTenantRequest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from sandbox.mesh import Mesh

pytestmark = pytest.mark.e2e


async def test_a_hotel_that_was_just_made_answers_in_the_chat(mesh: Mesh) -> None:
    hotel = Tenant(
        tenant_id="casa-azul",
        display_name="Casa Azul",
        time_zone="America/Mexico_City",
        default_language_code="es",
        language_codes=["es"],
        currency_code="MXN",
        numbers=[
            WhatsAppNumber(
                phone_number_id="100000000000031", whatsapp_business_account_id="200000000000031"
            )
        ],
    )
    async with grpc.aio.insecure_channel(mesh.address("tenant").grpc) as channel:
        request = CreateTenantRequest(request_id=str(uuid4()), tenant=hotel)
        await TenantServiceStub(channel).CreateTenant(request)
    chat = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "chat", "--hotel", "casa-azul", "--as", "34600999001"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "CONSERJE_CLI_RUN_FILE": str(mesh.folder.path / "run.json")},
    )
    shown, _ = await chat.communicate(b"hola\n")
    assert chat.returncode == 0
    assert "Casa Azul" in shown.decode()
