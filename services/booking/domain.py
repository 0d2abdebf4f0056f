"""What a stay is, who it is for, what it costs, and why something is refused.

Nights are the property's local dates; a stay is half-open, so the departure
date is not a night. Knows neither wire nor storage.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any
from uuid import UUID

from meshkit.errors import (
    Aborted,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    MeshError,
    NotFound,
    PermissionDenied,
)
from meshkit.money import Money
from services.booking.reservations.terms import NO_TERMS, Terms

MAX_NIGHTS = 90
CODE_ALPHABET = "CDFGHJKMNPQRTVWXY34679"
"""No 0/O, 1/I/L, 2/Z, 5/S, 8/B, U/V to mistake for each other; no vowels to make words of."""
CODE_LENGTH = 8
MOST_QUOTES = 8192
"""So many are kept, and what is made of them. One of three nights with two lines is about 1 kB."""


@dataclass(frozen=True, slots=True)
class Stay:
    """The nights `[check_in, check_out)`; 1 to 90 of them."""

    check_in: dt.date
    check_out: dt.date

    def __post_init__(self) -> None:
        if self.check_out <= self.check_in:
            raise InvalidArgument.field("check_out_date", "must be after check_in_date")
        if self.night_count > MAX_NIGHTS:
            raise InvalidArgument.field("check_out_date", f"at most {MAX_NIGHTS} nights")

    @property
    def night_count(self) -> int:
        """How many nights."""
        return (self.check_out - self.check_in).days

    def moved(self, days: int) -> Stay:
        """As long, `days` later."""
        shift = dt.timedelta(days=days)
        return Stay(self.check_in + shift, self.check_out + shift)


@dataclass(frozen=True, slots=True)
class Guests:
    """Who sleeps in one room."""

    adult_count: int
    child_count: int

    @property
    def count(self) -> int:
        """All of them."""
        return self.adult_count + self.child_count


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """A tax or a fee of a quote; one that is `included` is part of the nightly prices."""

    levy_id: str
    display_names: Mapping[str, str]
    amount: Decimal
    included: bool


@dataclass(frozen=True)
class Quote:
    """The price of each night, in order, and taxes and fees, in one currency."""

    nightly_prices: tuple[Decimal, ...]
    currency_code: str
    lines: tuple[QuoteLine, ...] = ()
    rate_plan_id: str = ""
    """Empty: the standard plan."""

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.nightly_prices, self.currency_code, self.total_price, self.rate_plan_id))

    @cached_property
    def total_price(self) -> Decimal:
        """What the guest pays for one room: its nights, and what is not included in them."""
        added = (line.amount for line in self.lines if not line.included)
        return sum(self.nightly_prices, Decimal()) + sum(added, Decimal())


class LockState(Enum):
    """Where a lock is in its life."""

    LIVE = "LIVE"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"
    CONVERTED = "CONVERTED"


class ReservationState(Enum):
    """Where a reservation is in its life."""

    AWAITING_DEPOSIT = "AWAITING_DEPOSIT"
    DEPOSIT_RECEIVED = "DEPOSIT_RECEIVED"
    CONFIRMED = "CONFIRMED"
    CHECKED_IN = "CHECKED_IN"
    CHECKED_OUT = "CHECKED_OUT"
    CANCELLED = "CANCELLED"
    NO_SHOW = "NO_SHOW"
    LAPSED = "LAPSED"
    PENDING_PMS = "PENDING_PMS"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class RoomWish:
    """One room that is wanted."""

    room_type_id: str
    guests: Guests
    room_id: str = ""
    """This very room; empty for any of the type."""


@dataclass(frozen=True, slots=True)
class LockRequest:
    """A room of a type, or several rooms, wanted for a guest on every night of a stay."""

    tenant_id: str
    request_id: UUID
    room_type_id: str
    stay: Stay
    guests: Guests
    guest_id: str
    room_id: str = ""
    """This very room; empty for any of the type."""
    other_rooms: tuple[RoomWish, ...] = ()
    rate_plan_id: str = ""
    """Empty: the standard plan."""
    accepted_total: Money | None = None
    """The most that was agreed to; None: whatever it costs."""

    @property
    def rooms(self) -> tuple[RoomWish, ...]:
        """All rooms that are wanted."""
        return (RoomWish(self.room_type_id, self.guests, self.room_id), *self.other_rooms)

    @property
    def key(self) -> tuple[str, UUID]:
        """The hotel, and what a repeat of the request is known by there."""
        return self.tenant_id, self.request_id

    @property
    def by_counters(self) -> bool:
        """Whether it is for one room, whichever: what a batch decides."""
        return not (self.room_id or self.other_rooms)

    def fingerprint(self) -> bytes:
        """Equal for two requests that ask for the same."""
        more = () if self.by_counters else (self.room_id, self.other_rooms)
        return fingerprint(
            "AcquireLock",
            self.tenant_id,
            self.room_type_id,
            self.stay.check_in,
            self.stay.check_out,
            self.guests.adult_count,
            self.guests.child_count,
            self.guest_id,
            *more,
            # Nothing when it is not told: older requests keep their fingerprint.
            *(one for one in (self.rate_plan_id, self.accepted_total) if one),
        )


@dataclass(frozen=True, slots=True)
class LockedRoom:
    """One more room of a lock."""

    room_type_id: str
    guests: Guests
    quote: Quote
    room_id: str
    """This very room; empty for any of the type."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A room of a type, or several, kept for a guest; times by the database's clock."""

    lock_id: UUID
    tenant_id: str
    room_type_id: str
    stay: Stay
    guest_id: str
    state: LockState
    owner_token: str
    fencing_number: int
    create_time: dt.datetime
    expire_time: dt.datetime
    quote: Quote
    """The price of the first room."""
    room_id: str = ""
    """This very room; empty for any of the type."""
    other_rooms: tuple[LockedRoom, ...] = ()

    @property
    def total_price(self) -> Decimal:
        """What was offered for all rooms."""
        others = sum((one.quote.total_price for one in self.other_rooms), Decimal())
        return self.quote.total_price + others


