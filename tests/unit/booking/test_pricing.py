"""What a stay costs, to the coin, and which stays are not sold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.money import Money, minor_digits, to_proto
from services.booking.domain import MOST_QUOTES, Guests, Quote, Stay
from services.booking.inventory.catalogue import (
    Basis,
    House,
    Levy,
    RatePlan,
    Restriction,
    TypeDetails,
)
from services.booking.inventory.domain import Inventory, SoldType
from services.booking.inventory.draft import MOST
from services.booking.inventory.policy import charges, policy
from services.booking.inventory.pricing import Agreed, Rate, quotes_kept
from services.booking.inventory.rates import EVERY_DAY, NightlyPrices, PriceRule
from services.booking.reservations.terms import CancellationStep, Charge, ChargeKind, Terms

MONDAY = dt.date(2026, 12, 7)
NIGHTS = 40
TWO = Guests(2, 0)


def after(days: int) -> dt.date:
    """So many days after a Monday."""
    return MONDAY + dt.timedelta(days=days)


def stay(first: int = 0, count: int = 2) -> Stay:
    """The stay that begins `first` days after the Monday."""
    return Stay(after(first), after(first + count))


def hotel(
    *levies: Levy,
    price: str = "100",
    currency: str = "EUR",
    prices: Mapping[dt.date, Decimal] | None = None,
    restrictions: tuple[Restriction, ...] = (),
    details: TypeDetails | None = None,
) -> Inventory:
    """A hotel that sells doubles, at one price unless told otherwise."""
    nightly = prices or {after(day): Decimal(price) for day in range(NIGHTS)}
    double = SoldType(
        "double", {"en": "Double"}, 4, {}, NightlyPrices(nightly), details or TypeDetails()
    )
    plans = tuple(RatePlan(one, {"en": one}) for one in double.details.plan_prices)
    house = House(levies, plans, restrictions)
    return Inventory("Europe/Madrid", currency, after(NIGHTS - 1), {"double": double}, house)


def rate(inventory: Inventory, plan: str = "") -> Rate:
    """The double of the hotel."""
    return Rate(inventory, inventory.room_types["double"], plan)


def levy(basis: Basis, *, included: bool = False, **size: Any) -> Levy:
    """A tax or a fee."""
    name = str(size.pop("name", "tax"))
    return Levy(name, {"en": name}, basis, included, **size)


def amounts(quote: Quote) -> list[str]:
    """The lines of taxes and fees."""
    return [str(one.amount) for one in quote.lines]


@pytest.mark.parametrize(
    ("currency", "price", "by_night", "by_stay"),
    [
        ("EUR", "99.95", "30.00", "29.99"),  # 9.995 → 10.00 each night; 29.985 → 29.99 once.
        ("JPY", "9995", "3000", "2999"),  # No sen: 999.5 → 1000; 2998.5 → 2999.
        ("KWD", "9.9995", "3.000", "3.000"),  # Three decimals: 0.99995 → 1.000; 2.99985 → 3.000.
    ],
)
def test_every_line_is_rounded_once_half_up_to_the_smallest_coin(
    currency: str, price: str, by_night: str, by_stay: str
) -> None:
    percent = Decimal(10)
    levies = [levy(one, percent=percent) for one in (Basis.NIGHT, Basis.STAY)]
    found = rate(hotel(*levies, price=price, currency=currency)).quote(stay(count=3), TWO)
    assert amounts(found) == [by_night, by_stay]


def test_included_percentages_are_what_is_in_the_price() -> None:
    levies = [
        levy(Basis.STAY, included=True, percent=Decimal(10)),
        levy(Basis.STAY, included=True, percent=Decimal(5)),
        levy(Basis.STAY, percent=Decimal(5)),
    ]
    found = rate(hotel(*levies, price="115")).quote(stay(count=1), TWO)
    assert amounts(found) == ["10.00", "5.00", "5.75"]
    assert found.total_price == Decimal("120.75")


def test_fixed_ones_are_counted_by_night_by_stay_and_by_person_and_night() -> None:
    levies = [
        levy(Basis.NIGHT, amount=Decimal(2)),
        levy(Basis.STAY, amount=Decimal("30.50")),
        levy(Basis.PERSON_NIGHT, amount=Decimal("1.10")),
        levy(Basis.PERSON_NIGHT, amount=Decimal("1.10"), adults_only=True),
    ]
    found = rate(hotel(*levies)).quote(stay(count=3), Guests(2, 1))
    assert amounts(found) == ["6", "30.50", "9.90", "6.60"]
    assert found.total_price == Decimal("353.00")


def test_guests_in_the_room_change_the_price_of_a_night() -> None:
    details = TypeDetails(
        adult_supplements={1: Decimal(-20), 3: Decimal(25)}, child_supplement=Decimal("7.50")
    )
    sold = rate(hotel(details=details))
    nightly = [
        sold.quote(stay(count=1), guests).nightly_prices[0]
        for guests in (Guests(1, 0), TWO, Guests(3, 0), Guests(2, 2))
    ]
    assert nightly == [Decimal(80), Decimal(100), Decimal(125), Decimal(115)]


@pytest.mark.parametrize("zone_change", [dt.date(2026, 3, 28), dt.date(2026, 10, 24)])
def test_a_stay_over_a_change_of_the_clocks_has_its_nights(zone_change: dt.date) -> None:
    days = [zone_change + dt.timedelta(days=day) for day in range(3)]
    sold = hotel(levy(Basis.NIGHT, amount=Decimal(1)), prices=dict.fromkeys(days, Decimal(10)))
    sold = replace(sold, last_night=days[-1])
    over = Stay(days[0], days[2])
    found = rate(sold).quote(over, TWO)
    assert (over.night_count, found.nightly_prices) == (2, (Decimal(10), Decimal(10)))
    assert found.total_price == 22


def test_another_plan_has_its_own_prices_and_is_shut_where_the_type_is() -> None:
    rules = (
        PriceRule(after(0), after(20), EVERY_DAY, Decimal(80)),
        PriceRule(after(0), after(20), frozenset({5, 6}), Decimal(95)),
    )
    prices = {after(day): Decimal(100) for day in range(NIGHTS) if day != 3}
    sold = hotel(prices=prices, details=TypeDetails(plan_prices={"saver": rules}))
    saver = rate(sold, "saver")
    found = saver.quote(stay(4, 2), TWO)
    assert (found.nightly_prices, found.rate_plan_id) == ((Decimal(95), Decimal(95)), "saver")
    for closed in (stay(2, 2), stay(20, 2)):
        refused = saver.why_not(closed, TWO)
        assert refused is not None
        assert refused.reason == "CLOSED"


ALWAYS = (after(0), after(NIGHTS - 1))


@pytest.mark.parametrize(
    ("restriction", "refused", "taken"),
    [
        # On arrival: it asks only those who arrive then.
        (
            Restriction(after(4), after(5), min_nights_on_arrival=3),
            [("MINIMUM_STAY", stay(4, 2)), ("MINIMUM_STAY", stay(5, 1))],
            [stay(4, 3), stay(3, 2), stay(6, 1)],
        ),
        # Through: it asks all who are there on such a night.
        (
            Restriction(after(5), after(5), min_nights_through=3),
            [("MINIMUM_STAY", stay(5, 2)), ("MINIMUM_STAY", stay(4, 2))],
            [stay(4, 3), stay(6, 1), stay(3, 2)],
        ),
        (
            Restriction(*ALWAYS, frozenset({1}), max_nights=4),
            [("MAXIMUM_STAY", stay(0, 5))],
            [stay(0, 4), stay(1, 9)],
        ),
        (
            Restriction(after(5), after(5), closed=True),
            [("CLOSED", stay(5, 1)), ("CLOSED", stay(3, 4))],
            [stay(3, 2), stay(6, 2)],
        ),
        # Whoever stays over neither arrives nor departs.
        (
            Restriction(after(5), after(5), closed_to_arrival=True),
            [("CLOSED_TO_ARRIVAL", stay(5, 1))],
            [stay(4, 3), stay(3, 2)],
        ),
        # The day of departure is not a night.
        (
            Restriction(after(5), after(5), closed_to_departure=True),
            [("CLOSED_TO_DEPARTURE", stay(3, 2))],
            [stay(4, 3), stay(5, 1)],
        ),
        (
            Restriction(*ALWAYS, room_type_ids=frozenset({"suite"}), closed=True),
            [],
            [stay(0, 9)],
        ),
        (
            Restriction(*ALWAYS, rate_plan_ids=frozenset({"saver"}), closed=True),
            [],
            [stay(0, 9)],
        ),
    ],
)
def test_restrictions_refuse_what_they_name_and_nothing_else(
    restriction: Restriction, refused: list[tuple[str, Stay]], taken: list[Stay]
) -> None:
    sold = rate(hotel(restrictions=(restriction,)))
    for reason, wanted in refused:
        found = sold.why_not(wanted, TWO)
        assert found is not None
        assert found.reason == reason
    assert [sold.why_not(wanted, TWO) for wanted in taken] == [None] * len(taken)


def test_of_several_restrictions_the_strictest_counts_and_says_what_would_do() -> None:
    sold = rate(
        hotel(
            restrictions=(
                Restriction(*ALWAYS, min_nights_on_arrival=2, min_notice_days=1),
                Restriction(after(5), after(9), min_nights_through=4, min_notice_days=3),
            )
        )
    )
    found = sold.why_not(stay(4, 3), TWO)
    assert found is not None
    assert found.facts == {"nights": 4}
    assert sold.why_not(stay(4, 4), TWO) is None
    assert [sold.notice_days(after(day)) for day in (4, 5, 99)] == [1, 3, 0]


def test_guests_and_the_horizon() -> None:
    sold = rate(hotel(details=TypeDetails(max_adult_count=2, max_child_count=1)))
    for guests in (Guests(3, 0), Guests(2, 2), Guests(1, 2)):
        found = sold.why_not(stay(), guests)
        assert found is not None
        assert found.reason == "TOO_MANY_GUESTS"
    assert sold.why_not(stay(NIGHTS - 2), Guests(2, 1)) is None
    found = sold.why_not(stay(NIGHTS - 1), TWO)
    assert found is not None
    assert (found.reason, found.facts) == ("BEYOND_HORIZON", {"last_night": after(NIGHTS - 1)})


def test_nights_that_were_agreed_keep_their_price_and_are_not_restricted() -> None:
    sold = rate(hotel(restrictions=(Restriction(after(0), after(1), closed=True),)))
    agreed = Agreed(stay(0, 2), TWO, {after(0): Decimal(60), after(1): Decimal(70)})
    assert sold.why_not(stay(0, 3), TWO, agreed) is None
    assert list(sold.quote(stay(0, 3), TWO, agreed).nightly_prices) == [60, 70, 100]
    found = sold.why_not(stay(0, 3), TWO, Agreed(stay(0, 1), TWO, {after(0): Decimal(60)}))
    assert found is not None


@pytest.mark.parametrize(
    ("limits", "reason", "free", "bound"),
    [
        ({"min_nights_on_arrival": 3}, "MINIMUM_STAY", [(4, 3), (4, 4)], [(4, 2), (5, 2)]),
        ({"min_nights_through": 3}, "MINIMUM_STAY", [(4, 3), (3, 4)], [(4, 2), (5, 1)]),
        ({"max_nights": 3}, "MAXIMUM_STAY", [(4, 3), (4, 2)], [(4, 4), (5, 4)]),
        ({"closed_to_arrival": True}, "CLOSED_TO_ARRIVAL", [(4, 3), (4, 2)], [(5, 2), (6, 1)]),
        ({"closed_to_departure": True}, "CLOSED_TO_DEPARTURE", [(4, 3), (5, 2)], [(4, 2), (4, 1)]),
    ],
)
def test_only_the_dates_that_were_agreed_are_not_asked_again(
    limits: dict[str, Any], reason: str, free: list[tuple[int, int]], bound: list[tuple[int, int]]
) -> None:
    """Three nights from Friday on were sold; a part of them was not, nor more."""
    sold = rate(hotel(restrictions=(Restriction(*ALWAYS, **limits),)))
    agreed = Agreed(stay(4, 3), TWO, dict.fromkeys(map(after, (4, 5, 6)), Decimal(60)))
    for first, count in free:
        assert sold.why_not(stay(first, count), TWO, agreed) is None
    for first, count in bound:
        found = sold.why_not(stay(first, count), TWO, agreed)
        assert found is not None
        assert found.reason == reason


def test_guests_who_were_agreed_are_never_too_many_for_the_room() -> None:
    """The hotel may have found since that it is smaller."""
    sold = rate(hotel(details=TypeDetails(max_adult_count=1)))
    agreed = Agreed(stay(0, 2), TWO, {after(0): Decimal(60), after(1): Decimal(70)})
    assert sold.why_not(stay(0, 3), TWO, agreed) is None
    assert sold.why_not(stay(0, 3), Guests(3, 0), agreed) is not None


def test_other_guests_keep_the_stay_and_pay_what_they_cost() -> None:
    never = Restriction(*ALWAYS, closed=True, closed_to_arrival=True, min_nights_through=9)
    sold = rate(hotel(restrictions=(never,)))
    agreed = Agreed(stay(), TWO, {})
    assert sold.why_not(stay(), Guests(1, 0), agreed) is None
    assert list(sold.quote(stay(), Guests(1, 0), agreed).nightly_prices) == [100, 100]


def test_terms_are_told_in_money_and_dates() -> None:
    """The clocks change on 25 October: 48 hours before 15:00 of the 26th is 15:00 of the 24th,
    counted in hours that pass, so 16:00 of the summer's clocks."""
    terms = Terms(
        cancellation=(
            CancellationStep(24, Charge(ChargeKind.PERCENT, Decimal(100))),
            CancellationStep(48, Charge(ChargeKind.NIGHTS, Decimal(1))),
        ),
        deposit=Charge(ChargeKind.PERCENT, Decimal(30)),
        deposit_hours=24,
    )
    booked = Stay(dt.date(2026, 10, 26), dt.date(2026, 10, 28))
    quote = Quote((Decimal("99.95"), Decimal(100)), "EUR")
    now = dt.datetime(2026, 10, 20, 12, tzinfo=dt.UTC)
    told = policy(terms, charges(terms, quote), booked, "Europe/Madrid", now)
    assert (told.deposit, told.deposit_due) == (Decimal("59.99"), now + dt.timedelta(days=1))
    assert [(one.start, one.penalty) for one in told.cancellation] == [
        (dt.datetime(2026, 10, 24, 14, tzinfo=dt.UTC), Decimal("99.95")),
        (dt.datetime(2026, 10, 25, 14, tzinfo=dt.UTC), Decimal("199.95")),
    ]
    late = dt.datetime(2026, 10, 25, 20, tzinfo=dt.UTC)
    told = policy(terms, charges(terms, quote), booked, "Europe/Madrid", late)
    assert told.deposit_due == dt.datetime(2026, 10, 26, 14, tzinfo=dt.UTC)
    assert [(one.start, one.penalty) for one in told.cancellation] == [(late, Decimal("199.95"))]


