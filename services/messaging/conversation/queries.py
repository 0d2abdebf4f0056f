"""What a step may ask while it thinks, and what it is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time

from meshkit.money import Money
from services.messaging.conversation.profile import Profile


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
    else `SOLD_OUT` or `TOO_MANY_GUESTS`.
    """

    room_type_id: str
    names: Mapping[str, str]
    max_guests: int
    free_count: int
    nightly: tuple[Money, ...]
    total: Money
    reason: str = ""


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
class AskTimes:
    """When do guests come and leave?"""


@dataclass(frozen=True)
class Times:
    """From when on guests may arrive and by when they leave, by the hotel's clocks."""

    check_in: time
    check_out: time


Query = SearchAvailability | AskProfile | AskTimes
Answer = Availability | Profile | Times | Failed
