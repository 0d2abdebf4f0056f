"""The one function that decides a price, and the one that says why there is none.

A night costs its nightly price and what the guests in the room add to it; then
come taxes and fees. Each line of a quote is rounded by itself, half up to the
currency's smallest coin: a percentage by the night every night, one by the stay
once. A percentage that is added is of the room's price; one that is included is
what is in it, beside the other included ones: 10 % and 5 % in 115.00 are 10.00
and 5.00. Fees carry no taxes: a hotel names its fees with them.

Nights are dates of the property: a change of its clocks makes no night longer.
Knows neither wire nor storage.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Any

from meshkit.dates import nights
from services.booking.domain import MOST_QUOTES, Guests, Quote, QuoteLine, Stay
from services.booking.inventory.catalogue import STANDARD, Basis, Levy, Restriction
from services.booking.inventory.domain import Inventory, SoldType
from services.booking.inventory.rates import NightlyPrices, price_on
from services.booking.reservations.terms import rounded

HUNDRED, ZERO = Decimal(100), Decimal()


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a stay is not sold, as the contract names it, with what helps to ask again."""

    reason: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Agreed:
    """The stay that somebody had before in a room of the same type under the same plan."""

    stay: Stay
    guests: Guests
    prices: Mapping[dt.date, Decimal]
    """What was agreed for its nights; for other guests, who cost what they cost now, only for
    those that are over."""


class Rate:
    """A room type under one rate plan: what stays in it cost, and which are not sold."""

    def __init__(self, inventory: Inventory, kind: SoldType, rate_plan_id: str = STANDARD) -> None:
        self._inventory = inventory
        self._kind = kind
        self._plan = rate_plan_id
        self._nightly = _nightly(kind, rate_plan_id)
        self._last = _nightly(kind, STANDARD).last
        house = inventory.house
        self._whole = sum((one.percent or ZERO for one in house.levies if one.included), HUNDRED)
        self._restrictions = [
            one
            for one in inventory.house.restrictions
            if one.concerns(kind.room_type_id, rate_plan_id)
        ]

    def quote(self, stay: Stay, guests: Guests, agreed: Agreed | None = None) -> Quote:
        """What the stay costs, which has to be on sale; nights that were agreed cost that."""
        prices = self._nightly.between(stay.check_in, stay.night_count)
        supplement = self._supplement(guests)
        if supplement:
            prices = [price if price is None else price + supplement for price in prices]
        if agreed:
            for place, night in enumerate(nights(stay.check_in, stay.check_out)):
                prices[place] = agreed.prices.get(night, prices[place])
        return _quote(self, tuple(prices), guests.adult_count, guests.child_count)

    def quote_at(self, prices: tuple[Decimal, ...], guests: Guests) -> Quote:
        """What nights at these prices cost, supplements included."""
        currency = self._inventory.currency_code
        lines = _lines(self._inventory.house.levies, prices, guests, self._whole, currency)
        return Quote(prices, currency, lines, self._plan)

    def why_not(self, stay: Stay, guests: Guests, agreed: Agreed | None = None) -> Refused | None:
        """Why nobody can have the stay, whatever is free; None when somebody can.

        Of a stay that was agreed before, nights keep their price and their right, and
        guests, an arrival, a departure and a length that stay as they were are not asked
        again.
        Notice is another matter (`notice_days`): it depends on the day that it is.
        """
        if self._too_many(guests) and not (agreed and agreed.guests == guests):
            return Refused("TOO_MANY_GUESTS")
        fixed = agreed.prices if agreed else {}
        if not self.prices(stay):
            found = self._nightly.between(stay.check_in, stay.night_count)
            every = zip(nights(stay.check_in, stay.check_out), found, strict=True)
            missing = [night for night, price in every if price is None and night not in fixed]
            if missing and missing[0] > self._last:
                return Refused("BEYOND_HORIZON", {"last_night": self._last})
            if missing:
                return Refused("CLOSED")
        return next(self._broken(stay, agreed), None) if self._restrictions else None

    def prices(self, stay: Stay) -> bool:
        """Whether every night of the stay has a price."""
        return self._nightly.all_on_sale(stay.check_in, stay.night_count)

    def notice_days(self, check_in: dt.date) -> int:
        """How many days before the arrival the stay has to be booked."""
        if not self._restrictions:
            return 0
        return max((one.min_notice_days for one in self._named(check_in)), default=0)

    def _broken(self, stay: Stay, agreed: Agreed | None) -> Iterator[Refused]:
        before = agreed.stay if agreed else None
        named = {night: self._named(night) for night in nights(stay.check_in, stay.check_out)}
        had = nights(before.check_in, before.check_out) if before else ()
        if any(one.closed for night in named.keys() - set(had) for one in named[night]):
            yield Refused("CLOSED")
        arriving = named[stay.check_in]
        arrives = before is None or stay.check_in != before.check_in
        if arrives and any(one.closed_to_arrival for one in arriving):
            yield Refused("CLOSED_TO_ARRIVAL")
        departs = before is None or stay.check_out != before.check_out
        if departs and any(one.closed_to_departure for one in self._named(stay.check_out)):
            yield Refused("CLOSED_TO_DEPARTURE")
        if stay != before:
            yield from _bad_length(stay, arriving, chain.from_iterable(named.values()))

    def _named(self, day: dt.date) -> Sequence[Restriction]:
        return [one for one in self._restrictions if one.names(day)]

    def _too_many(self, guests: Guests) -> bool:
        details = self._kind.details
        adults, children = details.max_adult_count, details.max_child_count
        return (
            guests.count > self._kind.max_guest_count
            or (adults is not None and guests.adult_count > adults)
            or (children is not None and guests.child_count > children)
        )

    def _supplement(self, guests: Guests) -> Decimal:
        details = self._kind.details
        adults = details.adult_supplements.get(guests.adult_count, Decimal())
        return adults + details.child_supplement * guests.child_count


