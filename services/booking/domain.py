"""What a stay is, what is free, what it costs, and why it cannot be had.

Nights are the property's local dates; a stay is half-open, so the departure
date is not a night. Knows neither wire nor storage.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
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

MAX_NIGHTS = 90
ALTERNATIVE_DAYS = 7
"""How far from the asked dates an alternative may lie."""
MAX_ALTERNATIVES = 3
CODE_ALPHABET = "CDFGHJKMNPQRTVWXY34679"
"""No 0/O, 1/I/L, 2/Z, 5/S, 8/B, U/V to mistake for each other; no vowels to make words of."""
CODE_LENGTH = 8


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
class Quote:
    """The price of each night, in order, in one currency."""

    nightly_prices: tuple[Decimal, ...]
    currency_code: str

    @property
    def total_price(self) -> Decimal:
        """What the guest pays for one room."""
        return sum(self.nightly_prices, Decimal())


class LockState(Enum):
    """Where a lock is in its life."""

    LIVE = "LIVE"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"
    CONVERTED = "CONVERTED"


class ReservationState(Enum):
    """Where a reservation is in its life."""

    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class LockRequest:
    """One room of a type, wanted for a guest on every night of a stay."""

    tenant_id: str
    request_id: UUID
    room_type_id: str
    stay: Stay
    guests: Guests
    guest_id: str

    def fingerprint(self) -> bytes:
        """Equal for two requests that ask for the same."""
        return fingerprint(
            "AcquireLock",
            self.tenant_id,
            self.room_type_id,
            self.stay.check_in,
            self.stay.check_out,
            self.guests.adult_count,
            self.guests.child_count,
            self.guest_id,
        )


@dataclass(frozen=True, slots=True)
class Lock:
    """One room of a type kept for a guest; times by the database's clock."""

    lock_id: UUID
    tenant_id: str
    room_type_id: str
    stay: Stay
    state: LockState
    owner_token: str
    fencing_number: int
    create_time: dt.datetime
    expire_time: dt.datetime
    quote: Quote


@dataclass(frozen=True, slots=True)
class Reservation:
    """A stay that a guest has booked."""

    reservation_id: UUID
    tenant_id: str
    confirmation_code: str
    room_type_id: str
    stay: Stay
    state: ReservationState
    quote: Quote
    room_number: str
    guest_id: str
    create_time: dt.datetime
    cancel_time: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Night:
    """A room type on one night."""

    free_count: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class RoomType:
    """A room type and its nights around a stay; nights that are not on sale are absent."""

    room_type_id: str
    display_names: Mapping[str, str]
    max_guest_count: int
    nights: Mapping[dt.date, Night]

    def nights_of(self, stay: Stay) -> list[Night] | None:
        """The nights of a stay in order; None when one is not on sale."""
        days = (stay.check_in + dt.timedelta(days=day) for day in range(stay.night_count))
        found = [self.nights.get(day) for day in days]
        return [night for night in found if night] if all(found) else None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the database says about a hotel around a stay, at one moment."""

    currency_code: str
    today: dt.date
    """The property's date."""
    as_of: dt.datetime
    last_night: dt.date
    """The last one on sale."""
    first_expiry: dt.datetime | None
    """When the next live lock in the range ends, so that more may be free."""
    room_types: tuple[RoomType, ...]


class Unavailable(Enum):
    """Why a room type cannot be had."""

    SOLD_OUT = "SOLD_OUT"
    TOO_MANY_GUESTS = "TOO_MANY_GUESTS"


@dataclass(frozen=True, slots=True)
class Offer:
    """A room type as it can be had for one stay."""

    room_type: RoomType
    free_count: int
    quote: Quote
    unavailable: Unavailable | None


@dataclass(frozen=True, slots=True)
class Alternative:
    """Other dates on which a room type is free."""

    room_type_id: str
    stay: Stay
    quote: Quote


@dataclass(frozen=True, slots=True)
class Availability:
    """The answer to a search."""

    offers: tuple[Offer, ...]
    alternatives: tuple[Alternative, ...]


