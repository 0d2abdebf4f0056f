"""Amounts and nights are exact in both directions."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import pairwise

import pytest
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money as MoneyMessage
from hypothesis import example, given
from hypothesis import strategies as st

from meshkit import dates, money
from meshkit.errors import InvalidArgument
from meshkit.money import Money

amounts = st.integers(-(10**18), 10**18).map(lambda nanos: Decimal(nanos).scaleb(-9))


@given(amounts)
def test_an_amount_survives_the_wire(amount: Decimal) -> None:
    sent = Money(amount, "EUR")
    assert money.from_proto(money.to_proto(sent)) == sent


@pytest.mark.parametrize(
    ("amount", "currency", "told"),
    [
        ("0", "EUR", "0.00"),
        ("192", "MXN", "192.00"),
        ("99.5", "EUR", "99.50"),
        ("99.123456789", "EUR", "99.123456789"),
        ("-0.005", "EUR", "-0.005"),
        ("1200", "JPY", "1200"),
        ("1.5", "KWD", "1.500"),
    ],
)
def test_an_amount_from_the_wire_has_the_decimals_of_its_coins(
    amount: str, currency: str, told: str
) -> None:
    sent = Money(Decimal(amount), currency)
    assert str(money.from_proto(money.to_proto(sent)).amount) == told
    assert str(money.in_coins(Decimal(amount).quantize(Decimal("1e-9")), currency)) == told


@given(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(0, 999_999_999))
def test_every_message_that_agrees_with_itself_survives(units: int, nanos: int) -> None:
    message = MoneyMessage(currency_code="MXN", units=units, nanos=-nanos if units < 0 else nanos)
    assert money.to_proto(money.from_proto(message)) == message


@pytest.mark.parametrize(
    ("units", "nanos"), [(1, -1), (-1, 1), (0, 1_000_000_000), (0, -1_000_000_000)]
)
def test_a_message_that_contradicts_itself_is_refused(units: int, nanos: int) -> None:
    message = MoneyMessage(currency_code="EUR", units=units, nanos=nanos)
    with pytest.raises(InvalidArgument) as caught:
        money.from_proto(message, "total")
    assert caught.value.violations[0].field == "total"


@pytest.mark.parametrize("code", ["", "eur", "EURO", "E1R", "ÑAR"])
def test_a_currency_is_three_capitals(code: str) -> None:
    with pytest.raises(InvalidArgument):
        money.from_proto(MoneyMessage(currency_code=code, units=1))


@pytest.mark.parametrize("amount", ["1e-10", "9223372036854775808", "-9223372036854775809"])
def test_what_does_not_fit_is_an_error_and_never_rounded(amount: str) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        money.to_proto(Money(Decimal(amount), "EUR"))


@pytest.mark.parametrize("amount", ["NaN", "Infinity"])
def test_an_amount_is_a_number(amount: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        Money(Decimal(amount), "EUR")


def test_sums_are_of_one_currency() -> None:
    assert Money(Decimal("0.10"), "EUR") + Money(Decimal("0.20"), "EUR") == Money(
        Decimal("0.30"), "EUR"
    )
    with pytest.raises(ValueError, match="cannot add"):
        Money(Decimal(1), "EUR") + Money(Decimal(1), "MXN")


@pytest.mark.parametrize(
    ("amount", "currency", "payable"),
    [
        ("1.25", "EUR", True),
        ("1.255", "EUR", False),
        ("100", "JPY", True),
        ("0.5", "JPY", False),
        ("0.125", "KWD", True),
    ],
)
def test_what_can_be_paid_depends_on_the_coins(amount: str, currency: str, payable: bool) -> None:
    assert Money(Decimal(amount), currency).is_payable() is payable


COUNTABLE = range(10, 9996)
"""Years from which some years can be counted."""


@given(st.dates(dt.date(10, 1, 1), dt.date(9995, 12, 31)))
def test_a_day_survives_the_wire(day: dt.date) -> None:
    assert dates.to_date(dates.from_date(day), field="day") == day


@example(1, 1, 1)
@example(9, 12, 31)
@example(9996, 1, 1)
@example(9999, 12, 31)
@given(st.integers(-5, 10_000), st.integers(-5, 15), st.integers(-5, 40))
def test_a_day_that_does_not_exist_is_named_by_its_field(year: int, month: int, day: int) -> None:
    message = Date(year=year, month=month, day=day)
    try:
        expected: dt.date | None = dt.date(year, month, day)
    except ValueError:
        expected = None
    if expected is not None and expected.year in COUNTABLE:
        assert dates.to_date(message, field="check_in_date") == expected
        return
    with pytest.raises(InvalidArgument) as caught:
        dates.to_date(message, field="check_in_date")
    assert caught.value.violations[0].field == "check_in_date"


@given(st.dates(max_value=dt.date(9000, 1, 1)), st.integers(-3, 90))
def test_the_nights_are_those_slept_in_the_hotel(check_in: dt.date, length: int) -> None:
    try:
        check_out = check_in + dt.timedelta(days=length)
    except OverflowError:
        return
    found = dates.nights(check_in, check_out)
    assert len(found) == max(length, 0)
    assert check_out not in found
    assert all(later - earlier == dt.timedelta(days=1) for earlier, later in pairwise(found))
    assert not found or found[0] == check_in