def _bad_length(
    stay: Stay, arriving: Sequence[Restriction], through: Iterable[Restriction]
) -> Iterator[Refused]:
    """Too short, or too long, for those who arrive then and are there on these nights."""
    on_arrival = (one.min_nights_on_arrival for one in arriving)
    least = max([0, *on_arrival, *(one.min_nights_through for one in through)])
    if stay.night_count < least:
        yield Refused("MINIMUM_STAY", {"nights": least})
    most = min((one.max_nights for one in arriving if one.max_nights), default=0)
    if most and stay.night_count > most:
        yield Refused("MAXIMUM_STAY", {"nights": most})


@lru_cache(maxsize=MOST_QUOTES)
def _quote(rate: Rate, prices: tuple[Decimal | None, ...], adults: int, children: int) -> Quote:
    """Nightly prices repeat from stay to stay, and so do quotes."""
    sold = tuple(price for price in prices if price is not None)
    assert len(sold) == len(prices), "only what is on sale has a price"
    return _known(rate.quote_at(sold, Guests(adults, children)))


@lru_cache(maxsize=MOST_QUOTES)
def _known(quote: Quote) -> Quote:
    """The first of equal quotes, so that what is made of one is soon found."""
    return quote


def quotes_kept() -> int:
    """How many quotes are there to be found again."""
    return _quote.cache_info().currsize


def _nightly(kind: SoldType, rate_plan_id: str) -> NightlyPrices:
    """What the nights of a type cost under a plan."""
    standard = kind.prices
    if not isinstance(standard, NightlyPrices):
        standard = NightlyPrices(standard)
    if rate_plan_id == STANDARD:
        return standard
    # What is shut under the standard plan is shut under every plan, and a type
    # without prices under a plan is never on sale under it.
    rules = kind.details.plan_prices.get(rate_plan_id, ())
    found = {night: price_on(rules, night) for night in standard}
    return NightlyPrices({night: price for night, price in found.items() if price is not None})


def _lines(
    levies: Sequence[Levy],
    prices: Sequence[Decimal],
    guests: Guests,
    within: Decimal,
    currency: str,
) -> tuple[QuoteLine, ...]:
    """`within` is what included percentages are of: a hundred, and all of them."""
    return tuple(
        QuoteLine(
            one.levy_id,
            one.display_names,
            _amount(one, prices, guests, within if one.included else HUNDRED, currency),
            one.included,
        )
        for one in levies
    )


def _amount(
    levy: Levy, prices: Sequence[Decimal], guests: Guests, whole: Decimal, currency: str
) -> Decimal:
    if levy.percent is not None:
        bases = prices if levy.basis is Basis.NIGHT else (sum(prices, Decimal()),)
        shares = (rounded(base * levy.percent / whole, currency) for base in bases)
        return sum(shares, Decimal())
    assert levy.amount is not None
    if levy.basis is Basis.STAY:
        return levy.amount
    if levy.basis is Basis.NIGHT:
        return levy.amount * len(prices)
    persons = guests.adult_count if levy.adults_only else guests.count
    return levy.amount * len(prices) * persons
