"""How many people a text speaks of."""

from datetime import date

import pytest

from services.messaging.understanding.meaning import Context, Guests
from services.messaging.understanding.reader import understand


def read(text: str, *, asked: bool = False) -> Guests:
    return understand(text, Context(date(2026, 11, 23), asking_guests=asked)).guests


@pytest.mark.parametrize(
    ("text", "guests"),
    [
        ("2 adultos y 1 niño", Guests(2, 1)),
        ("dos adultos con un bebé", Guests(2, 1)),
        ("2 adults, 1 child and a baby", Guests(2, 2)),
        ("somos 3", Guests(3)),
        ("seremos cuatro", Guests(4)),
        ("we are 3", Guests(3)),
        ("we're two", Guests(2)),
        ("para 2", Guests(2)),
        ("room for two from Dec 10 to 12", Guests(2)),
        ("quiero una habitación doble del 10 al 12 de diciembre para 2", Guests(2)),
        ("4 personas, 2 niños", Guests(2, 2)),
        ("somos 4 con 1 niño", Guests(3, 1)),
        ("familia de 4", Guests(4)),
        ("a family of 5", Guests(5)),
        ("3 of us", Guests(3)),
        ("2 pax", Guests(2)),
        ("para mí", Guests(1)),
        ("just me", Guests(1)),
        ("mi pareja y yo", Guests(2)),
        ("my wife and I", Guests(2)),
        ("un adulto sin niños", Guests(1, 0)),
        ("y un niño", Guests(None, 1)),
        ("2 adultos y mi hija", Guests(2, 1)),
        ("me, my son and my daughter, 2 adults", Guests(2, 2)),
        ("20 adultos", Guests(20)),
    ],
)
def test_guests(text: str, guests: Guests) -> None:
    assert read(text) == guests


@pytest.mark.parametrize(
    "text",
    [
        "0 personas",
        "21 adultos",
        "2 adultos y 21 niños",
        "somos 300",
        "somos 1000",
        "reserva para 123456 personas del 5 al 7 de enero",
        "para 99999999999 personas",
        "a room for 99999999999 people",
        "para -3 personas",
        "for -3 people",
        "2 adultos y -1 niños",
    ],
)
def test_guests_that_no_room_is_for(text: str) -> None:
    assert read(text) == Guests(impossible=True)


@pytest.mark.parametrize(
    "text",
    [
        "hola",
        "2",
        "para 2 noches",
        "for 3 nights",
        "for the 10th",
        "doble",
        "el 2 de enero",
        "2 rooms",
        "para 2027",
        "call me at 600123456",
    ],
)
def test_what_is_no_number_of_guests(text: str) -> None:
    assert not read(text)


@pytest.mark.parametrize("text", ["0", "-3", "1000", "99999999999"])
def test_a_bare_number_that_no_room_is_for(text: str) -> None:
    assert read(text, asked=True) == Guests(impossible=True)


def test_a_dash_before_a_line_is_no_sign() -> None:
    assert read("- 3 personas\n-2 noches") == Guests(3)
    assert read("una doble -2 adultos") == Guests(2)


@pytest.mark.parametrize(
    ("text", "guests"),
    [("2", Guests(2)), (" dos. ", Guests(2)), ("2 y 1", Guests(2, 1)), ("2+1", Guests(2, 1))],
)
def test_a_bare_number_once_it_was_asked_for(text: str, guests: Guests) -> None:
    assert read(text, asked=True) == guests


@pytest.mark.parametrize(
    ("text", "guests"),
    [
        ("mi mujer y yo con un niño", Guests(2, 1)),
        ("my wife and I and 2 kids", Guests(2, 2)),
        ("una pareja con mi hija", Guests(2, 1)),
        ("2 personas y un niño", Guests(2, 1)),
        ("somos 2 más un bebé", Guests(2, 1)),
        ("for two and a child", Guests(2, 1)),
        ("2 people plus 1 baby", Guests(2, 1)),
        ("somos 2 y nuestra hija", Guests(2, 1)),
        ("somos 4, mi mujer y 2 niños", Guests(2, 2)),
        ("2 personas con un bebé", Guests(1, 1)),
    ],
)
def test_children_who_come_to_a_party_and_those_who_are_part_of_it(
    text: str, guests: Guests
) -> None:
    assert read(text) == guests


@pytest.mark.parametrize(
    ("text", "guests"),
    [
        ("3", Guests(2, 1)),
        ("somos 3", Guests(2, 1)),
        ("2 adultos", Guests(2, 1)),
        ("mi pareja y yo", Guests(2, 1)),
        ("2 adultos sin niños", Guests(2, 0)),
        ("2 y 2", Guests(2, 2)),
        ("1", Guests(1, 1)),
        ("hola", Guests()),
    ],
)
def test_a_child_who_was_named_before_the_adults(text: str, guests: Guests) -> None:
    context = Context(date(2026, 11, 23), asking_guests=True, children=1)
    assert understand(text, context).guests == guests
