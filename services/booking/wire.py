"""Protobuf in, domain out, and back."""

from __future__ import annotations

from uuid import UUID

from conserje.booking.v1.booking_service_pb2 import (
    AcquireLockRequest,
    AcquireLockResponse,
    CheckConflictsRequest,
    CreateReservationRequest,
    SearchAvailabilityRequest,
)
from conserje.booking.v1.lock_pb2 import Lock as LockMessage
from conserje.booking.v1.lock_pb2 import LockState as LockStateMessage
from conserje.booking.v1.lock_pb2 import Quote as QuoteMessage

from meshkit.dates import from_date, to_date
from meshkit.money import Money, to_proto
from services.booking.domain import (
    Guests,
    Lock,
    LockRequest,
    Quote,
    Stay,
    refusal,
    storable,
)


def to_stay(
    request: SearchAvailabilityRequest
    | AcquireLockRequest
    | CheckConflictsRequest
    | CreateReservationRequest,
) -> Stay:
    """The nights that a request asks for; a bad day names its field."""
    return Stay(
        to_date(request.check_in_date, "check_in_date"),
        to_date(request.check_out_date, "check_out_date"),
    )


def to_guests(request: SearchAvailabilityRequest | AcquireLockRequest) -> Guests:
    """Who sleeps in the room."""
    return Guests(request.adult_count, request.child_count)


def to_lock_request(request: AcquireLockRequest) -> LockRequest:
    """One lock to decide."""
    storable(
        (
            ("tenant_id", request.tenant_id),
            ("room_type_id", request.room_type_id),
            ("guest_id", request.guest_id),
        )
    )
    return LockRequest(
        tenant_id=request.tenant_id,
        request_id=UUID(request.request_id),
        room_type_id=request.room_type_id,
        stay=to_stay(request),
        guests=to_guests(request),
        guest_id=request.guest_id,
    )


def to_id(text: str, unknown: str) -> UUID:
    """An id of ours; one that we could not have given out is refused as `unknown`."""
    try:
        return UUID(text)
    except ValueError:
        raise refusal(unknown) from None


def from_granted(lock: Lock) -> AcquireLockResponse:
    """A lock for its owner: with the token."""
    response = AcquireLockResponse(lock=from_lock(lock))
    response.lock.owner_token = lock.owner_token
    return response


def from_lock(lock: Lock) -> LockMessage:
    """A lock without its owner token."""
    message = LockMessage(
        lock_id=str(lock.lock_id),
        tenant_id=lock.tenant_id,
        room_type_id=lock.room_type_id,
        guest_id=lock.guest_id,
        state=LockStateMessage.Value(f"LOCK_STATE_{lock.state.value}"),
        fencing_number=lock.fencing_number,
    )
    from_date(lock.stay.check_in, message.check_in_date)
    from_date(lock.stay.check_out, message.check_out_date)
    message.create_time.FromDatetime(lock.create_time)
    message.expire_time.FromDatetime(lock.expire_time)
    write_quote(lock.quote, message.quote)
    return message


def write_quote(quote: Quote, into: QuoteMessage) -> None:
    """What was offered or agreed for one room."""
    for price in quote.nightly_prices:
        to_proto(Money(price, quote.currency_code), into.nightly_prices.add())
    to_proto(Money(quote.total_price, quote.currency_code), into.total_price)
