"""What a hotel sells: one value, and how it is written down. Knows neither wire nor storage.

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
from zoneinfo import available_timezones

from meshkit.errors import InvalidArgument, Violation
from meshkit.money import Money

EVERY_DAY = frozenset(range(1, 8))
MAX_DAYS_AHEAD = 1100


@dataclass(frozen=True, slots=True)
class PriceRule:
    """What nights cost from `first` to `last`, both included, on some ISO weekdays.

    Without a price they are not on sale.
    """

    first: dt.date
    last: dt.date
    weekdays: frozenset[int]
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class SoldType:
    """A room type: its rooms, number by id, and its nights on sale with their prices."""

    room_type_id: str
    display_names: Mapping[str, str]
    max_guest_count: int
    rooms: Mapping[str, str]
    prices: Mapping[dt.date, Decimal]


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything a hotel sells."""

    time_zone: str
    currency_code: str
    last_night: dt.date
    room_types: Mapping[str, SoldType]


@dataclass(frozen=True, slots=True)
class TypeDraft:
    """A room type as it was sent, not yet looked at."""

    room_type_id: str
    display_names: Mapping[str, str]
    max_guest_count: int
    rooms: Sequence[tuple[str, str]]
    rules: Sequence[PriceRule]


@dataclass(frozen=True, slots=True)
class Draft:
    """An inventory as it was sent; `read` makes it one that can be sold."""

    etag: str
    time_zone: str
    currency_code: str
    last_night: dt.date
    room_types: Sequence[TypeDraft]

    def check(self) -> None:
        """Refuse what contradicts itself, with every field that does."""
        violations = tuple(self._violations())
        if violations:
            first = violations[0]
            message = f"{first.field}: {first.description}"
            raise InvalidArgument("INVALID_REQUEST", message, violations=violations)

    def read(self, today: dt.date) -> Inventory:
        """What is to be sold from `today` on."""
        if not 0 <= (self.last_night - today).days <= MAX_DAYS_AHEAD:
            raise InvalidArgument.field(
                "inventory.last_night_date",
                f"must be from {today} on and at most {MAX_DAYS_AHEAD} days after it",
            )
        types = {
            one.room_type_id: SoldType(
                one.room_type_id,
                dict(one.display_names),
                one.max_guest_count,
                dict(one.rooms),
                spread(one.rules, today, self.last_night),
            )
            for one in self.room_types
        }
        return Inventory(self.time_zone, self.currency_code, self.last_night, types)

    def _violations(self) -> Iterator[Violation]:
        if self.time_zone not in available_timezones():
            yield Violation("inventory.time_zone", "is no IANA time zone")
        types: set[str] = set()
        rooms: set[str] = set()
        for number, one in enumerate(self.room_types):
            path = f"inventory.room_types[{number}]"
            if one.room_type_id in types:
                yield Violation(f"{path}.room_type_id", "is there twice")
            types.add(one.room_type_id)
            yield from _bad_rooms(path, one, rooms)
            yield from _bad_rules(path, one, self.currency_code)


def _bad_rooms(path: str, one: TypeDraft, known: set[str]) -> Iterator[Violation]:
    numbers: set[str] = set()
    for position, (room_id, number) in enumerate(one.rooms):
        if room_id in known:
            yield Violation(f"{path}.rooms[{position}].room_id", "is there twice")
        if number in numbers:
            yield Violation(f"{path}.rooms[{position}].room_number", "is there twice")
        known.add(room_id)
        numbers.add(number)


def _bad_rules(path: str, one: TypeDraft, currency_code: str) -> Iterator[Violation]:
    for position, rule in enumerate(one.rules):
        field = f"{path}.nightly_prices[{position}]"
        if rule.last < rule.first:
            yield Violation(f"{field}.last_night_date", "is before the first night")
        if rule.price is None:
            continue
        if rule.price < 0:
            yield Violation(f"{field}.price", "is negative")
        elif not Money(rule.price, currency_code).is_payable():
            yield Violation(f"{field}.price", "cannot be paid in coins of its currency")


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
