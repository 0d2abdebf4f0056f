"""A hotel with a system of its own: from the guest's phone to its book, and back."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import grpc
import pytest
from conserje.booking.v1.booking_service_pb2 import (
    CancelReservationRequest,
    ListReservationsRequest,
)
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.booking.v1.pms_pb2 import PMS_KIND_GENERIC, PmsConnection
from conserje.booking.v1.pms_service_pb2 import (
    DeletePmsConnectionRequest,
    SetPmsConnectionRequest,
)
from conserje.booking.v1.pms_service_pb2_grpc import PmsServiceStub
from conserje.booking.v1.reservation_pb2 import (
    ACTOR_KIND_STAFF,
    RESERVATION_STATE_PENDING_PMS,
    Actor,
)
from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceStub

from meshkit.redis_pool import make_redis
from sandbox.mesh import Mesh
from sandbox.pms.app import serving
from sandbox.pms.client import PmsControl
from tests.conftest import RedisServer
from tests.e2e.guests import Guest, Reply
from tests.integration.tenant.keys import pms as credential

if TYPE_CHECKING:
    from conserje.booking.v1.pms_service_pb2_grpc import PmsServiceAsyncStub

pytestmark = pytest.mark.e2e

HOTEL = "hotel-mirador"
NOTICES_SECRET = "whsec_" + base64.b64encode(b"of the fake system only!").decode()
SOLD = """
SELECT sold FROM night_inventory WHERE tenant_id = $1 AND room_type_id = 'doble' AND night = $2
"""


@pytest.fixture
async def pms(mesh: Mesh) -> AsyncIterator[PmsControl]:
    """Hotel Mirador is connected to a fake system for as long as the test lasts."""
    async with (
        serving() as addresses,
        PmsControl(addresses.control) as control,
        grpc.aio.insecure_channel(mesh.address("booking").grpc) as channel,
    ):
        stub = PmsServiceStub(channel)
        url = mesh.webhook_url.replace("/whatsapp", f"/pms/{HOTEL}")
        await control.property(
            "h1", {"DBL": 1}, secret="", notices_url=url, notices_secret=NOTICES_SECRET
        )
        await _keep_secret(mesh)
        connection = PmsConnection(
            tenant_id=HOTEL,
            kind=PMS_KIND_GENERIC,
            base_url=addresses.url,
            property_id="h1",
            room_types={"doble": "DBL"},
            requests_per_second=100,
        )
        await stub.SetPmsConnection(SetPmsConnectionRequest(tenant_id=HOTEL, connection=connection))
        yield control
        await _disconnect(stub, mesh)


async def test_what_the_desk_books_is_sold_here_as_soon_as_the_system_tells(
    mesh: Mesh, pms: PmsControl, redis_server: RedisServer
) -> None:
    """The regular look is kept away: its turn is taken already.

    Before any test of a system that is down: whose breaker is open is not asked, and a notice that
    could not be followed waits for the regular look.
    """
    redis = make_redis(redis_server.url)
    await redis.set(f"booking:{{{HOTEL}}}:pms:changes:h1", "1", px=600_000)
    await redis.aclose()
    night = date.today() + timedelta(days=60)
    connection = await asyncpg.connect(mesh.databases["booking"].owner_url)
    before = await connection.fetchval(SOLD, HOTEL, night)
    await pms.book("h1", "DBL", check_in=str(night), check_out=str(night + timedelta(days=1)))
    async with asyncio.timeout(20):
        while await connection.fetchval(SOLD, HOTEL, night) != before + 1:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await connection.close()
    assert (await pms.report())["notices"] == {"200": 1}


async def test_a_guest_hears_that_the_hotel_is_asked_and_then_by_itself_what_it_said(
    mesh: Mesh, pms: PmsControl
) -> None:
    guest = Guest(mesh)
    offer = await _offer(guest, 50)
    await pms.fault("slow", operation="create", seconds=4.0)
    asked = await guest.tap(offer.button("Confirmar"))
    assert "aún no es una reserva firme" in asked.text
    told = await guest.hears()
    assert "¡Reserva confirmada!" in told.text
    (booked,) = await pms.bookings("h1")
    assert f"*{booked['confirmation_code']}*" in told.text


async def test_a_guest_hears_that_the_desk_was_faster(mesh: Mesh, pms: PmsControl) -> None:
    guest = Guest(mesh)
    offer = await _offer(guest, 55)
    arrive = date.today() + timedelta(days=55)
    nights = {"check_in": str(arrive), "check_out": str(arrive + timedelta(days=2))}
    await pms.book("h1", "DBL", **nights)
    refused = await guest.tap(offer.button("Confirmar"))
    assert "el hotel no ha podido confirmar" in refused.text
    assert len(await pms.bookings("h1")) == 1


async def test_a_guest_hears_that_staff_cancelled_what_the_hotel_had_not_agreed_to(
    mesh: Mesh, pms: PmsControl
) -> None:
    guest = Guest(mesh)
    offer = await _offer(guest, 65)
    await pms.mode("down")
    assert "aún no es una reserva firme" in (await guest.tap(offer.button("Confirmar"))).text
    async with grpc.aio.insecure_channel(mesh.address("booking").grpc) as channel:
        stub = BookingServiceStub(channel)
        request = ListReservationsRequest(tenant_id=HOTEL, states=[RESERVATION_STATE_PENDING_PMS])
        (pending,) = (await stub.ListReservations(request)).reservations
        await stub.CancelReservation(
            CancelReservationRequest(
                tenant_id=HOTEL,
                request_id=str(uuid4()),
                reservation_id=pending.reservation_id,
                actor=Actor(kind=ACTOR_KIND_STAFF, actor_id="eva"),
            )
        )
    assert "El hotel ha cancelado tu solicitud" in (await guest.hears()).text
    await pms.mode("up")


async def _keep_secret(mesh: Mesh) -> None:
    async with grpc.aio.insecure_channel(mesh.address("tenant").grpc) as channel:
        await CredentialServiceStub(channel).SetCredential(
            credential(HOTEL, NOTICES_SECRET, "notices")
        )


async def _offer(guest: Guest, days: int) -> Reply:
    arrive = date.today() + timedelta(days=days)
    leave = arrive + timedelta(days=2)
    offer = await guest.say(
        f"quiero una habitación doble del {arrive:%d/%m/%Y} al {leave:%d/%m/%Y} para 2"
    )
    if not offer.buttons:
        offer = await guest.tap(offer.row("doble"))
    return offer


async def _disconnect(stub: PmsServiceAsyncStub, mesh: Mesh) -> None:
    """What was booked stays booked; the last look at it, in half a minute, is not awaited."""
    connection = await asyncpg.connect(mesh.databases["booking"].owner_url)
    try:
        await connection.execute("UPDATE pms_booking SET step = 'NONE' WHERE tenant_id = $1", HOTEL)
    finally:
        await connection.close()
    await stub.DeletePmsConnection(DeletePmsConnectionRequest(tenant_id=HOTEL))
