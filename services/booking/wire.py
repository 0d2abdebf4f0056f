"""Protobuf in, domain out, and back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
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
from conserje.booking.v1.lock_pb2 import QuoteLine as QuoteLineMessage
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money as MoneyMessage

from meshkit.dates import from_date, to_date
from meshkit.errors import InvalidArgument
from meshkit.money import Money, from_proto, to_proto
from meshkit.parts import embedding
from services.booking.domain import (
    MOST_QUOTES,
    Guests,
    Lock,
    LockRequest,
    LockState,
    Quote,
    QuoteLine,
    RoomWish,
    Stay,
    refusal,
)

LOCK_STATES = {one: LockStateMessage.Value(f"LOCK_STATE_{one.value}") for one in LockState}
MOST_ROOMS = 20
"""In one lock, as in one reservation."""


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
    return LockRequest(
        tenant_id=request.tenant_id,
        request_id=UUID(request.request_id),
        room_type_id=request.room_type_id,
        stay=to_stay(request),
        guests=to_guests(request),
        guest_id=request.guest_id,
        room_id=request.room_id,
        other_rooms=_to_other_rooms(request),
        rate_plan_id=request.rate_plan_id,
        accepted_total=to_accepted(
            request.accepted_total_price,
            request.HasField("accepted_total_price"),
            "accepted_total_price",
        ),
    )


def to_accepted(message: MoneyMessage, given: bool, field: str) -> Money | None:
    """What somebody has agreed to pay; None for nothing."""
    if not given:
        return None
    money = from_proto(message, field)
    if money.amount < 0:
        raise InvalidArgument.field(field, "must not be negative")
    return money


def _to_other_rooms(request: AcquireLockRequest) -> tuple[RoomWish, ...]:
    """The rooms beside the first, one by one; most locks have none."""
    if request.quantity < 2 and not request.other_rooms:
        return ()
    first = RoomWish(request.room_type_id, to_guests(request), request.room_id)
    rooms = _repeated(first, request.quantity, "quantity")
    for number, one in enumerate(request.other_rooms):
        path = f"other_rooms[{number}]"
        wish = RoomWish(one.room_type_id, Guests(one.adult_count, one.child_count), one.room_id)
        rooms += _repeated(wish, one.quantity, f"{path}.quantity")
    if len(rooms) > MOST_ROOMS:
        raise InvalidArgument.field("other_rooms", f"at most {MOST_ROOMS} rooms in one lock")
    each_room_once((one.room_id for one in rooms), "other_rooms")
    return tuple(rooms[1:])


def each_room_once(room_ids: Iterable[str], field: str) -> None:
    """Refuses to take the same particular room twice; without an id it is any room."""
    named = [one for one in room_ids if one]
    if len(named) > len(set(named)):
        raise InvalidArgument.field(field, "name a room twice")


def _repeated(wish: RoomWish, quantity: int, field: str) -> list[RoomWish]:
    if wish.room_id and quantity > 1:
        raise InvalidArgument.field(field, "a particular room is there once")
    return [wish] * max(quantity, 1)


def to_id(text: str, unknown: str) -> UUID:
    """An id of ours; one that we could not have given out is refused as `unknown`."""
    try:
        return UUID(text)
    except ValueError:
        raise refusal(unknown) from None


_LOCK = embedding(AcquireLockResponse, "lock")
_CHECK_IN = embedding(LockMessage, "check_in_date")
_CHECK_OUT = embedding(LockMessage, "check_out_date")
_CREATE_TIME = embedding(LockMessage, "create_time")
_EXPIRE_TIME = embedding(LockMessage, "expire_time")
_QUOTE = embedding(LockMessage, "quote")
_TOTAL_PRICE = embedding(LockMessage, "total_price")


def from_granted(lock: Lock) -> bytes:
    """A lock for its owner, with the token: the bytes of an `AcquireLockResponse`."""
    return _LOCK(_lock_bytes(lock, lock.owner_token))


def from_lock(lock: Lock) -> LockMessage:
    """A lock without its owner token."""
    return LockMessage.FromString(_lock_bytes(lock, ""))


def _lock_bytes(lock: Lock, owner_token: str) -> bytes:
    """What locks have in common is not made again: dates, times and prices repeat."""
    own = LockMessage(
        lock_id=str(lock.lock_id),
        tenant_id=lock.tenant_id,
        room_type_id=lock.room_type_id,
        guest_id=lock.guest_id,
        state=LOCK_STATES[lock.state],
        owner_token=owner_token,
        fencing_number=lock.fencing_number,
        room_id=lock.room_id,
    )
    for room in lock.other_rooms:
        added = own.other_rooms.add(
            room_type_id=room.room_type_id,
            adult_count=room.guests.adult_count,
            child_count=room.guests.child_count,
            room_id=room.room_id,
        )
        write_quote(room.quote, added.quote)
    return b"".join(
        (
            own.SerializeToString(),
            _CHECK_IN(date_bytes(lock.stay.check_in)),
            _CHECK_OUT(date_bytes(lock.stay.check_out)),
            _CREATE_TIME(timestamp_bytes(lock.create_time)),
            _EXPIRE_TIME(timestamp_bytes(lock.expire_time)),
            _QUOTE(_quote_bytes(lock.quote)),
            _TOTAL_PRICE(money_bytes(lock.total_price, lock.quote.currency_code)),
        )
    )


@lru_cache(maxsize=4096)
def date_bytes(day: dt.date) -> bytes:
    """A day, to be put into place."""
    return from_date(day).SerializeToString()


@lru_cache(maxsize=4096)
def timestamp_bytes(instant: dt.datetime) -> bytes:
    """An instant, to be put into place."""
    return timestamp(instant).SerializeToString()


@lru_cache(maxsize=4096)
def money_bytes(amount: Decimal, currency_code: str) -> bytes:
    """An amount, to be put into place."""
    return money(amount, currency_code).SerializeToString()


@lru_cache(maxsize=MOST_QUOTES)
def _quote_bytes(quote: Quote) -> bytes:
    message = QuoteMessage()
    write_quote(quote, message)
    return message.SerializeToString()


@lru_cache(maxsize=4096)
def timestamp(instant: dt.datetime) -> Timestamp:
    """An instant, to be copied: those of a batch, or of all offers of a search, are the same."""
    message = Timestamp()
    message.FromDatetime(instant)
    return message


@lru_cache(maxsize=4096)
def money(amount: Decimal, currency_code: str) -> MoneyMessage:
    """An amount, to be copied: prices repeat, and a search has dozens of them."""
    return to_proto(Money(amount, currency_code))


def write_quote(quote: Quote, into: QuoteMessage) -> None:
    """What was offered or agreed for one room."""
    currency = quote.currency_code
    into.nightly_prices.extend(money(price, currency) for price in quote.nightly_prices)
    into.lines.extend(from_line(one, currency) for one in quote.lines)
    into.total_price.CopyFrom(money(quote.total_price, currency))
    into.rate_plan_id = quote.rate_plan_id


def from_line(line: QuoteLine, currency_code: str) -> QuoteLineMessage:
    """A tax or a fee."""
    return QuoteLineMessage(
        levy_id=line.levy_id,
        display_names=line.display_names,
        included=line.included,
        amount=money(line.amount, currency_code),
    )
