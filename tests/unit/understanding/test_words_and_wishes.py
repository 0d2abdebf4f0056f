"""Intents, languages and the names of rooms."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.messaging.understanding import rooms
from services.messaging.understanding.meaning import Context, Intent, Meaning
from services.messaging.understanding.reader import understand
from services.messaging.understanding.words import READ_CHARACTERS, normal


def read(text: str) -> Meaning:
    return understand(text, Context(date(2026, 11, 23)))


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("hola", Intent.GREET),
        ("Buenos días", Intent.GREET),
        ("hello!", Intent.GREET),
        ("ayuda", Intent.HELP),
        ("what can you do?", Intent.HELP),
        ("¿tienen habitaciones?", Intent.BOOK),
        ("how much is it", Intent.BOOK),
        ("sí", Intent.AFFIRM),
        ("Sí, por favor", Intent.AFFIRM),
        ("ok gracias", Intent.AFFIRM),
        ("confirmo", Intent.AFFIRM),
        ("quiero confirmar la reserva", Intent.AFFIRM),
        ("I'll take it", Intent.AFFIRM),
        ("book it", Intent.AFFIRM),
        ("👍", Intent.AFFIRM),
        ("no", Intent.DENY),
        ("No, gracias", Intent.DENY),
        ("mejor no", Intent.DENY),
        ("cancelar", Intent.CANCEL),
        ("cancel please", Intent.CANCEL),
        ("no quiero cancelar", Intent.KEEP),
        ("don't cancel", Intent.KEEP),
        ("cancelar mi reserva", Intent.CANCEL_RESERVATION),
        ("I want to cancel my booking", Intent.CANCEL_RESERVATION),
        ("mi reserva, ¿la pueden anular?", Intent.CANCEL_RESERVATION),
        ("mis reservas", Intent.SHOW_RESERVATION),
        ("what is my booking code", Intent.SHOW_RESERVATION),
        ("cambiar fechas", Intent.CHANGE),
        ("otra vez", Intent.RETRY),
        ("try again", Intent.RETRY),
        ("empezar desde cero", Intent.RESTART),
        ("muchas gracias", Intent.THANKS),
    ],
)
def test_an_intent(text: str, intent: Intent) -> None:
    assert intent in read(text).intents


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "ok?",
        "¿me confirman la hora de entrada?",
        "sí pero luego",
        "ok, wait",
        "no confirmes todavía",
        "vale, ¿y el desayuno?",
        "necesito confirmar la hora del taxi",
        "not yet",
    ],
)
def test_a_room_is_not_sold_on_a_doubtful_yes(text: str) -> None:
    assert Intent.AFFIRM not in read(text).intents


@pytest.mark.parametrize(
    "text",
    ["no entiendo", "no sé", "no, espera", "no puedo pagar con tarjeta", "no quiero cancelar"],
)
def test_a_room_is_not_released_on_a_doubtful_no(text: str) -> None:
    assert not read(text).intents & {Intent.DENY, Intent.CANCEL}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("hola", "es"),
        ("¿mañana?", "es"),
        ("una habitación para dos", "es"),
        ("hello", "en"),
        ("a room for two", "en"),
        ("next friday", "en"),
        ("suite", ""),
        ("10/12", ""),
        ("", ""),
        ("ok", ""),
        ("no", ""),
    ],
)
def test_the_language_it_is_written_in(text: str, language: str) -> None:
    assert read(text).language == language


@pytest.mark.parametrize(
    ("text", "language"), [("in English please", "en"), ("Español", "es"), ("hola", "")]
)
def test_a_language_asked_for(text: str, language: str) -> None:
    assert read(text).wanted_language == language


_NAMES = (
    {"es": "Habitación individual", "en": "Single room"},
    {"es": "Habitación doble", "en": "Double room"},
    {"es": "Doble superior", "en": "Superior double"},
    {"es": "Suite", "en": "Suite"},
    {"es": "Cueva del Mar", "en": "Sea Cave"},
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("doble", [1]),
        ("la habitación doble", [1]),
        ("the double room please", [1]),
        ("matrimonial", [1]),
        ("superior double", [2]),
        ("la superior", [2]),
        ("la sencilla", [0]),
        ("SUITE", [3]),
        ("the cave", [4]),
        ("cueva", [4]),
        ("habitación", []),
        ("asdf", []),
    ],
)
def test_the_room_that_is_named(text: str, found: list[int]) -> None:
    assert rooms.named(read(text).words, _NAMES) == found


def test_a_name_that_fits_two_rooms_leaves_it_open() -> None:
    names = ({"es": "Doble jardín"}, {"es": "Doble piscina"})
    assert rooms.named(read("doble").words, names) == [0, 1]


@pytest.mark.parametrize(
    ("text", "index"),
    [("la primera", 0), ("the second one", 1), ("3", 2), ("opción 2", 1), ("hola", None)],
)
def test_a_row_by_its_place(text: str, index: int | None) -> None:
    assert read(text).choice == index


@given(st.text())
def test_no_digit_is_ever_kept_as_a_wish(text: str) -> None:
    assert not any(sign.isdigit() for word in read(text).words for sign in word)


def test_a_megabyte_is_read_like_its_beginning() -> None:
    long = "hola " * 200_000
    assert normal(long) == normal(long[:READ_CHARACTERS])
    assert read(long).intents == {Intent.GREET}


@pytest.mark.parametrize("text", ["a double", "el sábado, 1 noche", "del 12 al 14", "dec 1 to 3"])
def test_what_speaks_of_staying(text: str) -> None:
    assert read(text).speaks_of_staying


@pytest.mark.parametrize("text", ["esta noche", "el 12 de diciembre", "next weekend", "wifi"])
def test_what_does_not_speak_of_staying(text: str) -> None:
    assert not read(text).speaks_of_staying


def test_how_many_rooms() -> None:
    assert read("2 habitaciones para 4 personas").rooms == 2
    assert read("una habitación").rooms == 1
    assert read("0 rooms").rooms == 1
    assert read("two double rooms").rooms == 2
