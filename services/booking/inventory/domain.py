"""What a hotel sells: one value, and the draft of one. Knows neither wire nor storage."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from zoneinfo import available_timezones

from meshkit.errors import InvalidArgument, Violation
from meshkit.money import Money
from services.booking.inventory.catalogue import House, TypeDetails
from services.booking.inventory.rates import PriceRule, spread
from services.booking.reservations.terms import NO_TERMS, Terms

MAX_DAYS_AHEAD = 1100


@dataclass(frozen=True, slots=True)
class SoldType:
    """A room type: its rooms, number by id, and its nights on sale with their prices."""

    room_type_id: str
    display_names: Mapping[str, str]
    max_guest_count: int
    rooms: Mapping[str, str]
    prices: Mapping[dt.date, Decimal]
    details: TypeDetails = field(default_factory=TypeDetails)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything a hotel sells."""

    time_zone: str
    currency_code: str
    last_night: dt.date
    room_types: Mapping[str, SoldType]
    house: House = field(default_factory=House)
    terms: Terms = NO_TERMS


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
