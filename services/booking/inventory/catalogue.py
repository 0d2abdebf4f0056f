"""What decides a price beside the nightly prices: taxes, fees, occupancy, restrictions, plans.

Spans name nights as `PriceRule` does: from a first to a last one, on some ISO
weekdays. Knows neither wire nor storage.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from services.booking.inventory.rates import EVERY_DAY, PriceRule
from services.booking.reservations.terms import Terms


class Basis(Enum):
    """What a tax or a fee is counted by."""

    NIGHT = "NIGHT"
    STAY = "STAY"
    PERSON_NIGHT = "PERSON_NIGHT"


@dataclass(frozen=True, slots=True)
class Levy:
    """A tax or a fee: `percent` of the room's price, or an `amount`; one of them.

    What is not `included` comes on top of the nightly prices.
    """

    levy_id: str
    display_names: Mapping[str, str]
    basis: Basis
    included: bool
    percent: Decimal | None = None
    amount: Decimal | None = None
    adults_only: bool = False
    """By person and night: children are free of it."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """Which stays a hotel does not take; 0 and False restrict nothing.

    It concerns the nights from `first` to `last` on some weekdays, and some
    room types and rate plans, all of them when none is named.
    """

    first: dt.date
    last: dt.date
    weekdays: frozenset[int] = EVERY_DAY
    room_type_ids: frozenset[str] = frozenset()
    rate_plan_ids: frozenset[str] = frozenset()
    min_nights_on_arrival: int = 0
    """For stays that arrive on these days."""
    min_nights_through: int = 0
    """For stays that have one of these nights."""
    max_nights: int = 0
    """For stays that arrive on these days."""
    closed: bool = False
    """For stays that have one of these nights."""
    closed_to_arrival: bool = False
    closed_to_departure: bool = False
    """For stays that depart on these days, which are no nights of theirs."""
    min_notice_days: int = 0
    """For stays that arrive on these days: booked so many days before, at the latest."""

    def names(self, day: dt.date) -> bool:
        """Whether a day is one of its days."""
        return self.first <= day <= self.last and day.isoweekday() in self.weekdays

    def concerns(self, room_type_id: str, rate_plan_id: str) -> bool:
        """Whether it is about a type under a plan."""
        types, plans = self.room_type_ids, self.rate_plan_ids
        return (not types or room_type_id in types) and (not plans or rate_plan_id in plans)


STANDARD = ""
"""The id of the plan that every type has; its prices are the type's nightly prices."""


@dataclass(frozen=True, slots=True)
class RatePlan:
    """Another way of selling the same rooms: with prices, and perhaps terms, of its own."""

    rate_plan_id: str
    display_names: Mapping[str, str]
    terms: Terms | None = None
    """None: those of the hotel."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture of a room type, and what it shows by language."""

    url: str
    captions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TypeDetails:
    """What a room type is like, for whom, and what more than its nights costs.

    `adult_supplements` are added to a night's price for so many adults; a number
    that is not there adds nothing.
    """

    descriptions: Mapping[str, str] = field(default_factory=dict)
    photos: tuple[Photo, ...] = ()
    max_adult_count: int | None = None
    max_child_count: int | None = None
    adult_supplements: Mapping[int, Decimal] = field(default_factory=dict)
    child_supplement: Decimal = Decimal()
    plan_prices: Mapping[str, tuple[PriceRule, ...]] = field(default_factory=dict)
    """What nights cost under plans other than the standard one."""


@dataclass(frozen=True, slots=True)
class House:
    """What holds for all room types of a hotel."""

    levies: tuple[Levy, ...] = ()
    rate_plans: tuple[RatePlan, ...] = ()
    restrictions: tuple[Restriction, ...] = ()

    def plan(self, rate_plan_id: str) -> RatePlan | None:
        """The plan with this id, the standard one excepted."""
        return next((one for one in self.rate_plans if one.rate_plan_id == rate_plan_id), None)
