"""An inventory as it was sent, until it is one that can be sold. Knows neither wire nor storage."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from zoneinfo import available_timezones

from meshkit.errors import InvalidArgument, Violation
from meshkit.money import Money, is_currency
from services.booking.inventory.catalogue import (
    STANDARD,
    Basis,
    House,
    Photo,
    Restriction,
    TypeDetails,
)
from services.booking.inventory.domain import Inventory, SoldType
from services.booking.inventory.rates import PriceRule, spread
from services.booking.reservations.terms import ChargeKind, Terms

MAX_DAYS_AHEAD = 1100
ZERO = Decimal()
MOST = Decimal(10) ** 12
"""Of every amount: 20 rooms for 90 nights with 40 guests and 50 taxes, each of them as
much as the room, come to 4 × 10^18, which `google.type.Money` still holds."""
NEGATIVE = "is negative"
LANGUAGE = re.compile("[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
"""The same as of the languages of a hotel."""
LINK = re.compile(r"https://[^\s/?#@]+([/?#]\S*)?")
"""`https` without a user: guests are sent it."""


@dataclass(frozen=True, slots=True)
class TypeDraft:
    """A room type as it was sent, not yet looked at."""

    room_type_id: str
    display_names: Mapping[str, str]
    max_guest_count: int
    rooms: Sequence[tuple[str, str]]
    rules: Sequence[PriceRule]
    details: TypeDetails = field(default_factory=TypeDetails)


@dataclass(frozen=True, slots=True)
class Draft:
    """An inventory as it was sent; `read` makes it one that can be sold."""

    etag: str
    time_zone: str
    currency_code: str
    last_night: dt.date
    room_types: Sequence[TypeDraft]
    house: House = field(default_factory=House)
    terms: Terms | None = None
    """None: they stay as they are."""
    lock_seconds: int | None = None
    """None: it stays as it is."""
    locks_per_guest: int | None = None
    """None: it stays as it is."""

    def check(self) -> None:
        """Refuse what contradicts itself, with every field that does."""
        _refuse(self._violations())

    def read(self, today: dt.date, kept: Inventory) -> Inventory:
        """What is to be sold from `today` on; what the draft leaves open is as it was `kept`.

        Refuses to keep amounts of another currency.
        """
        if self.terms is None and self.currency_code != kept.currency_code:
            _refuse(_amounts_of_before(kept, self.currency_code))
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
                one.details,
            )
            for one in self.room_types
        }
        return Inventory(
            self.time_zone,
            self.currency_code,
            self.last_night,
            types,
            self.house,
            self.terms or kept.terms,
            self.lock_seconds or kept.lock_seconds,
            self.locks_per_guest or kept.locks_per_guest,
        )

    def _violations(self) -> Iterator[Violation]:
        if self.time_zone not in available_timezones():
            yield Violation("inventory.time_zone", "is no IANA time zone")
        if not is_currency(self.currency_code):
            yield Violation("inventory.currency_code", "is no currency of ISO 4217, such as EUR")
        types: set[str] = set()
        rooms: set[str] = set()
        for number, one in enumerate(self.room_types):
            path = f"inventory.room_types[{number}]"
            if one.room_type_id in types:
                yield Violation(f"{path}.room_type_id", "is there twice")
            types.add(one.room_type_id)
            yield from _bad_languages(f"{path}.display_names", one.display_names)
            yield from _bad_rooms(path, one, rooms)
            yield from _bad_rules(f"{path}.nightly_prices", one.rules, self.currency_code)
            yield from _bad_details(path, one, self.house, self.currency_code)
        yield from _bad_house(self.house, types, self.currency_code)
        yield from _bad_terms("inventory.terms", self.terms, self.currency_code)


def _refuse(found: Iterable[Violation]) -> None:
    violations = tuple(found)
    if violations:
        first = violations[0]
        message = f"{first.field}: {first.description}"
        raise InvalidArgument("INVALID_REQUEST", message, violations=violations)


def _amounts_of_before(kept: Inventory, currency_code: str) -> Iterator[Violation]:
    """Nobody has said how much of this currency the amounts of the terms would be."""
    amounts = ", ".join(f"{one.normalize():f}" for _, one in _fixed(kept.terms) if one)
    if amounts:
        said = f"cannot stay as they are, with {amounts} in {kept.currency_code}"
        yield Violation("inventory.terms", f"{said}; name them in {currency_code}, too")


def _bad_rooms(path: str, one: TypeDraft, known: set[str]) -> Iterator[Violation]:
    numbers: set[str] = set()
    for position, (room_id, number) in enumerate(one.rooms):
        if room_id in known:
            yield Violation(f"{path}.rooms[{position}].room_id", "is there twice")
        if number in numbers:
            yield Violation(f"{path}.rooms[{position}].room_number", "is there twice")
        known.add(room_id)
        numbers.add(number)


def _bad_rules(path: str, rules: Sequence[PriceRule], currency_code: str) -> Iterator[Violation]:
    for position, rule in enumerate(rules):
        where = f"{path}[{position}]"
        if rule.last < rule.first:
            yield Violation(f"{where}.last_night_date", "is before the first night")
        if rule.price is not None:
            yield from _bad_amount(f"{where}.price", rule.price, currency_code)


def _bad_amount(
    path: str, amount: Decimal, currency_code: str, *, least: Decimal = ZERO
) -> Iterator[Violation]:
    if amount < least:
        yield Violation(path, "would make a night cost less than nothing" if least else NEGATIVE)
    elif amount > MOST:
        yield Violation(path, f"is more than {MOST:,}")
    elif not Money(amount, currency_code).is_payable():
        yield Violation(path, "cannot be paid in coins of its currency")


def _bad_details(
    path: str, one: TypeDraft, house: House, currency_code: str
) -> Iterator[Violation]:
    details = one.details
    if (details.max_adult_count or 0) > one.max_guest_count:
        yield Violation(f"{path}.max_adult_count", "is more than max_guest_count; raise that one")
    yield from _bad_languages(f"{path}.descriptions", details.descriptions)
    yield from _bad_photos(f"{path}.photos", details.photos)
    plans = [f"{path}.plan_prices[{number}]" for number in range(len(details.plan_prices))]
    for where, (plan, rules) in zip(plans, details.plan_prices.items(), strict=True):
        if house.plan(plan) is None:
            yield Violation(f"{where}.rate_plan_id", "is none of the hotel's rate plans")
        yield from _bad_rules(f"{where}.nightly_prices", rules, currency_code)
    every = [one.rules, *details.plan_prices.values()]
    prices = [rule.price for rules in every for rule in rules if rule.price is not None]
    # No number of guests makes a night cost less than nothing.
    least = -min(prices, default=ZERO)
    for number, supplement in enumerate(details.adult_supplements.values()):
        where = f"{path}.adult_supplements[{number}].supplement"
        yield from _bad_amount(where, supplement, currency_code, least=min(least, ZERO))
    yield from _bad_amount(f"{path}.child_supplement", details.child_supplement, currency_code)


def _bad_photos(path: str, photos: Sequence[Photo]) -> Iterator[Violation]:
    for number, one in enumerate(photos):
        if not LINK.fullmatch(one.url):
            said = "is no https:// link, which guests are sent; name one without a user"
            yield Violation(f"{path}[{number}].url", said)
        yield from _bad_languages(f"{path}[{number}].captions", one.captions)


def _bad_languages(path: str, texts: Mapping[str, str]) -> Iterator[Violation]:
    for code in texts:
        if not LANGUAGE.fullmatch(code):
            yield Violation(f'{path}["{code}"]', "is no language code such as es or pt-BR")


def _bad_house(house: House, types: Collection[str], currency_code: str) -> Iterator[Violation]:
    yield from _twice("inventory.levies", "levy_id", [one.levy_id for one in house.levies])
    for number, levy in enumerate(house.levies):
        where = f"inventory.levies[{number}]"
        yield from _bad_languages(f"{where}.display_names", levy.display_names)
        if levy.amount is not None:
            yield from _bad_amount(f"{where}.amount", levy.amount, currency_code)
        elif levy.basis is Basis.PERSON_NIGHT:
            yield Violation(f"{where}.percent", "is of no person; name an amount, or another basis")
    plans = [one.rate_plan_id for one in house.rate_plans]
    yield from _twice("inventory.rate_plans", "rate_plan_id", plans)
    for number, plan in enumerate(house.rate_plans):
        where = f"inventory.rate_plans[{number}]"
        yield from _bad_languages(f"{where}.display_names", plan.display_names)
        yield from _bad_terms(f"{where}.terms", plan.terms, currency_code)
    for number, restriction in enumerate(house.restrictions):
        where = f"inventory.restrictions[{number}]"
        if restriction.last < restriction.first:
            yield Violation(f"{where}.last_night_date", "is before the first night")
        yield from _bad_limits(where, restriction)
        if not restriction.room_type_ids.issubset(types):
            yield Violation(f"{where}.room_type_ids", "names a room type that there is not")
        if not restriction.rate_plan_ids.issubset({STANDARD, *plans}):
            yield Violation(f"{where}.rate_plan_ids", "names a rate plan that there is not")


def _bad_limits(path: str, one: Restriction) -> Iterator[Violation]:
    """A restriction restricts something, and leaves a length that can be booked."""
    least = max(one.min_nights_on_arrival, one.min_nights_through)
    closed = one.closed or one.closed_to_arrival or one.closed_to_departure
    if not (least or one.max_nights or one.min_notice_days or closed):
        said = "restricts nothing; name a number of nights, a notice or what is closed"
        yield Violation(path, said)
    if one.max_nights and least > one.max_nights:
        said = f"is less than the {least} nights that a stay has at least; close the days instead"
        yield Violation(f"{path}.max_nights", said)


def _bad_terms(path: str, terms: Terms | None, currency_code: str) -> Iterator[Violation]:
    if terms is None:
        return
    hours = [one.hours_before for one in terms.cancellation]
    yield from _twice(f"{path}.cancellation_steps", "before_arrival", hours)
    until = [one.until for one in terms.late_checkout]
    yield from _twice(f"{path}.late_checkout_steps", "until_time", until)
    if terms.deposit.value and not terms.deposit_hours:
        said = "is nothing, and every booking would lapse at once; name an hour at least"
        yield Violation(f"{path}.deposit_period", said)
    for name, amount in _fixed(terms):
        yield from _bad_amount(f"{path}.{name}.amount", amount, currency_code)


def _fixed(terms: Terms) -> Iterator[tuple[str, Decimal]]:
    """The charges that are amounts of money, by the names of their fields."""
    steps = [
        (f"cancellation_steps[{n}].penalty", s.penalty) for n, s in enumerate(terms.cancellation)
    ]
    fees = [(f"late_checkout_steps[{n}].fee", s.fee) for n, s in enumerate(terms.late_checkout)]
    ends = [("no_show_penalty", terms.no_show), ("deposit", terms.deposit)]
    for name, charge in (*steps, *fees, *ends):
        if charge.kind is ChargeKind.FIXED:
            yield name, charge.value


def _twice(path: str, name: str, ids: Sequence[object]) -> Iterator[Violation]:
    for number, one in enumerate(ids):
        if one in ids[:number]:
            yield Violation(f"{path}[{number}].{name}", "is there twice")