def search(inventory: Inventory, stay: Stay, guests: Guests) -> Availability:
    """Every room type for the stay: the free ones first, cheapest first.

    Alternatives are only looked for when nothing is free.
    """
    if stay.check_in < inventory.today:
        raise refusal("CHECK_IN_PAST")
    if stay.check_out > inventory.last_night + dt.timedelta(days=1):
        raise refusal("BEYOND_HORIZON", {"last_night": inventory.last_night})
    offers = [_offer(one, inventory, stay, guests) for one in inventory.room_types]
    offers.sort(key=_offer_rank)
    free = any(offer.free_count for offer in offers)
    return Availability(tuple(offers), () if free else _alternatives(inventory, stay, guests))


def _offer(room_type: RoomType, inventory: Inventory, stay: Stay, guests: Guests) -> Offer:
    nights = room_type.nights_of(stay)
    free_count = min(night.free_count for night in nights) if nights else 0
    quote = _quote(nights or (), inventory)
    if guests.count > room_type.max_guest_count:
        return Offer(room_type, 0, quote, Unavailable.TOO_MANY_GUESTS)
    if free_count < 1:
        return Offer(room_type, 0, quote, Unavailable.SOLD_OUT)
    return Offer(room_type, free_count, quote, None)


def _offer_rank(offer: Offer) -> tuple[bool, Decimal, str]:
    return (
        offer.unavailable is not None,
        offer.quote.total_price,
        offer.room_type.room_type_id,
    )


def _alternatives(inventory: Inventory, stay: Stay, guests: Guests) -> tuple[Alternative, ...]:
    """The cheapest free type of each of the nearest dates, later ones before earlier ones."""
    found = []
    for distance in range(1, ALTERNATIVE_DAYS + 1):
        for days in (distance, -distance):
            other = stay.moved(days)
            if other.check_in < inventory.today:
                continue
            offers = [_offer(one, inventory, other, guests) for one in inventory.room_types]
            best = min(offers, key=_offer_rank)
            if best.free_count:
                found.append(Alternative(best.room_type.room_type_id, other, best.quote))
    return tuple(found[:MAX_ALTERNATIVES])


def _quote(nights: Sequence[Night], inventory: Inventory) -> Quote:
    return Quote(tuple(night.price for night in nights), inventory.currency_code)


def fingerprint(*content: object) -> bytes:
    """A digest of what a request asks for; its id and its time budget are no part of that."""
    return hashlib.blake2b(repr(content).encode(), digest_size=16).digest()


def new_code() -> str:
    """A confirmation code: about 36 bits, so that guessing one takes more than patience."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def normal_code(written: str) -> str:
    """The code somebody means: case, spaces and dashes do not matter."""
    return "".join(character for character in written.upper() if character.isalnum())


def storable(fields: Iterable[tuple[str, str]]) -> None:
    """Refuse texts that no database row can hold, before they spoil a batch."""
    for field, text in fields:
        if "\0" in text:
            raise InvalidArgument.field(field, "must not contain U+0000")


_REFUSALS: dict[str, tuple[type[MeshError], str]] = {
    "PROPERTY_UNKNOWN": (NotFound, "The hotel has no inventory."),
    "ROOM_TYPE_UNKNOWN": (NotFound, "The hotel has no such room type."),
    "LOCK_UNKNOWN": (NotFound, "The hotel has no such lock."),
    "RESERVATION_UNKNOWN": (NotFound, "The hotel has no such reservation."),
    "NOT_LOCK_OWNER": (PermissionDenied, "The owner token is not the lock's."),
    "STALE_FENCE": (Aborted, "The fencing number is not the lock's."),
    "SOLD_OUT": (FailedPrecondition, "A night of the stay has no room left."),
    "TOO_MANY_GUESTS": (FailedPrecondition, "The room is too small for the guests."),
    "TOO_MANY_LOCKS": (FailedPrecondition, "The guest holds as many locks as one may."),
    "LOCK_RELEASED": (FailedPrecondition, "The lock was given back."),
    "LOCK_CONVERTED": (FailedPrecondition, "The lock has become a reservation."),
    "LOCK_EXPIRED": (FailedPrecondition, "The lock ran out and its nights were taken."),
    "PRICE_CHANGED": (FailedPrecondition, "The lock ran out and its nights cost otherwise now."),
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
