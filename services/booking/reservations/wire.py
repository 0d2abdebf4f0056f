"""Reservations: protobuf in, domain out, and back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Protocol, TypeVar
from uuid import UUID

from conserje.booking.v1.booking_service_pb2 import (
    ListReservationsRequest,
    ModifyReservationRequest,
    RoomRequest,
    WatchReservationsResponse,
)
from conserje.booking.v1.reservation_pb2 import Actor as ActorMessage
from conserje.booking.v1.reservation_pb2 import ActorKind as ActorKindMessage
from conserje.booking.v1.reservation_pb2 import LateCheckout as LateCheckoutMessage
from conserje.booking.v1.reservation_pb2 import Reservation as ReservationMessage
from conserje.booking.v1.reservation_pb2 import (
    ReservationAction,
    ReservedRoom,
)
from conserje.booking.v1.reservation_pb2 import ReservationEvent as ReservationEventMessage
from conserje.booking.v1.reservation_pb2 import ReservationState as ReservationStateMessage
from google.type.date_pb2 import Date

from meshkit import pages
from meshkit.dates import from_date, to_date
from meshkit.errors import InvalidArgument
from meshkit.money import Money, to_proto
from meshkit.watch import Part
from services.booking.domain import (
    Guests,
    LateCheckout,
    Reservation,
    RoomWish,
    fingerprint,
    refusal,
)
from services.booking.domain import (
    ReservedRoom as Room,
)
from services.booking.reservations.domain import Actor, ActorKind, Order
from services.booking.reservations.reading import Filter
from services.booking.reservations.rows import ReservationEvent
from services.booking.reservations.taking import Wishes
from services.booking.reservations.terms_wire import from_terms
from services.booking.reservations.transitions import Origin
from services.booking.wire import each_room_once, to_accepted, write_quote

T = TypeVar("T")


class OrderRequest(Protocol):
    """What every request for a reservation or for a change of one has."""

    @property
    def tenant_id(self) -> str:
        """The hotel."""

    @property
    def request_id(self) -> str:
        """A UUID."""

    @property
    def actor(self) -> ActorMessage:
        """Who asks."""

    @property
    def reason(self) -> str:
        """Why."""


class ChangeRequest(OrderRequest, Protocol):
    """What every request for a change of a reservation has."""

    @property
    def reservation_id(self) -> str:
        """Which reservation."""


def to_order(request: OrderRequest, *content: object) -> Order:
    """Who asks for what; `content` is what makes it another request under the same id."""
    actor = to_actor(request.actor)
    method = type(request).__name__.removesuffix("Request")
    digest = fingerprint(method, request.tenant_id, *content)
    return Order(request.tenant_id, UUID(request.request_id), digest, actor, request.reason)


def to_actor(message: ActorMessage) -> Actor:
    """Who asks; a guest unless told."""
    if not message.kind:
        return Actor(ActorKind.GUEST, message.actor_id)
    name = ActorKindMessage.Name(message.kind).removeprefix("ACTOR_KIND_")
    return Actor(ActorKind(name), message.actor_id)


def to_time(text: str) -> dt.time:
    """A time of the hotel's clocks; its form has been checked."""
    return dt.time.fromisoformat(text)


def to_filter(request: ListReservationsRequest) -> Filter:
    """Which reservations are asked for."""
    first = _day(request.first_check_in_date, request.HasField("first_check_in_date"), "first_")
    last = _day(request.last_check_in_date, request.HasField("last_check_in_date"), "last_")
    if first and last and last < first:
        raise InvalidArgument.field("last_check_in_date", "must not be before the first one")
    night = to_date(request.night, "night") if request.HasField("night") else None
    until = last + dt.timedelta(days=1) if last else None
    return Filter(
        tenant_id=request.tenant_id,
        states=tuple(_state(one) for one in request.states),
        guest_id=request.guest_id,
        arrival_from=first or dt.date.min,
        arrival_until=until or dt.date.max,
        staying_on=night,
    )


def to_rooms(messages: Iterable[RoomRequest]) -> tuple[RoomWish, ...]:
    """The rooms that are wanted."""
    wanted = tuple(
        RoomWish(one.room_type_id, Guests(one.adult_count, one.child_count), one.room_id)
        for one in messages
    )
    each_room_once((one.room_id for one in wanted), "rooms")
    return wanted


def to_wishes(request: ModifyReservationRequest) -> Wishes:
    """What a reservation should become."""
    given = request.HasField
    arrival, departure = request.check_in_date, request.check_out_date
    return Wishes(
        check_in=to_date(arrival, "check_in_date") if given("check_in_date") else None,
        check_out=to_date(departure, "check_out_date") if given("check_out_date") else None,
        rooms=to_rooms(request.rooms) or None,
        etag=request.etag,
        accepted_total=to_accepted(
            request.accepted_total_price, given("accepted_total_price"), "accepted_total_price"
        ),
    )