def test_equal_quotes_are_kept_once_and_no_more_of_them_than_is_allowed() -> None:
    sold = rate(hotel())
    assert sold.quote(stay(0), TWO) is sold.quote(stay(7), TWO)
    assert sold.quote(stay(0), TWO) is rate(hotel()).quote(stay(0), TWO)
    for price in range(MOST_QUOTES + 1):
        fixed = Agreed(stay(0, 1), TWO, {after(0): Decimal(price)})
        assert sold.quote(stay(0, 1), TWO, fixed).total_price == price
    assert quotes_kept() == MOST_QUOTES


def test_what_is_charged_for_guests_is_theirs_alone() -> None:
    """Quotes at the same nightly prices differ by who sleeps there."""
    sold = rate(hotel(levy(Basis.PERSON_NIGHT, amount=Decimal(2), adults_only=True)))
    asked = [Guests(2, 0), Guests(1, 1), Guests(2, 1), Guests(1, 0)]
    assert [amounts(sold.quote(stay(), one)) for one in asked] == [["8"], ["4"], ["8"], ["4"]]


def test_the_dearest_stay_of_the_largest_hotel_can_be_told() -> None:
    """Every amount is as large as an import accepts, and added up for 20 rooms."""
    whole = [levy(Basis.NIGHT, percent=Decimal(100)) for _ in range(50)]
    persons = [levy(Basis.PERSON_NIGHT, amount=MOST) for _ in range(50)]
    details = TypeDetails(adult_supplements={1: MOST}, child_supplement=MOST)
    days = dict.fromkeys(map(after, range(90)), MOST)
    for levies in (whole, persons):
        sold = hotel(*levies, prices=days, details=details)
        found = rate(sold).quote(stay(count=90), Guests(1, 39))
        to_proto(Money(found.total_price * 20, "EUR"))


CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD"])
PERCENTS = st.decimals(0, 40, places=2)


@st.composite
def levies(draw: st.DrawFn, currency: str) -> Levy:
    """Any tax or fee that an import accepts."""
    basis = draw(st.sampled_from(Basis))
    included = draw(st.booleans())
    digits = minor_digits(currency)
    if basis is not Basis.PERSON_NIGHT and draw(st.booleans()):
        return levy(basis, included=included, percent=draw(PERCENTS))
    return levy(basis, included=included, amount=draw(st.decimals(0, 50, places=digits)))


@st.composite
def hotels(draw: st.DrawFn) -> Inventory:
    """Any prices, taxes and supplements."""
    currency = draw(CURRENCIES)
    coins = st.decimals(60, 900, places=minor_digits(currency))
    nightly = draw(st.lists(coins, min_size=8, max_size=8))
    prices = {after(day): price for day, price in enumerate(nightly)}
    more = draw(st.decimals(-50, 50, places=minor_digits(currency)))
    details = TypeDetails(adult_supplements={2: more})
    every = draw(st.lists(levies(currency), max_size=4))
    return hotel(*every, prices=prices, currency=currency, details=details)


@given(hotels(), st.integers(1, 7), st.integers(1, 3), st.integers(0, 1))
def test_any_quote_adds_up_and_can_be_paid(
    inventory: Inventory, count: int, adults: int, children: int
) -> None:
    guests = Guests(adults, children)
    found = rate(inventory).quote(stay(count=count), guests)
    assert len(found.nightly_prices) == count
    added = [one.amount for one in found.lines if not one.included]
    assert found.total_price == sum(found.nightly_prices) + sum(added)
    parts = [*found.nightly_prices, *(one.amount for one in found.lines), found.total_price]
    assert all(one >= 0 and Money(one, inventory.currency_code).is_payable() for one in parts)


