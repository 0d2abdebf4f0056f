"""A guest books a room over WhatsApp: the product's main job, through every process."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import grpc
import pytest
from conserje.booking.v1 import booking_service_pb2 as wire
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.booking.v1.reservation_pb2 import (
    ACTOR_KIND_STAFF,
    RESERVATION_STATE_AWAITING_DEPOSIT,
    RESERVATION_STATE_CANCELLED,
    RESERVATION_STATE_CONFIRMED,
    Actor,
    Reservation,
)
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from sandbox.mesh import Mesh
from tests.e2e.guests import LUNA, Guest, Reply

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


async def test_the_demo_shows_a_tax_a_minimum_stay_and_what_one_guest_pays(mesh: Mesh) -> None:
    guest = Guest(mesh)
    friday = _day(60) + timedelta(days=(4 - _day(60).weekday()) % 7)
    saturday = friday + timedelta(days=1)
    dates = f"del {friday:%d/%m/%Y} al {saturday:%d/%m/%Y}"
    offer = await guest.say(f"una habitación {dates} para 2")
    # 118.00 for the night, and 1.50 of city tax for each of two guests.
    assert "*Habitación doble*: 121,00 € en total" in offer.text
    assert "El total ya incluye: IVA, Tasa turística." in offer.text
    assert "En esas fechas, 2 noches como mínimo: Suite con vistas." in offer.text
    kept = await guest.tap(offer.row("doble"))
    assert "IVA incluido: 10,73 €" in kept.text
    assert "Tasa turística: 3,00 €, ya en el total" in kept.text
    alone = await Guest(mesh).say(f"una habitación {dates} para 1")
    assert "*Habitación doble*: 104,50 € en total" in alone.text


async def test_a_cancellation_that_costs_something_is_quoted_and_then_done(
    mesh: Mesh, booking: BookingServiceAsyncStub
) -> None:
    guest = Guest(mesh)
    reservation, first = await _double_that_costs_to_cancel(mesh, guest, booking, 70, 72)
    code = reservation.confirmation_code
    asked = await guest.say("cancelar mi reserva")
    quoted = await guest.tap(asked.button("Sí, cancelar"))
    assert f"ahora cuesta *{first.units},{first.nanos // 10_000_000:02} €*" in quoted.text
    assert (await _reservation(booking, "hotel-mirador", code)).state == RESERVATION_STATE_CONFIRMED
    assert "está cancelada" in (await guest.tap(quoted.button("Sí, cancelar"))).text
    cancelled = await _reservation(booking, "hotel-mirador", code)
    assert cancelled.state == RESERVATION_STATE_CANCELLED
    assert cancelled.penalty == first


async def test_a_guest_hears_that_the_hotel_has_changed_a_reservation(
    mesh: Mesh, booking: BookingServiceAsyncStub
) -> None:
    guest = Guest(mesh)
    code = _code((await _double(guest, 80, 82)).text)
    reservation = await _reservation(booking, "hotel-mirador", code)
    request = wire.ModifyReservationRequest(
        tenant_id="hotel-mirador",
        request_id=str(uuid4()),
        reservation_id=reservation.reservation_id,
        actor=Actor(kind=ACTOR_KIND_STAFF, actor_id="eva"),
        rooms=[wire.RoomRequest(room_type_id="suite", adult_count=2, child_count=1)],
        accepted_total_price=Money(currency_code="EUR", units=5000),
    )
    total = (await booking.ModifyReservation(request)).reservation.total_price
    told = (await guest.hears()).text
    assert told.startswith(f"El hotel ha cambiado tu reserva *{code}*.")
    assert "*Suite con vistas*" in told
    assert "2 adultos y 1 niño" in told
    assert f"*{total.units},{total.nanos // 10_000_000:02} €* en total" in told


async def test_a_guest_hears_that_the_hotel_has_cancelled_what_it_costs_and_nothing_more(
    mesh: Mesh, booking: BookingServiceAsyncStub
) -> None:
    guest = Guest(mesh)
    reservation, first = await _double_that_costs_to_cancel(mesh, guest, booking, 76, 78)
    code = reservation.confirmation_code
    await booking.CancelReservation(
        wire.CancelReservationRequest(
            tenant_id="hotel-mirador",
            request_id=str(uuid4()),
            reservation_id=reservation.reservation_id,
            actor=Actor(kind=ACTOR_KIND_STAFF, actor_id="eva"),
            accepted_penalty=first,
        )
    )
    told = (await guest.hears()).text
    assert told.startswith(f"El hotel ha cancelado tu reserva *{code}*.")
    assert f"cuesta *{first.units},{first.nanos // 10_000_000:02} €*" in told
    assert "De nada" in (await guest.say("gracias")).text


async def test_a_hotel_that_asks_for_a_deposit_does_not_say_confirmed(
    mesh: Mesh, booking: BookingServiceAsyncStub
) -> None:
    guest = Guest(mesh)
    async with _terms(mesh, {"deposit": {"kind": "FIXED", "value": "35.50"}}):
        booked = await _double(guest, 74, 75)
    assert "confirmada" not in booked.text.lower()
    assert "depósito de *35,50 €* antes de las" in booked.text
    reservation = await _reservation(booking, "hotel-mirador", _code(booked.text))
    assert reservation.state == RESERVATION_STATE_AWAITING_DEPOSIT
    due = reservation.deposit.due_time.ToDatetime(UTC).astimezone(ZoneInfo("Europe/Madrid"))
    assert f"{due:%H:%M}" in booked.text


@asynccontextmanager
async def _terms(mesh: Mesh, terms: dict[str, Any]) -> AsyncIterator[None]:
    """What Hotel Mirador asks of those who book meanwhile."""
    update = (
        "UPDATE property SET reservation_terms = $1, inventory_version = inventory_version + 1"
        " WHERE tenant_id = 'hotel-mirador'"
    )
    connection = await asyncpg.connect(mesh.databases["booking"].owner_url)
    try:
        await connection.execute(update, json.dumps(terms))
        yield
        await connection.execute(update, "{}")
    finally:
        await connection.close()


async def _double(guest: Guest, arrive: int, leave: int) -> Reply:
    """Book a double room; the reply to the confirmation."""
    days = f"del {_day(arrive).isoformat()} al {_day(leave).isoformat()}"
    offer = await guest.say(f"habitación doble {days} para 2")
    if not offer.buttons:
        offer = await guest.tap(offer.row("doble"))
    return await guest.tap(offer.button("Confirmar"))


async def _double_that_costs_to_cancel(
    mesh: Mesh, guest: Guest, booking: BookingServiceAsyncStub, arrive: int, leave: int
) -> tuple[Reservation, Money]:
    """Book a double room for two nights, of which cancelling costs the first."""
    penalty = {"kind": "NIGHTS", "value": "1"}
    async with _terms(mesh, {"cancellation": [{"hours_before": 10_000, "penalty": penalty}]}):
        booked = await _double(guest, arrive, leave)
    reservation = await _reservation(booking, "hotel-mirador", _code(booked.text))
    (first, _) = reservation.quote.nightly_prices
    return reservation, first


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