def to_place(token: str) -> tuple[dt.date, UUID]:
    """Where a page of reservations ended."""
    day, reservation_id = pages.from_token(token, 2)
    try:
        return dt.date.fromisoformat(day), UUID(reservation_id)
    except ValueError:
        raise pages.bad_token() from None


def from_reservation(reservation: Reservation) -> ReservationMessage:
    """A reservation."""
    message = ReservationMessage(
        reservation_id=str(reservation.reservation_id),
        tenant_id=reservation.tenant_id,
        confirmation_code=reservation.confirmation_code,
        room_type_id=reservation.room_type_id,
        state=ReservationStateMessage.Value(f"RESERVATION_STATE_{reservation.state.value}"),
        room_number=reservation.room_number,
        guest_id=reservation.guest_id,
        rooms=[_from_room(one) for one in reservation.rooms],
        terms=from_terms(reservation.terms, reservation.currency_code),
        etag=str(reservation.version),
    )
    from_date(reservation.stay.check_in, message.check_in_date)
    from_date(reservation.stay.check_out, message.check_out_date)
    write_quote(reservation.quote, message.quote)
    _write_times(reservation, message)
    _write_amounts(reservation, message)
    return message


def from_late_checkout(late: LateCheckout, currency_code: str) -> LateCheckoutMessage:
    """A late departure."""
    message = LateCheckoutMessage()
    message.until_time.FromDatetime(late.until)
    to_proto(Money(late.fee, currency_code), message.fee)
    return message


def from_event(event: ReservationEvent) -> ReservationEventMessage:
    """One change."""
    message = ReservationEventMessage(
        action=ReservationAction.Value(f"RESERVATION_ACTION_{event.action}"),
        actor_kind=ActorKindMessage.Value(f"ACTOR_KIND_{event.actor.kind.value}"),
        actor_id=event.actor.actor_id,
        reason=event.reason,
        reservation=from_reservation(event.reservation),
    )
    if event.from_state not in {one.value for one in Origin}:
        name = f"RESERVATION_STATE_{event.from_state}"
        message.previous_state = ReservationStateMessage.Value(name)
    message.event_time.FromDatetime(event.event_time)
    return message


def from_part(part: Part[ReservationEvent]) -> WatchReservationsResponse:
    """One message of a watch."""
    return WatchReservationsResponse(
        version=part.version,
        after_version=part.after_version,
        events=[from_event(one) for one in part.items],
    )


def _from_room(room: Room) -> ReservedRoom:
    message = ReservedRoom(
        stay_number=room.stay_number,
        room_type_id=room.room_type_id,
        adult_count=room.guests.adult_count,
        child_count=room.guests.child_count,
        room_number=room.room_number,
    )
    write_quote(room.quote, message.quote)
    return message


def _write_times(reservation: Reservation, message: ReservationMessage) -> None:
    message.create_time.FromDatetime(reservation.create_time)
    if reservation.cancel_time is not None:
        message.cancel_time.FromDatetime(reservation.cancel_time)
    if reservation.check_in_time is not None:
        message.check_in_time.FromDatetime(reservation.check_in_time)
    if reservation.check_out_time is not None:
        message.check_out_time.FromDatetime(reservation.check_out_time)


def _write_amounts(reservation: Reservation, message: ReservationMessage) -> None:
    currency = reservation.currency_code
    to_proto(Money(reservation.total_price, currency), message.total_price)
    if reservation.penalty is not None:
        to_proto(Money(reservation.penalty, currency), message.penalty)
    deposit = reservation.deposit
    if deposit is not None:
        to_proto(Money(deposit.amount, currency), message.deposit.amount)
        message.deposit.due_time.FromDatetime(deposit.due_time)
        message.deposit.receipt_reference = deposit.receipt_reference
        if deposit.receipt_time is not None:
            message.deposit.receipt_time.FromDatetime(deposit.receipt_time)
    if reservation.late_checkout is not None:
        message.late_checkout.CopyFrom(from_late_checkout(reservation.late_checkout, currency))


def _day(message: Date, given: bool, prefix: str) -> dt.date | None:
    return to_date(message, f"{prefix}check_in_date") if given else None


def _state(message: ReservationStateMessage.ValueType) -> str:
    return ReservationStateMessage.Name(message).removeprefix("RESERVATION_STATE_")


def to_reservation_id(text: str) -> UUID:
    """An id of ours; one that we could not have given out is unknown."""
    try:
        return UUID(text)
    except ValueError:
        raise refusal("RESERVATION_UNKNOWN") from None
