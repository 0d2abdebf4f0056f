"""Dates as guests write them, read on Monday, 23 November 2026."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.messaging.understanding.meaning import MAX_NIGHTS, Context, DateProblem, Dates
from services.messaging.understanding.reader import understand
from services.messaging.understanding.words import listed

TODAY = date(2026, 11, 23)


def read(text: str, **known: object) -> Dates:
    return understand(text, Context(TODAY, **known)).dates  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "check_in", "check_out"),
    [
        ("quiero una habitación doble del 10 al 12 de diciembre para 2", "12-10", "12-12"),
        ("Del 10 al 12 de Diciembre de 2026", "12-10", "12-12"),
        ("entre el 10 y el 12 de dic.", "12-10", "12-12"),
        ("10-12 de diciembre", "12-10", "12-12"),
        ("10–12 diciembre", "12-10", "12-12"),
        ("diciembre del 10 al 12", "12-10", "12-12"),
        ("del 10 de diciembre al 12", "12-10", "12-12"),
        ("llegamos el 10 de diciembre a las 15:00 y nos vamos el 12", "12-10", "12-12"),
        ("viernes 11 de diciembre al domingo 13", "12-11", "12-13"),
        ("del jueves 10 al sábado 12", "12-10", "12-12"),
        ("del diez al doce de diciembre", "12-10", "12-12"),
        ("el 10 de diciembre, 2 noches", "12-10", "12-12"),
        ("el 10 de diciembre (jueves) por dos noches", "12-10", "12-12"),
        ("room for two from Dec 10 to 12", "12-10", "12-12"),
        ("Dec 10-12", "12-10", "12-12"),
        ("december 10th through the 12th", "12-10", "12-12"),
        ("10th to 12th of December", "12-10", "12-12"),
        ("Thursday, December 10 to Saturday, December 12", "12-10", "12-12"),
        ("december 10, 2026 - december 12, 2026", "12-10", "12-12"),
        ("10 dec for 2 nights", "12-10", "12-12"),
        ("a 2-night stay from december 10", "12-10", "12-12"),
        ("10/12 al 12/12", "12-10", "12-12"),
        ("10/12-12/12", "12-10", "12-12"),
        ("10-12/12", "12-10", "12-12"),
        ("10-12 al 12-12", "12-10", "12-12"),
        ("10.12.26 - 12.12.26", "12-10", "12-12"),
        ("10/12/2026 to 12/12/2026", "12-10", "12-12"),
        ("12/25 to 12/27", "12-25", "12-27"),
        ("2026-12-10 to 2026-12-12", "12-10", "12-12"),
        ("2026/12/10 2026/12/12", "12-10", "12-12"),
        ("hoy por 2 noches", "11-23", "11-25"),
        ("esta noche", "11-23", "11-24"),
        ("tonight please", "11-23", "11-24"),
        ("mañana por 2 noches", "11-24", "11-26"),
        ("mañana por la mañana, una noche", "11-24", "11-25"),
        ("pasado mañana, 1 noche", "11-25", "11-26"),
        ("the day after tomorrow for a night", "11-25", "11-26"),
        ("tomorrow for a week", "11-24", "12-01"),
        ("in two weeks for 3 nights", "12-07", "12-10"),
        ("dentro de 3 días, 2 noches", "11-26", "11-28"),
        ("next friday for 3 nights", "11-27", "11-30"),
        ("el próximo viernes 3 noches", "11-27", "11-30"),
        ("el viernes que viene hasta el domingo", "11-27", "11-29"),
        ("friday to sunday", "11-27", "11-29"),
        ("fri to sun for 2", "11-27", "11-29"),
        ("this weekend", "11-27", "11-29"),
        ("este fin de semana", "11-27", "11-29"),
        ("el finde", "11-27", "11-29"),
        ("del 25 al 28", "11-25", "11-28"),
        ("del 10 al 12", "12-10", "12-12"),
        ("from the 10th to the 12th", "12-10", "12-12"),
        ("del 28 al 2", "11-28", "12-02"),
        ("10dic-12dic", "12-10", "12-12"),
        ("la noche del 24 de diciembre", "12-24", "12-25"),
        ("2 adults, kids aged 4 and 7, 3 nights from tomorrow", "11-24", "11-27"),
        ("mañana 2 noches con niños de 5 y 8 años", "11-24", "11-26"),
    ],
)
def test_a_stay(text: str, check_in: str, check_out: str) -> None:
    expected = (date.fromisoformat(f"2026-{check_in}"), date.fromisoformat(f"2026-{check_out}"))
    dates = read(text)
    assert (dates.check_in, dates.check_out, dates.problem) == (*expected, None)


@pytest.mark.parametrize(
    ("text", "check_in", "check_out"),
    [
        ("del 30 de diciembre al 2 de enero", "2026-12-30", "2027-01-02"),
        ("dec 30 to jan 2", "2026-12-30", "2027-01-02"),
        ("30/12 al 2/1", "2026-12-30", "2027-01-02"),
        ("30 de diciembre al 2 de enero de 2027", "2026-12-30", "2027-01-02"),
        ("31 dic por 3 noches", "2026-12-31", "2027-01-03"),
        ("del 10 al 12 de enero", "2027-01-10", "2027-01-12"),
        ("del 10 al 12 de noviembre", "2027-11-10", "2027-11-12"),
        ("10 de diciembre al 12 de diciembre de 2027", "2027-12-10", "2027-12-12"),
        ("del 10 al 12 de enero, 2000 euros como mucho", "2027-01-10", "2027-01-12"),
        ("January 10 to 12, 1000 people", "2027-01-10", "2027-01-12"),
        ("del 10 al 12 de diciembre de 2027 habitación doble", "2027-12-10", "2027-12-12"),
        ("del 28 al 29 de febrero de 2028", "2028-02-28", "2028-02-29"),
    ],
)
def test_the_year_follows_from_today(text: str, check_in: str, check_out: str) -> None:
    dates = read(text)
    assert dates.check_in == date.fromisoformat(check_in)
    assert dates.check_out == date.fromisoformat(check_out)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("del 31 de febrero al 2 de marzo", DateProblem.NO_SUCH_DAY),
        ("31/02", DateProblem.NO_SUCH_DAY),
        ("13/13", DateProblem.NO_SUCH_DAY),
        ("2026-02-30", DateProblem.NO_SUCH_DAY),
        ("el 31 de abril por 2 noches", DateProblem.NO_SUCH_DAY),
        ("del 12 al 10 de diciembre", DateProblem.REVERSED),
        ("12/12 al 10/12", DateProblem.REVERSED),
        ("del 5 al 5 de enero", DateProblem.REVERSED),
        ("del 22 al 21", DateProblem.REVERSED),
        ("2026-12-12 to 2026-12-10", DateProblem.REVERSED),
        ("mañana por 0 noches", DateProblem.REVERSED),
        ("ayer", DateProblem.PAST),
        ("del 1 al 3 de noviembre de 2026", DateProblem.PAST),
        ("mañana por 91 noches", DateProblem.TOO_LONG),
        ("del 1 de diciembre al 15 de abril", DateProblem.TOO_LONG),
        ("del 1 al 3 de enero de 2099", DateProblem.TOO_FAR),
        ("9999-12-31 por 2 noches", DateProblem.TOO_FAR),
        ("9999-12-31 al 5", DateProblem.TOO_FAR),
        ("del 5 al 7 de enero de 9999", DateProblem.TOO_FAR),
        ("January 5 to 7, 9999", DateProblem.TOO_FAR),
        ("del 5 al 7 de enero del año 12345", DateProblem.TOO_FAR),
        ("5-7 January 2031, double room", DateProblem.TOO_FAR),
        ("en enero de 2035", DateProblem.TOO_FAR),
        ("in January 2035", DateProblem.TOO_FAR),
        ("do you have anything in mar. 2035?", DateProblem.TOO_FAR),
        ("un fin de semana de enero del año 12345", DateProblem.TOO_FAR),
        ("enero de 2035, del 10 al 12", DateProblem.TOO_FAR),
        ("3 noches en octubre de 2026", DateProblem.PAST),
        ("in October 2026", DateProblem.PAST),
        ("100 noches en enero de 2027", DateProblem.TOO_LONG),
        ("0001-01-01", DateProblem.PAST),
        ("del 5 al 7 de enero de 1999", DateProblem.PAST),
        ("from 5 to 7 January 1999", DateProblem.PAST),
        ("mañana por 1000 noches", DateProblem.TOO_LONG),
        ("tomorrow for 99999999 nights", DateProblem.TOO_LONG),
    ],
)
def test_dates_that_are_no_stay(text: str, problem: DateProblem) -> None:
    assert read(text) == Dates(problem=problem)


JANUARY = date(2028, 1, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("en enero de 2028", Dates(month=JANUARY)),
        ("Jan 2028, double room", Dates(month=JANUARY)),
        ("3 noches en enero de 2028", Dates(nights=3, month=JANUARY)),
        ("a weekend in January, 2028", Dates(month=JANUARY)),
        ("el viernes 14, enero 2028", Dates(date(2028, 1, 14))),
        ("enero 2028 del 10 al 12", Dates(date(2028, 1, 10), date(2028, 1, 12))),
        ("January 2028: 10 January to 12 January", Dates(date(2028, 1, 10), date(2028, 1, 12))),
        ("noviembre de 2026", Dates(month=date(2026, 11, 1))),
    ],
)
def test_a_month_of_a_year_without_its_day(text: str, expected: Dates) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("del 10 al 12", Dates(date(2028, 1, 10), date(2028, 1, 12))),
        ("10 to 12 January", Dates(date(2028, 1, 10), date(2028, 1, 12))),
        ("el 30", Dates(date(2028, 1, 30))),
        ("10", Dates(date(2028, 1, 10))),
        ("del 30 de enero al 2 de febrero", Dates(date(2028, 1, 30), date(2028, 2, 2))),
        ("10 de diciembre", Dates(date(2026, 12, 10))),
    ],
)
def test_days_are_of_the_month_that_was_named_before(text: str, expected: Dates) -> None:
    assert read(text, month=JANUARY) == expected


@pytest.mark.parametrize("text", ["el 31", "31", "0"])
def test_a_day_that_the_month_named_before_does_not_have(text: str) -> None:
    assert read(text, month=date(2027, 2, 1)) == Dates(problem=DateProblem.NO_SUCH_DAY)


def test_the_month_of_the_arrival_that_is_known_says_nothing_new() -> None:
    known = {"check_in": date(2028, 1, 10), "check_out": date(2028, 1, 12)}
    assert read("enero de 2028", **known) == Dates()
    assert read("febrero de 2028", **known) == Dates(month=date(2028, 2, 1))


def test_ninety_nights_are_a_stay() -> None:
    assert read("mañana por 90 noches").check_out == date(2027, 2, 22)


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("mejor del 11 al 13", Dates(date(2027, 1, 11), date(2027, 1, 13))),
        ("mejor el 15", Dates(date(2027, 1, 15), date(2027, 1, 17))),
        ("hasta el 14", Dates(check_out=date(2027, 1, 14))),
        ("3 noches", Dates(check_out=date(2027, 1, 13), nights=3)),
        ("salimos el 20 de enero", Dates(check_out=date(2027, 1, 20))),
    ],
)
def test_corrections_keep_what_they_do_not_name(text: str, dates: Dates) -> None:
    assert read(text, check_in=date(2027, 1, 10), check_out=date(2027, 1, 12)) == dates


@pytest.mark.parametrize("text", ["el 12", "el 12 de enero", "12/1", "el martes"])
def test_the_departure_when_it_was_asked_for(text: str) -> None:
    dates = read(text, check_in=date(2027, 1, 10), asking_nights=True)
    assert dates == Dates(check_out=date(2027, 1, 12))


@pytest.mark.parametrize(
    "text",
    [
        "2 adultos y 1 niño",
        "somos 3",
        "room with sun terrace",
        "son 200 euros?",
        "llámame al 600123456",
        "a las 3",
        "hola",
        "2 personas, 10 am",
        "may I book?",
        "niños de 5 a 8 años",
        "my 12 year old",
        "",
        "🙂🙂",
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert not read(text)


def test_a_weekday_is_the_next_one() -> None:
    monday = Context(TODAY)
    assert understand("el lunes", monday).dates.check_in == TODAY + timedelta(days=7)
    assert understand("este lunes", monday).dates.check_in == TODAY


@given(
    st.dates(date(2026, 1, 1), date(2030, 1, 1)),
    st.integers(0, 400),
    st.integers(1, MAX_NIGHTS),
    st.sampled_from(
        [
            "{i:%Y-%m-%d} {o:%Y-%m-%d}",
            "{i.day}/{i.month}/{i.year} al {o.day}/{o.month}/{o.year}",
            "del {i.day}/{i.month} al {o.day}/{o.month}",
            "{i.day}/{i.month} {n} noches",
        ]
    ),
)
def test_any_stay_within_a_year_is_read_back(
    today: date, ahead: int, nights: int, form: str
) -> None:
    check_in = today + timedelta(days=min(ahead, 364))
    check_out = check_in + timedelta(days=nights)
    leap_day = (2, 29) in {(check_in.month, check_in.day), (check_out.month, check_out.day)}
    dates = understand(form.format(i=check_in, o=check_out, n=nights), Context(today)).dates
    if not leap_day or "year" in form or "%Y" in form:
        assert (dates.check_in, dates.check_out) == (check_in, check_out)


_PIECES = st.sampled_from(
    sorted(
        listed(
            """
            del al 10 12 31 99 0 2 de diciembre dec - / . 2026 noches nights viernes next en in el
            para for hasta weekend mañana 12/12 2026-02-30 st th , ( ) y and personas
            """
        )
    )
)


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=15).map(" ".join)))
def test_any_text_gives_a_stay_that_can_be_or_none(text: str) -> None:
    dates = read(text)
    days = [day for day in (dates.check_in, dates.check_out) if day is not None]
    assert all(day >= TODAY for day in days)
    if len(days) == 2:
        assert 1 <= (days[1] - days[0]).days <= MAX_NIGHTS
    if dates.problem is not None:
        assert dates == Dates(problem=dates.problem)
