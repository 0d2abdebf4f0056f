"""What all messages of an inventory are made of: texts, amounts, prices by date and weekday."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from conserje.booking.v1.inventory_pb2 import NightlyPrice
from google.type.money_pb2 import Money as MoneyMessage

from meshkit.dates import from_date, to_date
from meshkit.errors import InvalidArgument
from meshkit.money import Money, from_proto, to_proto
from services.booking.inventory.rates import EVERY_DAY, PriceRule


def to_amount(message: MoneyMessage, field: str, currency_code: str) -> Decimal:
    """An amount in the currency of the hotel."""
    price = from_proto(message, field)
    if price.currency != currency_code:
        raise InvalidArgument.field(field, f"is not in {currency_code}")
    return price.amount


def from_amount(
    amount: Decimal, currency_code: str, into: MoneyMessage | None = None
) -> MoneyMessage:
    """An amount with its currency."""
    return to_proto(Money(amount, currency_code), into)


def to_rules(
    messages: Iterable[NightlyPrice], path: str, currency_code: str
) -> tuple[PriceRule, ...]:
    """Prices by date and weekday, in the order in which they count."""
    return tuple(
        _to_rule(one, f"{path}[{number}]", currency_code) for number, one in enumerate(messages)
    )


def _to_rule(message: NightlyPrice, path: str, currency_code: str) -> PriceRule:
    given = message.HasField("price")
    return PriceRule(
        first=to_date(message.first_night_date, f"{path}.first_night_date"),
        last=to_date(message.last_night_date, f"{path}.last_night_date"),
        weekdays=frozenset(message.weekdays) or EVERY_DAY,
        price=to_amount(message.price, f"{path}.price", currency_code) if given else None,
    )


def from_rules(found: Iterable[PriceRule], currency_code: str) -> list[NightlyPrice]:
    """Prices by date and weekday."""
    return [_from_rule(one, currency_code) for one in found]


def _from_rule(rule: PriceRule, currency_code: str) -> NightlyPrice:
    message = NightlyPrice(
        first_night_date=from_date(rule.first),
        last_night_date=from_date(rule.last),
        weekdays=from_weekdays(rule.weekdays),
    )
    if rule.price is not None:
        from_amount(rule.price, currency_code, message.price)
    return message


def from_weekdays(weekdays: frozenset[int]) -> list[int]:
    """The days of the week; none when they are all."""
    return [] if weekdays == EVERY_DAY else sorted(weekdays)
