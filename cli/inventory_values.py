"""Fields, days, amounts and prices in the file of an inventory; what is wrong names its place."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from conserje.booking.v1.inventory_pb2 import NightlyPrice
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money as MoneyMessage

from cli.places import UsageError
from cli.times import from_day
from meshkit.dates import from_date
from meshkit.money import Money, from_proto, to_proto

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def to_fields(value: object, path: str, *known: str) -> Mapping[str, Any]:
    """A mapping that has no other names than the known ones."""
    if not isinstance(value, dict):
        raise UsageError(f"{path}: must have fields with their values, of {', '.join(known)}.")
    unknown = [str(name) for name in value if name not in known]
    if unknown:
        raise UsageError(f"{path}: {unknown[0]} is none of {', '.join(known)}.")
    return value


def to_items(fields: Mapping[str, Any], name: str, path: str) -> list[Any]:
    """A list; none is an empty one."""
    found = fields.get(name, [])
    if not isinstance(found, list):
        raise UsageError(f"{path}: {name} must be a list.")
    return found


def to_texts(fields: Mapping[str, Any], name: str, path: str) -> dict[str, str]:
    """A mapping of texts; none is an empty one."""
    found = fields.get(name, {})
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise UsageError(f"{path}.{name}: must be a mapping of texts.")
    return found


def to_number(fields: Mapping[str, Any], name: str, path: str) -> int:
    """A whole number from 0 to 9999; none is 0."""
    written = str(fields.get(name, "0"))
    if not (written.isascii() and written.isdigit() and len(written) < 5):
        raise UsageError(f"{path}.{name}: {written!r} is no number.")
    return int(written)


def to_flag(fields: Mapping[str, Any], name: str, path: str) -> bool:
    """Yes or no; none is no."""
    written = fields.get(name, "false")
    if written not in {"true", "false"}:
        raise UsageError(f"{path}.{name}: {written!r} is neither true nor false.")
    return bool(written == "true")


def to_day(value: object, path: str) -> Date:
    """A day as ISO 8601 writes it."""
    try:
        return from_date(dt.date.fromisoformat(str(value)))
    except ValueError:
        raise UsageError(f"{path}: {value!r} is no day such as 2027-03-31.") from None


def to_currency(value: object) -> str:
    """A currency; what is none would make every amount look wrong."""
    try:
        return Money(Decimal(), str(value)).currency
    except ValueError:
        raise UsageError(f"currency_code: {value!r} is no currency such as EUR.") from None


def to_amount(value: object, path: str, currency: str) -> MoneyMessage:
    """An amount; exact, because no scalar of the file was ever a float."""
    try:
        return to_proto(Money(Decimal(str(value)), currency))
    except (InvalidOperation, ValueError):
        raise UsageError(f"{path}: {value!r} is no price.") from None


def from_amount(price: MoneyMessage) -> Decimal:
    """An amount, with cents at least."""
    amount = from_proto(price).amount
    cents = amount.quantize(Decimal("0.01"))
    return cents if cents == amount else amount.normalize()


def to_weekdays(fields: Mapping[str, Any], path: str) -> list[int]:
    """Days of the week, 1 for Monday."""
    days = to_items(fields, "weekdays", path)
    unknown = [day for day in days if day not in WEEKDAYS]
    if unknown:
        raise UsageError(f"{path}.weekdays: {unknown[0]!r} is none of {', '.join(WEEKDAYS)}.")
    return [WEEKDAYS.index(day) + 1 for day in days]


def from_span(first: Date, last: Date, weekdays: Sequence[int]) -> dict[str, Any]:
    """From when to when, and on which days of the week when not on all."""
    found: dict[str, Any] = {"first_night": from_day(first), "last_night": from_day(last)}
    if weekdays:
        found["weekdays"] = [WEEKDAYS[day - 1] for day in weekdays]
    return found


def to_prices(fields: Mapping[str, Any], name: str, path: str, currency: str) -> list[NightlyPrice]:
    """Prices by date and weekday."""
    return [
        _to_price(one, f"{path}.{name}[{number}]", currency)
        for number, one in enumerate(to_items(fields, name, path))
    ]


def _to_price(value: object, path: str, currency: str) -> NightlyPrice:
    fields = to_fields(value, path, "first_night", "last_night", "weekdays", "price")
    rule = NightlyPrice(
        first_night_date=to_day(fields.get("first_night"), f"{path}.first_night"),
        last_night_date=to_day(fields.get("last_night"), f"{path}.last_night"),
        weekdays=to_weekdays(fields, path),
    )
    if "price" in fields:
        rule.price.CopyFrom(to_amount(fields["price"], f"{path}.price", currency))
    return rule


def from_prices(rules: Sequence[NightlyPrice]) -> list[dict[str, Any]]:
    """Prices by date and weekday."""
    return [_from_price(rule) for rule in rules]


def _from_price(rule: NightlyPrice) -> dict[str, Any]:
    found = from_span(rule.first_night_date, rule.last_night_date, rule.weekdays)
    if rule.HasField("price"):
        found["price"] = str(from_amount(rule.price))
    return found
