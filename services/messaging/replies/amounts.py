"""Money as a guest reads it. Never rounded: what the database says is what is shown."""

from decimal import Decimal

from meshkit.money import Money, minor_digits

_SIGNS = {"EUR": "€", "GBP": "£"}
# Written with the sign in front and a decimal point in Spanish too, and told apart by the code.
_DOLLARS = frozenset({"USD", "MXN", "CAD", "AUD", "ARS", "CLP", "COP"})


def money(value: Money, language: str) -> str:
    """`1.234,50 €` in Spanish, `€1,234.50` in English, `$1,234.50 MXN` in both."""
    sign = "-" if value.amount < 0 else ""
    figures = _figures(abs(value.amount), value.currency)
    if value.currency in _DOLLARS:
        return f"{sign}${figures} {value.currency}"
    if language == "es":
        symbol = _SIGNS.get(value.currency, value.currency)
        return f"{sign}{figures.translate(_SPANISH)} {symbol}"
    symbol = _SIGNS.get(value.currency, value.currency + " ")
    return f"{sign}{symbol}{figures}"


_SPANISH = str.maketrans(",.", ".,")


def _figures(amount: Decimal, currency: str) -> str:
    exponent = amount.normalize().as_tuple().exponent
    said = -exponent if isinstance(exponent, int) else 0
    return f"{amount:,.{max(minor_digits(currency), said)}f}"