@given(hotels(), st.integers(1, 7))
def test_included_taxes_never_change_the_total(inventory: Inventory, count: int) -> None:
    added = tuple(one for one in inventory.house.levies if not one.included)
    without = replace(inventory, house=replace(inventory.house, levies=added))
    with_them = rate(inventory).quote(stay(count=count), TWO)
    assert with_them.total_price == rate(without).quote(stay(count=count), TWO).total_price


@given(hotels(), st.integers(1, 7))
def test_a_night_more_never_costs_less(inventory: Inventory, count: int) -> None:
    sold = rate(inventory)
    shorter = sold.quote(stay(count=count), TWO)
    longer = sold.quote(stay(count=count + 1), TWO)
    assert longer.total_price >= shorter.total_price
    assert longer.nightly_prices[:count] == shorter.nightly_prices


@given(hotels(), st.integers(1, 7))
def test_what_is_in_a_price_and_what_is_beside_it_are_the_price(
    inventory: Inventory, count: int
) -> None:
    """Included percentages of the net price are the lines, up to half a coin a rounding."""
    percents = [one for one in inventory.house.levies if one.included and one.percent is not None]
    found = rate(inventory).quote(stay(count=count), TWO)
    gross = sum(found.nightly_prices, Decimal())
    whole = 100 + sum((one.percent or Decimal() for one in percents), Decimal())
    net = gross * 100 / whole
    coin = Decimal(1).scaleb(-minor_digits(inventory.currency_code))
    for rule, line in zip(inventory.house.levies, found.lines, strict=True):
        if rule.included and rule.percent is not None:
            assert abs(line.amount - net * rule.percent / 100) <= coin / 2 * count


@given(st.dictionaries(st.integers(0, 60), st.decimals(0, 99, places=2), max_size=30))
def test_prices_are_kept_small_and_exact(by_day: dict[int, Decimal]) -> None:
    prices = {after(day): price for day, price in by_day.items()}
    kept = NightlyPrices(prices)
    assert kept == prices
    assert [kept.get(after(day)) for day in range(-3, 64)] == [
        prices.get(after(day)) for day in range(-3, 64)
    ]