@dataclass(frozen=True, slots=True)
class ReservedRoom:
    """One room of a reservation; `room_number` is empty until one is assigned."""

    stay_number: int
    room_type_id: str
    guests: Guests
    quote: Quote
    room_number: str


@dataclass(frozen=True, slots=True)
class Deposit:
    """What must be paid before a reservation is certain, and what was shown for it."""

    amount: Decimal
    due_time: dt.datetime
    receipt_reference: str = ""
    receipt_time: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class LateCheckout:
    """Until when the guest keeps the room on the day of departure, and for how much."""

    until: dt.datetime
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a guest has booked: rooms for the same nights, under the terms of that day."""

    reservation_id: UUID
    tenant_id: str
    confirmation_code: str
    stay: Stay
    state: ReservationState
    rooms: tuple[ReservedRoom, ...]
    guest_id: str
    create_time: dt.datetime
    cancel_time: dt.datetime | None
    version: int
    """How many changes there were, the booking included."""
    terms: Terms = NO_TERMS
    penalty: Decimal | None = None
    """What the guest owes for cancelling or not coming; None before that."""
    deposit: Deposit | None = None
    late_checkout: LateCheckout | None = None
    check_in_time: dt.datetime | None = None
    check_out_time: dt.datetime | None = None

    @property
    def room_type_id(self) -> str:
        """The type of the first room."""
        return self.rooms[0].room_type_id

    @property
    def quote(self) -> Quote:
        """What was agreed for the first room."""
        return self.rooms[0].quote

    @property
    def room_number(self) -> str:
        """The number of the first room."""
        return self.rooms[0].room_number

    @property
    def currency_code(self) -> str:
        """The one currency of all its amounts."""
        return self.quote.currency_code

    @property
    def total_price(self) -> Decimal:
        """What was agreed for all rooms."""
        return sum((room.quote.total_price for room in self.rooms), Decimal())


def fingerprint(*content: object) -> bytes:
    """A digest of what a request asks for; its id and its time budget are no part of that."""
    return hashlib.blake2b(repr(content).encode(), digest_size=16).digest()


def new_code() -> str:
    """A confirmation code: about 36 bits, so that guessing one takes more than patience."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def normal_code(written: str) -> str:
    """The code somebody means: case, spaces and dashes do not matter."""
    return "".join(character for character in written.upper() if character.isalnum())


