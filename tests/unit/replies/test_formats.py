"""Money, days and counts as a guest reads them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.money import Money
from services.messaging.conversation.state import Stay
from services.messaging.replies.amounts import money
from services.messaging.replies.voice import Voice, spoken_language
from tests.unit.replies.hotels import mirador

ES, EN = Voice("es", mirador()), Voice("en", mirador())


@pytest.mark.parametrize(
    ("amount", "currency", "es", "en"),
    [
        ("1234.5", "EUR", "1.234,50 €", "€1,234.50"),
        ("240", "EUR", "240,00 €", "€240.00"),
        ("1234.5", "MXN", "$1,234.50 MXN", "$1,234.50 MXN"),
        ("1234.5", "USD", "$1,234.50 USD", "$1,234.50 USD"),
        ("80", "GBP", "80,00 £", "£80.00"),
        ("80", "CHF", "80,00 CHF", "CHF 80.00"),
        ("12000", "JPY", "12.000 JPY", "JPY 12,000"),
        ("0.125", "EUR", "0,125 €", "€0.125"),
        ("1E+3", "EUR", "1.000,00 €", "€1,000.00"),
        ("-5", "EUR", "-5,00 €", "-€5.00"),
        ("0", "EUR", "0,00 €", "€0.00"),
    ],
)
def test_money(amount: str, currency: str, es: str, en: str) -> None:
    value = Money(Decimal(amount), currency)
    assert (money(value, "es"), money(value, "en")) == (es, en)


@given(st.decimals(-(10**12), 10**12, places=2), st.sampled_from(["EUR", "MXN", "CHF", "JPY"]))
def test_money_is_never_rounded(amount: Decimal, currency: str) -> None:
    told = money(Money(amount, currency), "en")
    figures = "".join(sign for sign in told if sign in "0123456789.-")
    assert Decimal(figures) == amount


def test_days_in_both_languages() -> None:
    assert ES.day(date(2026, 12, 10)) == "jueves 10 de diciembre"
    assert EN.day(date(2026, 12, 10)) == "Thursday, December 10"
    assert ES.day(date(2027, 1, 2)) == "sábado 2 de enero de 2027"
    assert EN.day(date(2027, 1, 2)) == "Saturday, January 2, 2027"
    assert ES.short_day(date(2026, 12, 12)) == "sáb 12 dic"
    assert EN.short_day(date(2026, 12, 12)) == "Sat, Dec 12"


def test_a_stay_and_its_guests() -> None:
    stay = Stay(date(2026, 12, 10), date(2026, 12, 11), 1, 0)
    told = ES.stay(stay)
    assert told == "Del jueves 10 de diciembre al viernes 11 de diciembre (1 noche)"
    assert ES.guests(2, 1) == "2 adultos y 1 niño"
    assert EN.guests(1, 2) == "1 adult and 2 children"


def test_times_are_those_of_the_hotel() -> None:
    moment = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)
    assert ES.until(moment.replace(hour=14)) == "15:30 (hora del hotel)"
    assert EN.until(moment.replace(hour=14)) == "3:30 PM (hotel time)"
    assert EN.until(moment.replace(hour=11)) == "12:30 PM (hotel time)"
    assert ES.until(moment.replace(hour=23)) == "00:30 del martes 24 de noviembre (hora del hotel)"
    mexico = Voice("en", mirador(time_zone="America/Mexico_City"))
    assert mexico.until(moment.replace(hour=6, day=24)) == (
        "12:30 AM on Tuesday, November 24 (hotel time)"
    )


def test_the_price_of_a_night() -> None:
    hundred, more = Money(Decimal(100), "EUR"), Money(Decimal(130), "EUR")
    assert EN.per_night([hundred]) == ""
    assert EN.per_night([hundred, hundred]) == " (€100.00 a night)"
    assert ES.per_night([more, hundred, hundred]) == " (entre 100,00 € y 130,00 € por noche)"


@pytest.mark.parametrize(
    ("chosen", "default", "languages", "spoken"),
    [
        ("", "es", ("es", "en"), "es"),
        ("en", "es", ("es", "en"), "en"),
        ("en", "es-MX", ("es-MX",), "es"),
        ("es", "en-GB", ("en-GB", "es-ES"), "es"),
        ("", "fr", ("fr", "es"), "es"),
        ("es", "fr", ("fr",), "en"),
    ],
)
def test_the_language_that_guest_and_hotel_share(
    chosen: str, default: str, languages: tuple[str, ...], spoken: str
) -> None:
    assert spoken_language(chosen, mirador(default_language=default, languages=languages)) == spoken


def test_a_room_is_named_in_the_language_of_the_chat_or_in_any() -> None:
    assert EN.room({"es": "Doble", "en": "Double"}) == "Double"
    assert EN.room({"es-ES": "Doble", "en-GB": "Double"}) == "Double"
    assert EN.room({"es": "Doble", "fr": "Chambre"}) == "Doble"
    assert EN.room({"en": " \x00 ", "fr": "Chambre"}) == "Chambre"
    assert EN.room({"en": "\u200b"}) == "Room"
    assert ES.room({}) == "Habitación"
