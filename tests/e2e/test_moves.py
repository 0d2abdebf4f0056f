"""A number moves from one hotel to another while guests write to it, through the whole mesh."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import grpc
import pytest
from conserje.messaging.v1.messaging_operations_service_pb2 import ReleaseQuarantineRequest
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)
from conserje.tenant.v1 import tenant_service_pb2 as pb
from conserje.tenant.v1.tenant_pb2 import WhatsAppNumber
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from sandbox.mesh import Mesh
from tests.e2e.guests import Guest
from tests.e2e.test_own_tokens import Hotel
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

AT_ONCE = 4
OF_NUMBER = """
SELECT arrive_time, tenant_id FROM inbox WHERE phone_number_id = $1 ORDER BY arrive_time
"""
WAITS = "SELECT EXISTS (SELECT FROM inbox WHERE phone_number_id = $1 AND state = 'PENDING')"
ASIDE = "SELECT EXISTS (SELECT FROM quarantine WHERE phone_number_id = $1)"
VERSION = 'watch_version{what="directory"}'


class Operator:
    """Moves a number between two hotels that are its own."""

    def __init__(self, mesh: Mesh, channel: grpc.aio.Channel) -> None:
        self.azul = Hotel(mesh, channel, "Casa Azul")
        self.roja = Hotel(mesh, channel, "Casa Roja")
        self.number = self.azul.number
        self.stub: Any = TenantServiceStub(channel)
        self._mesh = mesh

    async def move(self, here: Hotel, there: Hotel) -> None:
        """The number becomes the other hotel's, and messaging knows it."""
        request = pb.MoveNumberRequest(
            tenant_id=here.tenant_id, phone_number_id=self.number, to_tenant_id=there.tenant_id
        )
        await _known(self._mesh, int((await self.stub.MoveNumber(request)).tenant.etag))

    async def answers(self) -> str:
        """What a new guest is told."""
        return (await Guest(self._mesh, self.number).say("hola")).text


@pytest.fixture
async def operator(mesh: Mesh) -> AsyncIterator[Operator]:
    async with grpc.aio.insecure_channel(mesh.address("tenant").grpc) as channel:
        made = Operator(mesh, channel)
        for hotel in (made.azul, made.roja):
            await hotel.create()
        # It takes the installation's token, as all that have none of their own.
        await made.azul.at_meta("")
        yield made


async def test_each_guest_is_answered_by_the_hotel_that_had_the_number_when_he_wrote(
    mesh: Mesh, operator: Operator
) -> None:
    azul, roja = operator.azul, operator.roja
    database = await asyncpg.connect(mesh.databases["messaging"].owner_url)
    moved = asyncio.Event()
    guests = [asyncio.create_task(_writing(operator, moved)) for _ in range(AT_ONCE)]
    assert "Casa Azul" in await operator.answers()
    begun = await database.fetchval("SELECT clock_timestamp()")
    await operator.move(azul, roja)
    told = await database.fetchval("SELECT clock_timestamp()")
    assert "Casa Roja" in await operator.answers()
    moved.set()
    await asyncio.gather(*guests)
    items = await database.fetch(OF_NUMBER, operator.number)
    await database.close()
    assert {item["tenant_id"] for item in items} == {azul.tenant_id, roja.tenant_id}
    for item in items:
        if item["arrive_time"] < begun:
            assert item["tenant_id"] == azul.tenant_id
        elif item["arrive_time"] > told:
            assert item["tenant_id"] == roja.tenant_id


async def test_what_is_answered_late_leaves_with_the_token_of_who_has_the_number_by_then(
    mesh: Mesh, operator: Operator
) -> None:
    azul, roja = operator.azul, operator.roja
    late = Guest(mesh, operator.number)
    assert "Casa Azul" in (await late.say("hola")).text
    suspending = pb.SuspendTenantRequest(tenant_id=azul.tenant_id)
    suspended = (await operator.stub.SuspendTenant(suspending)).tenant
    await _known(mesh, int(suspended.etag))
    await mesh.graph.say(late.wa_id, "hola", operator.number)
    await _waiting(mesh, operator.number)
    await operator.move(azul, roja)
    token = f"token-of-{roja.tenant_id}"
    await roja.set_token(token)
    await azul.at_meta(token)
    assert "Casa Roja" in await operator.answers()
    await operator.stub.ActivateTenant(pb.ActivateTenantRequest(tenant_id=azul.tenant_id))
    assert "Casa Azul" in (await late.hears()).text


async def test_what_came_before_a_number_was_taken_away_is_answered_by_its_hotel(
    mesh: Mesh, operator: Operator
) -> None:
    azul, roja = operator.azul, operator.roja
    late = Guest(mesh, operator.number)
    assert "Casa Azul" in (await late.say("hola")).text
    suspending = pb.SuspendTenantRequest(tenant_id=azul.tenant_id)
    await _known(mesh, int((await operator.stub.SuspendTenant(suspending)).tenant.etag))
    await mesh.graph.say(late.wa_id, "hola", operator.number)
    await _waiting(mesh, operator.number)
    removing = pb.RemoveNumberRequest(tenant_id=azul.tenant_id, phone_number_id=operator.number)
    await _known(mesh, int((await operator.stub.RemoveNumber(removing)).tenant.etag))
    early = Guest(mesh, operator.number)
    await mesh.graph.say(early.wa_id, "hola", operator.number)
    await _aside(mesh, operator.number)

    await operator.stub.ActivateTenant(pb.ActivateTenantRequest(tenant_id=azul.tenant_id))
    assert "Casa Azul" in (await late.hears()).text
    number = WhatsAppNumber(
        phone_number_id=operator.number, whatsapp_business_account_id="200000000001000"
    )
    adding = pb.AddNumberRequest(tenant_id=roja.tenant_id, number=number)
    await _known(mesh, int((await operator.stub.AddNumber(adding)).tenant.etag))
    async with grpc.aio.insecure_channel(mesh.address("messaging").grpc) as channel:
        operations = MessagingOperationsServiceStub(channel)
        await operations.ReleaseQuarantine(
            ReleaseQuarantineRequest(phone_number_id=operator.number)
        )
    assert "Casa Roja" in (await early.hears()).text


async def _known(mesh: Mesh, version: int) -> None:
    """Wait until messaging has that version of the directory."""
    async with asyncio.timeout(20):
        while True:
            lines = (await mesh.metrics("messaging")).splitlines()
            (told,) = (one for one in lines if one.startswith(VERSION))
            if float(told.rpartition(" ")[2]) >= version:
                return
            await asyncio.sleep(0.02)


async def _waiting(mesh: Mesh, number: str) -> None:
    """Wait until a message to the number waits for its answer."""
    await _until(mesh, WAITS, number)


async def _aside(mesh: Mesh, number: str) -> None:
    """Wait until a message to the number is set aside."""
    await _until(mesh, ASIDE, number)


async def _until(mesh: Mesh, query: str, number: str) -> None:
    database = await asyncpg.connect(mesh.databases["messaging"].owner_url)
    await eventually(lambda: database.fetchval(query, number))
    await database.close()


async def _writing(operator: Operator, moved: asyncio.Event) -> None:
    """One guest after the other until the number has moved, and one more."""
    names: list[str] = []
    last = False
    while not last:
        last = moved.is_set()
        text = await operator.answers()
        names.append("new" if "Casa Roja" in text else "old")
        assert names[-1] == "new" or "Casa Azul" in text
    assert names == sorted(names, reverse=True)
    assert names[-1] == "new"