_REFUSALS: dict[str, tuple[type[MeshError], str]] = {
    "PROPERTY_UNKNOWN": (NotFound, "The hotel has no inventory."),
    "ROOM_TYPE_UNKNOWN": (NotFound, "The hotel has no such room type."),
    "ROOM_UNKNOWN": (NotFound, "The hotel has no room under this id, or none of that type."),
    "LOCK_UNKNOWN": (NotFound, "The hotel has no such lock."),
    "RESERVATION_UNKNOWN": (NotFound, "The hotel has no such reservation."),
    "NOT_LOCK_OWNER": (PermissionDenied, "The owner token is not the lock's."),
    "STAFF_ONLY": (PermissionDenied, "Only a person of the hotel may do that."),
    "STALE_FENCE": (Aborted, "The fencing number is not the lock's."),
    "SOLD_OUT": (FailedPrecondition, "A night of the stay does not have that many rooms left."),
    "TOO_MANY_GUESTS": (FailedPrecondition, "The room is too small for the guests."),
    "TOO_MANY_LOCKS": (FailedPrecondition, "The guest holds as many locks as one may."),
    "LOCK_RELEASED": (FailedPrecondition, "The lock was given back, or taken back by the hotel."),
    "LOCK_CONVERTED": (FailedPrecondition, "The lock has become a reservation."),
    "LOCK_EXPIRED": (FailedPrecondition, "The lock has run out."),
    "PRICE_CHANGED": (FailedPrecondition, "The stay does not cost what it did."),
    "CLOSED": (FailedPrecondition, "A night of the stay is not on sale."),
    "CLOSED_TO_ARRIVAL": (FailedPrecondition, "Nobody may arrive on that day."),
    "CLOSED_TO_DEPARTURE": (FailedPrecondition, "Nobody may depart on that day."),
    "MINIMUM_STAY": (FailedPrecondition, "The stay is too short for these dates."),
    "MAXIMUM_STAY": (FailedPrecondition, "The stay is too long for these dates."),
    "ADVANCE_NOTICE": (FailedPrecondition, "The arrival is too soon."),
    "RATE_PLAN_UNKNOWN": (NotFound, "The hotel has no such rate plan."),
    "WRONG_STATE": (FailedPrecondition, "In its state that cannot be done to the reservation."),
    "PENALTY_CHANGED": (FailedPrecondition, "Cancelling costs more than was agreed to."),
    "FEE_CHANGED": (FailedPrecondition, "Leaving late costs more than was agreed to."),
    "TOO_EARLY": (FailedPrecondition, "It is too early for that."),
    "TOO_LATE": (FailedPrecondition, "The day of departure has come."),
    "NO_ROOM_ASSIGNED": (FailedPrecondition, "A room of the reservation has no number yet."),
    "LATE_CHECKOUT_NOT_OFFERED": (
        FailedPrecondition,
        "A late checkout is after the usual hour, and not later than the hotel allows.",
    ),
    "NEXT_ARRIVAL": (FailedPrecondition, "The next guest of the room arrives before that."),
    "TOTAL_PRICE_CHANGED": (FailedPrecondition, "It costs more than was agreed to."),
    "ROOM_TAKEN": (FailedPrecondition, "The guests could not stay in the rooms they are in."),
    "ETAG_MISMATCH": (Aborted, "The reservation was changed since it was read."),
    "UNDECIDED": (FailedPrecondition, "Whether there is a room takes a person to find out."),
    "ROOM_SOLD": (FailedPrecondition, "Guests would have no room, or not the one they are in."),
    "ALREADY_SHUT": (FailedPrecondition, "The room is shut on one of these nights."),
    "NO_ASSIGNMENT": (
        FailedPrecondition,
        "A room is shut then, or somebody would lose the room that one has.",
    ),
    "CLOSURE_UNKNOWN": (NotFound, "The hotel has not shut a room under this id."),
    "REQUEST_ID_REUSED": (FailedPrecondition, "The request id was used for something else."),
    "DECISION_FAILED": (Internal, "The request could not be decided."),
}
_BAD_DATES = {
    "CHECK_IN_PAST": ("check_in_date", "is before the property's today"),
    "BEYOND_HORIZON": ("check_out_date", "is beyond the last night on sale"),
}


def refusal(reason: str, facts: Mapping[str, Any] | None = None) -> MeshError:
    """The error for a reason of the contract."""
    if reason in _BAD_DATES:
        field, description = _BAD_DATES[reason]
        return InvalidArgument.field(field, description, reason=reason, **(facts or {}))
    kind, message = _REFUSALS[reason]
    return kind(reason, message, **(facts or {}))
