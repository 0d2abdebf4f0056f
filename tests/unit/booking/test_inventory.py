"""Prices as rules: what is written is what is sold, and what is sold can be written."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.booking.inventory.rates import EVERY_DAY, PriceRule, rules, spread

MONDAY = dt.date(2026, 12, 7)
PRICES = st.sampled_from([None, Decimal("80"), Decimal("95.50")])


def after(days: int) -> dt.date:
    """So many days after a Monday."""
    return MONDAY + dt.timedelta(days=days)


def test_of_several_prices_the_last_one_counts() -> None:
    low, high = Decimal(80), Decimal(95)
    found = spread(
        [
            PriceRule(after(-9), after(99), EVERY_DAY, low),
            PriceRule(MONDAY, after(6), frozenset({5, 6}), high),
            PriceRule(after(2), after(2), EVERY_DAY, None),
        ],
        MONDAY,
        after(7),
    )
    week = [found.get(after(day)) for day in range(8)]
    assert week == [low, low, None, low, high, high, low, low]


def test_a_year_of_weekdays_and_weekends_takes_two_rules() -> None:
    written = [
        PriceRule(MONDAY, after(364), frozenset({1, 2, 3, 4, 7}), Decimal(80)),
        PriceRule(MONDAY, after(364), frozenset({5, 6}), Decimal(95)),
    ]
    assert rules(spread(written, MONDAY, after(364)), MONDAY, after(364)) == written


@given(st.lists(PRICES, min_size=1, max_size=60))
def test_rules_say_exactly_what_the_nights_cost(nightly: list[Decimal | None]) -> None:
    prices = {after(day): price for day, price in enumerate(nightly) if price is not None}
    last = after(len(nightly) - 1)
    assert spread(rules(prices, MONDAY, last), MONDAY, last) == prices
