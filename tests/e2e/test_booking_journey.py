"""A guest books a room over WhatsApp: the product's main job, through every process."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest
from conserje.booking.v1 import booking_service_pb2 as wire
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.booking.v1.reservation_pb2 import RESERVATION_STATE_CONFIRMED, Reservation
from google.type.date_pb2 import Date

from sandbox.mesh import Mesh
from tests.e2e.guests import LUNA, Guest

if TYPE_CHECKING:
    from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceAsyncStub

pytestmark = pytest.mark.e2e

CODE = re.compile(r"\b[A-Z0-9]{8}\b|\b[A-Z0-9]{4}[ -][A-Z0-9]{4}\b")


@pytest.fixture
async def booking(mesh: Mesh) -> AsyncIterator[BookingServiceAsyncStub]:
    """The booking service, called as an engineer would."""
    async with grpc.aio.insecure_channel(mesh.address("booking").grpc) as channel:
        yield BookingServiceStub(channel)


def _day(offset: int) -> date:
    return date.today() + timedelta(days=offset)


def _date(day: date) -> Date:
    return Date(year=day.year, month=day.month, day=day.day)


def _code(text: str) -> str:
    found = CODE.search(text)
    assert found, f"no reservation code in: {text}"
    return re.sub(r"[ -]", "", found[0])


async def _reservation(booking: BookingServiceAsyncStub, tenant: str, code: str) -> Reservation:
    request = wire.GetReservationRequest(tenant_id=tenant, confirmation_code=code)
    return (await booking.GetReservation(request)).reservation


async def test_a_guest_books_in_spanish_by_typing_and_tapping(
    mesh: Mesh, booking: BookingServiceAsyncStub
) -> None:
    guest = Guest(mesh)
    greeting = await guest.say("hola")
    assert "Hotel Mirador" in greeting.text
    arrive, leave = _day(40), _day(42)
    offer = await guest.say(
        f"quiero una habitación doble del {arrive:%d/%m/%Y} al {leave:%d/%m/%Y} para 2"
    )
    search = await booking.SearchAvailability(
        wire.SearchAvailabilityRequest(
            tenant_id="hotel-mirador",
            check_in_date=_date(arrive),
            check_out_date=_date(leave),
            adult_count=2,
        )
    )
    if not offer.buttons:
        offer = await guest.tap(offer.row("doble"))
    done = await guest.tap(offer.button("Confirmar"))
    reservation = await _reservation(booking, "hotel-mirador", _code(done.text))
    assert reservation.state == RESERVATION_STATE_CONFIRMED
    assert reservation.check_in_date == _date(arrive)
    assert reservation.check_out_date == _date(leave)
    (booked,) = [one for one in search.room_types if one.room_type_id == reservation.room_type_id]
    assert reservation.quote.total_price == booked.total_price
    assert str(booked.total_price.units) in offer.text.replace(".", "").replace(",", "")


async def test_a_guest_books_in_english_at_another_hotel(
    mesh: Mesh, booking: BookingServiceAsyncStub
) -> None:
    guest = Guest(mesh, LUNA)
    greeting = await guest.say("hello")
    assert "Posada Luna" in greeting.text
    arrive, leave = _day(50), _day(53)
    offer = await guest.say(f"a room from {arrive.isoformat()} to {leave.isoformat()} for two")
    summary = await guest.tap(next(iter(offer.rows)))
    done = await guest.tap(summary.button("Confirm"))
    reservation = await _reservation(booking, "posada-luna", _code(done.text))
    assert reservation.quote.total_price.currency_code == "MXN"
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await _reservation(booking, "hotel-mirador", reservation.confirmation_code)
    assert refusal.value.code() is grpc.StatusCode.NOT_FOUND


async def _suite(guest: Guest, arrive: int, leave: int) -> str:
    """Book the one suite of the hotel; the answer is the text of the last reply."""
    offer = await guest.say(
        f"suite del {_day(arrive).isoformat()} al {_day(leave).isoformat()} para 2 personas"
    )
    if not offer.buttons:
        offer = await guest.tap(offer.row("suite"))
    return (await guest.tap(offer.button("Confirmar"))).text


async def test_the_last_room_is_sold_once_and_back_to_back_stays_both_succeed(mesh: Mesh) -> None:
    first, neighbour, late = Guest(mesh), Guest(mesh), Guest(mesh)
    assert _code(await _suite(first, 60, 62))
    assert _code(await _suite(neighbour, 62, 64))
    refusal = await late.say(
        f"suite del {_day(61).isoformat()} al {_day(63).isoformat()} para 2 personas"
    )
    assert "suite" in refusal.text.lower(), "the guest is told that the suite is taken"
    assert refusal.rows, "and offered what is free"
    assert not any("suite" in title.lower() for title in refusal.rows.values())
    other = await late.tap(next(iter(refusal.rows)))
    assert _code((await late.tap(other.button("Confirmar"))).text)


async def test_a_guest_without_a_phone_number_books_too(
    mesh: Mesh, booking: BookingServiceAsyncStub
) -> None:
    user = "ES.1000000000000042"
    sent = await mesh.graph.send(
        "34699999901", "100000000000001", text="hola", user_id=user, hides_phone=True
    )
    assert sent["id"]
    (reply,) = await mesh.graph.replies(user)
    assert reply["to"] == ""
    assert reply["user_id"] == user
