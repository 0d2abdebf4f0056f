"""What is free around a stay, what it costs, why not, and what can be had instead.

Knows neither wire nor storage.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from meshkit.errors import MeshError
from services.booking.domain import Guests, Quote, Stay, refusal
from services.booking.inventory.book import Page
from services.booking.inventory.catalogue import STANDARD
from services.booking.inventory.domain import SoldType
from services.booking.inventory.policy import Policy
from services.booking.inventory.pricing import Rate, Refused
from services.booking.rooms.seats import Seats

ALTERNATIVE_DAYS = 7
"""How far from the asked dates an alternative may lie."""
MAX_ALTERNATIVES = 3
SEATS_OF_ONE = 20
"""So many seats take as much memory again as counters without any."""
SOLD_OUT = Refused("SOLD_OUT")
ABOUT_LENGTH = frozenset({"MINIMUM_STAY", "MAXIMUM_STAY"})


@dataclass(frozen=True, slots=True)
class Counters:
    """How many rooms are free around a stay, at one moment."""

    version: int
    """Of the inventory."""
    today: dt.date
    """The property's date."""
    as_of: dt.datetime
    first_expiry: dt.datetime | None
    """When the next live lock in the range ends, so that more may be free."""
    first: dt.date
    free: Mapping[str, Sequence[int]]
    """By type, from the night `first` on."""
    seats: Mapping[str, Seats] = field(default_factory=dict)
    """Of the types with pins around the stay; their nights are counted from `first` too."""

    @property
    def weight(self) -> int:
        """How much they take to keep, in counters without seats."""
        return 1 + sum(len(one.taken) for one in self.seats.values()) // SEATS_OF_ONE

    def free_count(self, room_type_id: str, stay: Stay) -> int:
        """How many stays like this can be had: rooms free on every night, the same each night."""
        counts = self.free.get(room_type_id, ())
        start = (stay.check_in - self.first).days
        end = start + stay.night_count
        found = counts[max(start, 0) : end]
        most = max(min(found), 0) if len(found) == stay.night_count else 0
        seats = self.seats.get(room_type_id)
        return most if seats is None or most == 0 else seats.most(start, end, most)


@dataclass(frozen=True, slots=True)
class Inventory:
    """A hotel around a stay: what it sells, and how much of it is free."""

    page: Page
    counters: Counters


class PlanOffer(NamedTuple):
    """A room type under one rate plan; without a quote when a night has no price."""

    rate_plan_id: str
    quote: Quote | None
    policy: Policy | None
    refused: Refused | None


class Alternative(NamedTuple):
    """Other dates on which a room type is free."""

    room_type_id: str
    stay: Stay
    quote: Quote


class Offer(NamedTuple):
    """A room type as it can be had for one stay, under the standard plan and the others."""

    room_type: SoldType
    free_count: int
    standard: PlanOffer
    others: tuple[PlanOffer, ...] = ()
    nearest: Alternative | None = None
    """The nearest dates of this type, when it cannot be had."""

    @property
    def unavailable(self) -> str:
        """Why it cannot be had under the standard plan; empty when it can."""
        return self.standard.refused.reason if self.standard.refused else ""

    @property
    def quote(self) -> Quote:
        """What it costs; nothing when it has no price."""
        return self.standard.quote or Quote((), "")


@dataclass(frozen=True, slots=True)
class Availability:
    """The answer to a search."""

    offers: tuple[Offer, ...]
    alternatives: tuple[Alternative, ...]


def search(inventory: Inventory, stay: Stay, guests: Guests) -> Availability:
    """Every room type for the stay: the free ones first, cheapest first.

    Other dates of any type are only looked for when nothing is free.
    """
    page = inventory.page
    fault = not_sold(inventory, stay)
    if fault is not None:
        raise fault
    offers = [_offer(inventory, one, stay, guests) for one in page.inventory.room_types.values()]
    offers.sort(key=_rank)
    free = any(not offer.unavailable for offer in offers)
    return Availability(tuple(offers), () if free else _alternatives(inventory, stay, guests))


