"""Money without floats: a decimal amount and its currency.

On the wire it is `google.type.Money` (whole units and billionths of the same
sign), in SQL `numeric` and `char(3)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from google.type.money_pb2 import Money as MoneyMessage

from meshkit.errors import InvalidArgument

NANOS_PER_UNIT = 1_000_000_000
MAX_UNITS = 2**63 - 1

# ISO 4217 minor units where they are not 2.
_MINOR_DIGITS = {
    code: digits
    for digits, codes in (
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    )
    for code in codes.split()
}

# Those in use, without metals, funds and codes for tests; BGN and ANG while they are changed.
_IN_USE = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN "
    "BWP BYN BZD CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR "
    "FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD "
    "JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT "
    "MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG "
    "QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS "
    "TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF "
    "XPF YER ZAR ZMW ZWG"
)
_CURRENCIES = frozenset(_IN_USE.split())


def is_currency(code: str) -> bool:
    """Whether it is a currency of ISO 4217 that can be paid with."""
    return code in _CURRENCIES


def minor_digits(currency: str) -> int:
    """How many decimals the currency's smallest coin has."""
    return _MINOR_DIGITS.get(currency, 2)


@cache
def smallest_coin(currency: str) -> Decimal:
    """What the currency's smallest coin is worth: 0.01 of a euro."""
    return Decimal(1).scaleb(-minor_digits(currency))


def in_coins(amount: Decimal, currency: str) -> Decimal:
    """The same amount with the decimals of its currency, with more only where it needs them.

    For whoever is told it as text: `9.500000000` and `0E-9` are no prices.
    """
    coin = smallest_coin(currency)
    return amount.quantize(coin) if amount % coin == 0 else amount.normalize()


@dataclass(frozen=True)
class Money:
    """An amount of one currency (ISO 4217, upper case)."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not self.amount.is_finite():
            raise ValueError("an amount is a finite Decimal")
        code = self.currency
        if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
            raise ValueError(f"{code!r} is not a currency code")

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(self.amount + other.amount, self.currency)

    def is_payable(self) -> bool:
        """Whether the amount can be paid with the currency's coins."""
        return self.amount % smallest_coin(self.currency) == 0


def to_proto(money: Money, into: MoneyMessage | None = None) -> MoneyMessage:
    """The same amount exactly; ValueError when it needs more than nine decimals."""
    message = MoneyMessage() if into is None else into
    units = int(money.amount)  # towards zero, so that both parts have the same sign
    nanos = (money.amount - units) * NANOS_PER_UNIT
    if nanos != int(nanos) or abs(units) > MAX_UNITS:
        raise ValueError(f"{money.amount} does not fit google.type.Money")
    message.units, message.nanos = units, int(nanos)
    message.currency_code = money.currency
    return message


def from_proto(message: MoneyMessage, field: str = "money") -> Money:
    """The same amount exactly; `field` is named when the message contradicts itself."""
    units, nanos = message.units, message.nanos
    if abs(nanos) >= NANOS_PER_UNIT or units * nanos < 0:
        raise InvalidArgument.field(field, "units and nanos contradict each other")
    try:
        money = Money(Decimal(units) + Decimal(nanos).scaleb(-9), message.currency_code)
    except ValueError as error:
        raise InvalidArgument.field(field, str(error)) from None
    return Money(in_coins(money.amount, money.currency), money.currency)
