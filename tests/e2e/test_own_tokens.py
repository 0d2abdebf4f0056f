"""A hotel with its own token, through the whole mesh: WhatsApp takes no other for its number."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from conserje.tenant.v1 import credential_service_pb2 as pb
from conserje.tenant.v1 import tenant_service_pb2 as tenants
from conserje.tenant.v1.credential_pb2 import CREDENTIAL_KIND_ACCESS_TOKEN
from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceStub
from conserje.tenant.v1.tenant_pb2 import Tenant, WhatsAppNumber
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from sandbox.mesh import Mesh
from tests.e2e.guests import Guest

pytestmark = pytest.mark.e2e

_numbers = itertools.count(100_000_000_001_000)


class Hotel:
    """A new hotel, as an operator brings it live and Meta knows it."""

    def __init__(self, mesh: Mesh, channel: grpc.aio.Channel, name: str = "Casa Azul") -> None:
        self.name = name
        self.number = str(next(_numbers))
        self.tenant_id = f"hotel-{self.number}"
        self._mesh = mesh
        self._hotels: Any = TenantServiceStub(channel)
        self._credentials: Any = CredentialServiceStub(channel)

    async def create(self) -> None:
        """`conserje tenant create`."""
        number = WhatsAppNumber(
            phone_number_id=self.number, whatsapp_business_account_id="200000000001000"
        )
        tenant = Tenant(
            tenant_id=self.tenant_id,
            display_name=self.name,
            time_zone="Europe/Madrid",
            default_language_code="es",
            language_codes=["es"],
            currency_code="EUR",
            numbers=[number],
        )
        request = tenants.CreateTenantRequest(request_id=str(uuid.uuid4()), tenant=tenant)
        await self._hotels.CreateTenant(request)

    async def set_token(self, value: str) -> None:
        """`conserje token set`."""
        await self._credentials.SetCredential(
            pb.SetCredentialRequest(
                tenant_id=self.tenant_id, kind=CREDENTIAL_KIND_ACCESS_TOKEN, value=value
            )
        )

    async def at_meta(self, token: str) -> None:
        """From now on Meta takes this token alone for its number."""
        number = {
            "phone_number_id": self.number,
            "waba_id": "200000000001000",
            "display_phone_number": "+34 910 000 999",
            "access_token": token,
        }
        await self._mesh.graph.set_numbers([number])


@pytest.fixture
async def hotel(mesh: Mesh) -> AsyncIterator[Hotel]:
    async with grpc.aio.insecure_channel(mesh.address("tenant").grpc) as channel:
        made = Hotel(mesh, channel)
        await made.create()
        yield made


async def test_a_hotel_is_brought_live_with_its_own_token_and_changes_it(
    mesh: Mesh, hotel: Hotel
) -> None:
    await hotel.at_meta("casa-azuls-first")
    await hotel.set_token("casa-azuls-first")
    guest = Guest(mesh, hotel.number)
    assert "Casa Azul" in (await guest.say("hola")).text
    # It is changed at Meta first: what is written meanwhile waits, at this hotel alone.
    await hotel.at_meta("casa-azuls-second")
    late = Guest(mesh, hotel.number)
    with pytest.raises(TimeoutError):
        await late.say("hola", timeout=1)
    assert "Hotel Mirador" in (await Guest(mesh).say("hola")).text
    await hotel.set_token("casa-azuls-second")
    (answer,) = await mesh.graph.replies(late.wa_id, 1)
    assert "Casa Azul" in str(answer["body"])
    told = "".join(mesh.log(name).read_text() for name in ("tenant", "messaging", "gateway"))
    assert "casa-azuls" not in told