def not_sold(inventory: Inventory, stay: Stay) -> MeshError | None:
    """Why the hotel sells nothing on these dates, whatever is free; None when it may."""
    page = inventory.page
    if not page.sells:
        return refusal("PROPERTY_UNKNOWN")
    if stay.check_in < inventory.counters.today:
        return refusal("CHECK_IN_PAST")
    last = page.inventory.last_night
    if stay.check_out > last + dt.timedelta(days=1):
        return refusal("BEYOND_HORIZON", {"last_night": last})
    return None


def _offer(inventory: Inventory, kind: SoldType, stay: Stay, guests: Guests) -> Offer:
    page, counters = inventory.page, inventory.counters
    free_count = counters.free_count(kind.room_type_id, stay)
    plans = [STANDARD, *(one.rate_plan_id for one in page.inventory.house.rate_plans)]
    standard, *others = (
        _plan_offer(inventory, kind, plan, stay, guests, free_count) for plan in plans
    )
    reason = standard.refused.reason if standard.refused else ""
    nearest = None
    if reason and reason != "TOO_MANY_GUESTS":
        rate = page.rate(kind.room_type_id)
        nearest = next(_other_dates(inventory, kind, rate, stay, guests), None)
    return Offer(kind, 0 if reason else free_count, standard, tuple(others), nearest)


def _plan_offer(
    inventory: Inventory, kind: SoldType, plan: str, stay: Stay, guests: Guests, free_count: int
) -> PlanOffer:
    page, counters = inventory.page, inventory.counters
    rate = page.rate(kind.room_type_id, plan)
    refused = _refused(rate, counters.today, stay, guests, free_count)
    if not rate.prices(stay):
        return PlanOffer(plan, None, None, refused)
    quote = rate.quote(stay, guests)
    return PlanOffer(plan, quote, page.policy(quote, stay, counters.as_of), refused)


def _refused(
    rate: Rate, today: dt.date, stay: Stay, guests: Guests, free_count: int
) -> Refused | None:
    """Why it cannot be had; what is sold out is not worth another length."""
    refused = rate.why_not(stay, guests)
    if refused is not None and not (refused.reason in ABOUT_LENGTH and free_count < 1):
        return refused
    if free_count < 1:
        return SOLD_OUT
    notice = rate.notice_days(stay.check_in)
    if stay.check_in < today + dt.timedelta(days=notice):
        return Refused("ADVANCE_NOTICE", {"days": notice})
    return None


def _rank(offer: Offer) -> tuple[bool, Decimal, str]:
    return (bool(offer.unavailable), offer.quote.total_price, offer.room_type.room_type_id)


def _shifts() -> Iterator[int]:
    """Days from the asked dates: the nearest first, later before earlier."""
    for distance in range(1, ALTERNATIVE_DAYS + 1):
        yield distance
        yield -distance


def _other_dates(
    inventory: Inventory,
    kind: SoldType,
    rate: Rate,
    stay: Stay,
    guests: Guests,
    shifts: Iterable[int] | None = None,
) -> Iterator[Alternative]:
    """When else the type can be had for as long, nearest first."""
    counters = inventory.counters
    for days in _shifts() if shifts is None else shifts:
        other = stay.moved(days)
        if other.check_in < counters.today:
            continue
        free_count = counters.free_count(kind.room_type_id, other)
        if free_count < 1:
            continue
        if _refused(rate, counters.today, other, guests, free_count) is None:
            yield Alternative(kind.room_type_id, other, rate.quote(other, guests))


def _alternatives(inventory: Inventory, stay: Stay, guests: Guests) -> tuple[Alternative, ...]:
    """The cheapest free type of each of the nearest dates."""
    page = inventory.page
    kinds = [(one, page.rate(one.room_type_id)) for one in page.inventory.room_types.values()]
    found: list[Alternative] = []
    for days in _shifts():
        of_date = [
            other
            for kind, rate in kinds
            for other in _other_dates(inventory, kind, rate, stay, guests, [days])
        ]
        if of_date:
            found.append(min(of_date, key=lambda one: (one.quote.total_price, one.room_type_id)))
        if len(found) == MAX_ALTERNATIVES:
            break
    return tuple(found)
