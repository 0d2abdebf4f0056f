"""What nights cost, and how that is written down.

Prices are kept night by night, which is what locks and searches read. Rules by
date range and weekday are a way of writing them: `spread` reads rules, `rules`
finds few that say the same.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

EVERY_DAY = frozenset(range(1, 8))


@dataclass(frozen=True, slots=True)
class PriceRule:
    """What nights cost from `first` to `last`, both included, on some ISO weekdays.

    Without a price they are not on sale.
    """

    first: dt.date
    last: dt.date
    weekdays: frozenset[int]
    price: Decimal | None


class NightlyPrices(Mapping[dt.date, Decimal]):
    """Prices by night in 8 bytes a night, for whoever keeps those of many hotels."""

    __slots__ = ("_first", "_gaps", "_prices")

    def __init__(self, prices: Mapping[dt.date, Decimal]) -> None:
        known: dict[Decimal, Decimal] = {}
        first = min(prices, default=dt.date.max)
        last = max(prices, default=dt.date.min)
        nights = _days(first, last) if prices else []
        found = map(prices.get, nights)
        self._first = first.toordinal()
        self._prices = [one if one is None else known.setdefault(one, one) for one in found]
        self._gaps = None in self._prices

    @property
    def last(self) -> dt.date:
        """The last night on sale; the last day of all when there is none."""
        return dt.date.fromordinal(self._first + max(len(self._prices) - 1, 0))

    def between(self, first: dt.date, count: int) -> list[Decimal | None]:
        """The prices of so many nights, from `first` on; None for one that is not on sale."""
        start = first.toordinal() - self._first
        end = start + count
        if start >= 0 and end <= len(self._prices):
            return self._prices[start:end]
        return [self._at(place) for place in range(start, end)]

    def all_on_sale(self, first: dt.date, count: int) -> bool:
        """Whether so many nights from `first` on all have a price."""
        start = first.toordinal() - self._first
        if start < 0 or start + count > len(self._prices):
            return False
        return not (self._gaps and None in self._prices[start : start + count])

    def _at(self, place: int) -> Decimal | None:
        return self._prices[place] if 0 <= place < len(self._prices) else None

    def get(self, night: dt.date, default: Any = None) -> Any:
        """The price of a night; `default` when it is not on sale."""
        found = self._at(night.toordinal() - self._first)
        return default if found is None else found

    def __getitem__(self, night: dt.date) -> Decimal:
        found: Decimal | None = self.get(night)
        if found is None:
            raise KeyError(night)
        return found

    def __iter__(self) -> Iterator[dt.date]:
        nights = enumerate(self._prices, self._first)
        return (dt.date.fromordinal(day) for day, price in nights if price is not None)

    def __len__(self) -> int:
        return sum(price is not None for price in self._prices)


def price_on(rules_of_type: Sequence[PriceRule], night: dt.date) -> Decimal | None:
    """What a night costs; None when it is not on sale."""
    for rule in reversed(rules_of_type):
        if rule.first <= night <= rule.last and night.isoweekday() in rule.weekdays:
            return rule.price
    return None


def spread(
    rules_of_type: Sequence[PriceRule], first: dt.date, last: dt.date
) -> dict[dt.date, Decimal]:
    """The prices night by night from `first` to `last`; of several rules the last one counts."""
    prices: dict[dt.date, Decimal] = {}
    for rule in rules_of_type:
        for night in _days(max(first, rule.first), min(last, rule.last)):
            if night.isoweekday() not in rule.weekdays:
                continue
            if rule.price is None:
                prices.pop(night, None)
            else:
                prices[night] = rule.price
    return prices


def rules(prices: Mapping[dt.date, Decimal], first: dt.date, last: dt.date) -> list[PriceRule]:
    """Rules that say the same: each weekday's usual price, then the nights that differ."""
    nights = _days(first, last)
    usual: dict[Decimal, set[int]] = defaultdict(set)
    for weekday in sorted(EVERY_DAY):
        counts = Counter(prices.get(one) for one in nights if one.isoweekday() == weekday)
        price = counts.most_common(1)[0][0] if counts else None
        if price is not None:
            usual[price].add(weekday)
    found = [PriceRule(first, last, frozenset(days), price) for price, days in usual.items()]
    if len(found) == 1 and len({one.isoweekday() for one in nights} - found[0].weekdays) == 0:
        found = [PriceRule(first, last, EVERY_DAY, found[0].price)]
    said = spread(found, first, last)
    run: PriceRule | None = None
    for night in nights:
        price = prices.get(night)
        if price == said.get(night):
            run = None
        elif run is not None and run.price == price:
            run = found[-1] = PriceRule(run.first, night, EVERY_DAY, price)
        else:
            run = PriceRule(night, night, EVERY_DAY, price)
            found.append(run)
    return found


def _days(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]
