"""What a step may ask while it thinks, and what it is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta

from meshkit.money import Money
from services.messaging.conversation.profile import Profile
from services.messaging.conversation.state import Tax


@dataclass(frozen=True)
class SearchAvailability:
    """What is free for a stay `[check_in, check_out)` in one room for these guests?"""

    check_in: date
    check_out: date
    adults: int
    children: int


@dataclass(frozen=True)
class RoomOffer:
    """One room type for the stay of the query.

    `names` is by BCP 47 language; `reason` is empty when the room can be had,
    else one of booking's `UnavailableReason`, and `detail` how many nights, or
    days ahead, would do.
    """

    room_type_id: str
    names: Mapping[str, str]
    max_guests: int
    free_count: int
    nightly: tuple[Money, ...]
    total: Money
    reason: str = ""
    detail: int = 0
    taxes: tuple[Tax, ...] = ()


@dataclass(frozen=True)
class AlternativeStay:
    """Other dates of the same length on which a room type is free."""

    room_type_id: str
    check_in: date
    check_out: date
    total: Money


@dataclass(frozen=True)
class Availability:
    """Every room type of the hotel, and other dates when none can be had."""

    room_types: tuple[RoomOffer, ...]
    alternatives: tuple[AlternativeStay, ...] = ()
    unconfirmed: bool = False
    """The hotel's own system has not said for long: everything is subject to its confirmation."""


@dataclass(frozen=True)
class Failed:
    """The query had no answer.

    `kind` is the canonical status (`UNAVAILABLE`, `INVALID_ARGUMENT`, ...),
    `reason` the one of its ErrorInfo; `last_night` comes with `BEYOND_HORIZON`.
    """

    kind: str
    reason: str = ""
    last_night: date | None = None


@dataclass(frozen=True)
class AskProfile:
    """What has the hotel said about itself? `language` is `es` or `en`."""

    language: str


@dataclass(frozen=True)
class AskTerms:
    """What does the hotel ask of those who book now?"""


@dataclass(frozen=True)
class Charge:
    """A share of the total in percent, so many nights, or an amount: one of them is set."""

    percent: int = 0
    nights: int = 0
    amount: Money | None = None

    def __bool__(self) -> bool:
        """Whether it costs anything."""
        return bool(self.percent or self.nights or (self.amount and self.amount.amount))


@dataclass(frozen=True)
class HouseTerms:
    """What a hotel asks for, times by its own clocks.

    `cancellation` is what cancelling costs from so long before the arrival on, earliest
    first; `late_checkout` what leaving by a later time costs.
    """

    check_in: time
    check_out: time
    cancellation: tuple[tuple[timedelta, Charge], ...] = ()
    no_show: Charge = Charge()
    deposit: Charge = Charge()
    deposit_period: timedelta = timedelta(hours=24)
    late_checkout: tuple[tuple[time, Charge], ...] = ()


Query = SearchAvailability | AskProfile | AskTerms
Answer = Availability | Profile | HouseTerms | Failed
