"""Rooms: protobuf in, domain out, and back."""

from __future__ import annotations

import datetime as dt

from conserje.booking.v1.room_pb2 import Debt as DebtMessage
from conserje.booking.v1.room_pb2 import RoomClosure, RoomMove
from conserje.booking.v1.room_service_pb2 import (
    AssignRoomsRequest,
    AssignRoomsResponse,
    ShutRoomRequest,
)

from meshkit import pages
from meshkit.dates import from_date, to_date
from services.booking.reservations.wire import to_place, to_reservation_id
from services.booking.rooms.assigned import Assigned, Assignment
from services.booking.rooms.domain import Closure, Debt, Place, Span


def to_span(request: ShutRoomRequest) -> Span:
    """The nights that are meant."""
    return Span(
        to_date(request.first_night_date, "first_night_date"),
        to_date(request.last_night_date, "last_night_date"),
    )


def to_assignments(request: AssignRoomsRequest) -> tuple[Assignment, ...]:
    """Who is to have which room."""
    return tuple(
        Assignment(to_reservation_id(one.reservation_id), one.stay_number or 1, one.room_id)
        for one in request.wishes
    )


def from_assigned(assigned: Assigned) -> AssignRoomsResponse:
    """Who has another room now."""
    moves = [
        RoomMove(
            reservation_id=one.reservation_id,
            stay_number=one.stay_number,
            room_type_id=one.room_type_id,
            previous_room_number=one.previous_number,
            room_number=one.number,
        )
        for one in assigned.moves
    ]
    return AssignRoomsResponse(moves=moves, reservation_ids=assigned.without)


def to_closure_place(token: str) -> Place:
    """Where a page of closures ended."""
    return Place(*to_place(token))


def to_debt_place(token: str) -> tuple[dt.date, str]:
    """Where a page of debts ended."""
    night, room_type_id = pages.from_token(token, 2)
    try:
        return dt.date.fromisoformat(night), room_type_id
    except ValueError:
        raise pages.bad_token() from None


def from_closure(closure: Closure) -> RoomClosure:
    """A room that is shut."""
    message = RoomClosure(
        closure_id=str(closure.closure_id),
        tenant_id=closure.tenant_id,
        room_id=closure.room_id,
        room_number=closure.room_number,
        room_type_id=closure.room_type_id,
        first_night_date=from_date(closure.nights.first),
        last_night_date=from_date(closure.nights.last),
        reason=closure.reason,
        actor_id=closure.actor_id,
    )
    message.create_time.FromDatetime(closure.create_time)
    if closure.end_time is not None:
        message.end_time.FromDatetime(closure.end_time)
    return message


def from_debt(debt: Debt) -> DebtMessage:
    """A night on which more is sold than there is."""
    return DebtMessage(
        night=from_date(debt.night),
        room_type_id=debt.room_type_id,
        room_count=debt.room_count,
        reservation_ids=sorted(str(one) for one in debt.reservation_ids),
    )
