"""What Conserje asks of a hotel's own system, whichever it is.

Reads raise `meshkit.errors`: `Unavailable` PMS_AWAY when nobody knows,
`ResourceExhausted` PMS_BUSY when it asks for patience, `FailedPrecondition`
PMS_REFUSED for any other answer that is no answer. Writes raise nothing of the
kind: they say CONFIRMED, REJECTED or UNKNOWN, for a write without an answer may
have been carried out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import NamedTuple, Protocol

from meshkit.redaction import redact


class Verdict(Enum):
    """What became of a write."""

    CONFIRMED = "CONFIRMED"
    """The system says that it is done; `find` says whether that is true."""
    REJECTED = "REJECTED"
    """It was certainly not done, and will not be if it is asked again."""
    UNKNOWN = "UNKNOWN"
    """It was done, or not, or is still being done."""


SOLD_OUT = "SOLD_OUT"
"""The reason of a rejection: no room is left for a night."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a system can do, and what must be kept from it."""

    has_holds: bool = False
    """It keeps a room for a while without a booking."""
    has_idempotency: bool = False
    """A second `create` under the same key gives the first one's booking."""
    has_webhooks: bool = False
    """It tells of changes by itself."""
    may_oversell: bool = True
    """Two bookings at once may both get its last room."""
    parallel_writes: bool = False
    """It can be written to from several places at once."""
    system: str = ""
    """What it calls itself, and its version."""
    currency_code: str = ""
    """What it sells in; empty where it does not tell."""
    resources: tuple[str, ...] = ()
    """What of it our credential may use, sorted; empty where it does not tell."""
    requests_per_second: float = 5.0
    """How often it may be asked in the long run."""


@dataclass(frozen=True, slots=True)
class PmsRoomType:
    """A room type by the system's own id."""

    type_id: str
    name: str
    max_guest_count: int
    room_count: int


class TypeNight(NamedTuple):
    """One night of one room type, by the system's own id."""

    type_id: str
    night: dt.date


@dataclass(frozen=True, slots=True)
class Free:
    """What is left of a type on a night; negative when the system has oversold it."""

    free_count: int
    price: Decimal | None = None
    """Of one room with one night's stay; None when the system does not tell."""


@dataclass(frozen=True, slots=True)
class PmsAvailability:
    """What is free, as the system says it was at a moment of its own choice."""

    as_of: dt.datetime
    nights: Mapping[TypeNight, Free]


@dataclass(frozen=True, slots=True)
class PmsRoom:
    """One room that is wanted."""

    type_id: str
    adult_count: int
    child_count: int
    price: Decimal
    """For all nights, taxes included: what the guest was told."""


@dataclass(frozen=True, slots=True)
class PmsOrder:
    """A booking as it should be."""

    key: str
    """Ours, and the same for every attempt; the system keeps it where it can be looked for."""
    code: str
    """What the guest was told: the reception finds the booking by it."""
    check_in: dt.date
    check_out: dt.date
    rooms: tuple[PmsRoom, ...]
    currency_code: str

    @property
    def total(self) -> Decimal:
        """What the guest was told for all rooms."""
        return sum((room.price for room in self.rooms), Decimal())


@dataclass(frozen=True, slots=True)
class PmsBooking:
    """A booking as it is in the system, whoever made it."""

    booking_id: str
    key: str
    """Empty when it was not made by us."""
    check_in: dt.date
    check_out: dt.date
    type_ids: tuple[str, ...]
    """The type of each of its rooms."""
    active: bool
    """Whether it takes its nights: not cancelled, not refunded, not left in the lurch."""


@dataclass(frozen=True, slots=True)
class PmsQuote:
    """What a stay costs there."""

    total: Decimal
    currency_code: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a write, and why."""

    verdict: Verdict
    reason: str = ""
    booking_id: str = ""
    words: str = ""
    """Its own sentence of a rejection, for the hotel's people; see `sentence`."""


MOST_WORDS = 200
"""Characters of a sentence that are kept."""


def sentence(told: object) -> str:
    """A foreign text on one short line, without what may be a phone number."""
    return redact(" ".join(told.split())[:MOST_WORDS]) if isinstance(told, str) else ""


@dataclass(frozen=True, slots=True)
class Changes:
    """Bookings that changed since a cursor."""

    bookings: tuple[PmsBooking, ...]
    cursor: str
    complete: bool = False
    """These are all active bookings: who is not among them is gone."""
    more: bool = False
    """There are further ones after the new cursor, already."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a hotel's system is, and as whom we speak to it."""

    base_url: str
    property_id: str
    secret: str = field(repr=False, default="")


class Pms(Protocol):
    """One hotel in its own system."""

    async def capabilities(self) -> Capabilities:
        """What it can do, as it says itself."""
        ...

    async def room_types(self) -> list[PmsRoomType]:
        """What it sells."""
        ...

    async def availability(self, first_night: dt.date, departure: dt.date) -> PmsAvailability:
        """What is free on the nights `[first_night, departure)`."""
        ...

    async def quote(self, order: PmsOrder) -> PmsQuote:
        """What a booking would cost there; raises `FailedPrecondition` when it cannot be had."""
        ...

    async def create(self, order: PmsOrder) -> Outcome:
        """Book."""
        ...

    async def find(self, key: str) -> list[PmsBooking]:
        """Every booking with our key, the cancelled ones included."""
        ...

    async def modify(self, booking_id: str, order: PmsOrder) -> Outcome:
        """Make a booking what the order says."""
        ...

    async def cancel(self, booking_id: str) -> Outcome:
        """Cancel; a cancelled booking stays cancelled."""
        ...

    async def changes(self, cursor: str) -> Changes:
        """What changed since `cursor`; all that is active for an empty one."""
        ...
