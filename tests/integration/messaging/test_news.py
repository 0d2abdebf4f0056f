"""What becomes of a reservation without its guest's doing is told once, whatever the hour."""

from __future__ import annotations

from typing import Any

import pytest
from conserje.booking.v1.booking_service_pb2 import ConfirmReservationRequest
from conserje.booking.v1.reservation_pb2 import (
    ACTOR_KIND_GUEST,
    ACTOR_KIND_STAFF,
    ACTOR_KIND_SYSTEM,
    RESERVATION_ACTION_APPROVE_DEPOSIT,
    RESERVATION_ACTION_CANCEL,
    RESERVATION_ACTION_LAPSE,
    RESERVATION_ACTION_MODIFY,
    RESERVATION_STATE_CANCELLED,
    RESERVATION_STATE_CONFIRMED,
    RESERVATION_STATE_LAPSED,
    ActorKind,
    ReservationAction,
    ReservationEvent,
)

from services.messaging.clients import GUEST_ID
from tests.integration.messaging.mesh import TENANT, Mesh, ids_in, tap, text
from tests.integration.messaging.test_effects import offered
from tests.integration.messaging.test_window import choose, held, words

SHUT = """
UPDATE mailbox SET inbound_time = inbound_time - interval '25 hours',
    last_order_time = last_order_time - interval '25 hours'
"""
HEARD = "SELECT version FROM reservation_news"
CANCELLED = "El hotel ha cancelado tu reserva *K7M2QX9P*."


async def booked(mesh: Mesh, stub: Any) -> None:
    """A guest has booked, and was told the code."""
    await mesh.say(stub, tap(await offered(mesh, stub)))
    kept = (await mesh.accepted(2))[1]
    await mesh.say(stub, tap(ids_in(kept)[0]))
    assert "K7M2QX9P" in (await mesh.accepted(3))[2]["text"]["body"]
    await mesh.until_quiet()


async def cancel(mesh: Mesh, actor: ActorKind.ValueType) -> None:
    """Booking tells that somebody has cancelled it, for nothing."""
    event = await changed(mesh, RESERVATION_ACTION_CANCEL, actor)
    event.reservation.state = RESERVATION_STATE_CANCELLED
    event.reservation.penalty.currency_code = "EUR"
    await tell(mesh, event)


async def changed(
    mesh: Mesh, action: ReservationAction.ValueType, actor: ActorKind.ValueType
) -> ReservationEvent:
    """A change of what the guest has booked."""
    mailbox: Any = await mesh.admin.fetchval("SELECT mailbox_id FROM mailbox")
    agreed = mesh.bookings.answer(ConfirmReservationRequest(lock_id="lock-1")).reservation
    agreed.tenant_id, agreed.guest_id = TENANT, GUEST_ID.format(mailbox)
    agreed.etag = str(len(mesh.bookings.events))
    return ReservationEvent(
        action=action,
        previous_state=RESERVATION_STATE_CONFIRMED,
        actor_kind=actor,
        reservation=agreed,
    )


async def tell(mesh: Mesh, event: ReservationEvent) -> None:
    """Booking tells it, and all that follows has happened."""
    mesh.bookings.events.append(event)
    await mesh.until(HEARD, value=len(mesh.bookings.events))
    await mesh.until_quiet()


@pytest.mark.parametrize("actor", [ACTOR_KIND_STAFF, ACTOR_KIND_SYSTEM])
async def test_a_hotel_that_cancels_is_told_once_by_whichever_replica(
    own_mesh: Mesh, actor: ActorKind.ValueType
) -> None:
    stub = await own_mesh.start()
    await own_mesh.start("steps")
    await booked(own_mesh, stub)
    await cancel(own_mesh, actor)
    told = (await own_mesh.accepted(4))[3]["text"]["body"]
    assert told.startswith(CANCELLED)
    assert "La cancelación no te cuesta nada." in told
    assert "depósito" not in told
    await cancel(own_mesh, actor)
    assert len(own_mesh.graph.accepted) == 4


@pytest.mark.parametrize("actor", [ACTOR_KIND_STAFF, ACTOR_KIND_GUEST])
async def test_a_change_is_told_when_the_hotel_has_made_it(
    own_mesh: Mesh, actor: ActorKind.ValueType
) -> None:
    stub = await own_mesh.start()
    await booked(own_mesh, stub)
    event = await changed(own_mesh, RESERVATION_ACTION_MODIFY, actor)
    event.reservation.check_out_date.day += 1
    event.reservation.rooms.add(adult_count=1)
    event.reservation.rooms.add(child_count=1)
    event.reservation.total_price.currency_code = "EUR"
    event.reservation.total_price.units = 300
    await tell(own_mesh, event)
    told = [one["text"]["body"] for one in own_mesh.graph.accepted[3:]]
    if actor == ACTOR_KIND_GUEST:
        assert told == []
        return
    (body,) = told
    assert body.startswith("El hotel ha cambiado tu reserva *K7M2QX9P*.")
    assert "al miércoles 13 de enero de 2027 (3 noches)\n1 adulto y 1 niño\n" in body
    assert "*300,00 €*" in body


async def test_a_deposit_that_did_not_come_is_told(own_mesh: Mesh) -> None:
    stub = await own_mesh.start()
    await booked(own_mesh, stub)
    # What was certain from the start does not become certain.
    await tell(
        own_mesh, await changed(own_mesh, RESERVATION_ACTION_APPROVE_DEPOSIT, ACTOR_KIND_STAFF)
    )
    event = await changed(own_mesh, RESERVATION_ACTION_LAPSE, ACTOR_KIND_SYSTEM)
    event.reservation.state = RESERVATION_STATE_LAPSED
    await tell(own_mesh, event)
    told = (await own_mesh.accepted(4))[3]["text"]["body"]
    assert told.startswith("El depósito de tu reserva *K7M2QX9P* no ha llegado a tiempo")


async def test_a_guest_who_cancels_is_told_by_nobody_else(own_mesh: Mesh) -> None:
    stub = await own_mesh.start()
    await booked(own_mesh, stub)
    await cancel(own_mesh, ACTOR_KIND_GUEST)
    assert len(own_mesh.graph.accepted) == 3


async def test_after_the_window_it_is_held_and_told_first_when_the_guest_writes(
    own_mesh: Mesh,
) -> None:
    stub = await own_mesh.start()
    await booked(own_mesh, stub)
    await own_mesh.admin.execute(SHUT)
    await cancel(own_mesh, ACTOR_KIND_STAFF)
    (waiting,) = await held(own_mesh)
    assert waiting.reason == "NO_TEMPLATE"
    await own_mesh.say(stub, text("hola"))
    sent = await own_mesh.accepted(5)
    assert sent[3]["text"]["body"].startswith(CANCELLED)


async def test_a_hotel_with_a_template_tells_by_it_what_it_has_cancelled(own_mesh: Mesh) -> None:
    stub = await own_mesh.start()
    await choose(own_mesh)
    await booked(own_mesh, stub)
    await own_mesh.admin.execute(SHUT)
    await cancel(own_mesh, ACTOR_KIND_STAFF)
    assert CANCELLED in words((await own_mesh.accepted(4))[3])
