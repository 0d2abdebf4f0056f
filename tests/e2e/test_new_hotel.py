"""A hotel that was just made is written to from the terminal, as README says."""

from __future__ import annotations

import asyncio
import os
import sys
from uuid import uuid4

import grpc
import pytest
from conserje.tenant.v1.credential_service_pb2 import (
    RemoveAppRequest,
    RemoveBusinessAccountRequest,
    SetAppRequest,
    SetBusinessAccountRequest,
)
from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceStub
from conserje.tenant.v1.tenant_pb2 import Tenant, WhatsAppNumber
from conserje.tenant.v1.tenant_service_pb2 import CreateTenantRequest, DeleteTenantRequest
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
    assert "Casa Azul" in (await _chat(mesh, b"hola\n"))[0]
    account = "200000000000031"
    async with grpc.aio.insecure_channel(mesh.address("tenant").grpc) as channel:
        apps, hotels = CredentialServiceStub(channel), TenantServiceStub(channel)
        await apps.SetApp(SetAppRequest(app_name="norte"))
        await apps.SetBusinessAccount(
            SetBusinessAccountRequest(whatsapp_business_account_id=account, app_name="norte")
        )
        assert f"the account {account} is of the app norte" in (await _chat(mesh, b""))[1]
        await hotels.DeleteTenant(DeleteTenantRequest(tenant_id="casa-azul"))
        assert "casa-azul is deleted and answers nobody" in (await _chat(mesh, b""))[1]
        await apps.RemoveBusinessAccount(
            RemoveBusinessAccountRequest(whatsapp_business_account_id=account)
        )
        await apps.RemoveApp(RemoveAppRequest(app_name="norte"))


async def _chat(mesh: Mesh, typed: bytes) -> tuple[str, str]:
    """What the terminal shows of a chat with the new hotel."""
    chat = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "chat", "--hotel", "casa-azul", "--as", "34600999001"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "CONSERJE_CLI_RUN_FILE": str(mesh.folder.path / "run.json")},
    )
    out, err = await chat.communicate(typed)
    assert chat.returncode == 0, err
    return out.decode(), err.decode()
