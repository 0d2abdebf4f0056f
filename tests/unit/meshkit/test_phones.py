"""One key for each number, whoever wrote it; never one for two."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.phones import phone_key, whatsapp_key


@dataclass(frozen=True)
class Written:
    """A number and every way in which its country writes it, as digits with the country's."""

    key: str
    others: tuple[str, ...] = ()


def digits(count: int, first: str = "0123456789") -> st.SearchStrategy[str]:
    rest = st.text("0123456789", min_size=count - 1, max_size=count - 1)
    return st.builds(str.__add__, st.sampled_from(first), rest)


@st.composite
def argentine_mobiles(draw: st.DrawFn) -> Written:
    area = draw(st.just("11") | digits(3, "23") | digits(4, "23"))
    rest = draw(digits(10 - len(area), "456789"))
    return Written(f"549{area}{rest}", (f"54{area}15{rest}", f"549{area}15{rest}"))


@st.composite
def argentine_landlines(draw: st.DrawFn) -> Written:
    area = draw(st.just("11") | digits(3, "23") | digits(4, "23"))
    # Some begin with the digits that mark a mobile number elsewhere.
    rest = draw(digits(10 - len(area), "456") | digits(8 - len(area)).map("15".__add__))
    return Written(f"54{area}{rest}")


mexicans = digits(10, "23456789").map(lambda ten: Written(f"52{ten}", (f"521{ten}",)))
areas = st.text("123456789", min_size=2, max_size=2)
brazilian_mobiles = st.builds(
    lambda area, eight: Written(f"55{area}9{eight}", (f"55{area}{eight}",)),
    areas,
    digits(8, "6789"),
)
brazilian_others = st.builds(
    lambda area, rest: Written(f"55{area}{rest}"),
    areas,
    digits(8, "2345") | digits(8, "2345").map("9".__add__),
)
elsewhere = (
    digits(9, "6789").map(lambda rest: Written(f"34{rest}"))
    | digits(10, "23456789").map(lambda rest: Written(f"1{rest}"))
    | digits(10, "27").map(lambda rest: Written(f"44{rest}", (f"440{rest}",)))
    | digits(8, "1").map(lambda rest: Written(f"390{rest}"))
    | digits(8, "1").map(lambda rest: Written(f"39{rest}"))
)
numbers = st.one_of(
    argentine_mobiles(),
    argentine_landlines(),
    mexicans,
    brazilian_mobiles,
    brazilian_others,
    elsewhere,
)


@st.composite
def as_people_write(draw: st.DrawFn, number: str) -> str:
    """The digits with this and that between them."""
    between = draw(
        st.lists(
            st.sampled_from(("", "", " ", "-", ".", ") ", " (")),
            min_size=len(number),
            max_size=len(number),
        )
    )
    between[-1] = ""
    pairs = zip(number, between, strict=True)
    return draw(st.sampled_from(("+", "00", " +"))) + "".join(one for pair in pairs for one in pair)


@given(numbers, st.data())
def test_equal_numbers_written_differently_have_one_key(
    number: Written, data: st.DataObject
) -> None:
    form = data.draw(st.sampled_from((number.key, *number.others)))
    assert phone_key(form) == phone_key(data.draw(as_people_write(form))) == f"+{number.key}"


@given(numbers, numbers)
def test_different_numbers_never_have_one_key(one: Written, other: Written) -> None:
    keys = {phone_key(form) for form in (one.key, *one.others)}
    others = {phone_key(form) for form in (other.key, *other.others)}
    assert (one.key == other.key) == bool(keys & others)


@given(numbers)
def test_what_whatsapp_writes_has_the_key_of_what_people_write(number: Written) -> None:
    for form in (number.key, *number.others):
        if form.startswith(("44", "39")):
            continue  # WhatsApp writes no trunk prefix, so it need not be known there.
        assert phone_key(form) == f"+{whatsapp_key(form)}"


@given(st.text("0123456789+-() .", max_size=30) | st.text(max_size=30))
def test_a_key_is_its_own_key(text: str) -> None:
    key = phone_key(text)
    assert key is None or phone_key(key) == phone_key(key[1:]) == key
    assert whatsapp_key(whatsapp_key(text)) == whatsapp_key(text)


@given(
    st.text("0123456789", min_size=5, max_size=15).filter(
        lambda one: one[:2] not in ("52", "54", "55")
    )
)
def test_only_three_countries_have_spellings_that_whatsapp_uses(number: str) -> None:
    assert whatsapp_key(number) == number


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+54 9 11 2345 6789", "+54 11 2345 6789"),  # a mobile number and a landline
        ("+54 11 1523 4567", "+54 9 11 23 4567"),  # a 15 that belongs to the number
        ("+52 55 1234 5678", "+52 55 1234 5679"),
        ("+55 11 2345 6789", "+55 11 92345 6789"),  # a landline, and a mobile with its digits
        ("+55 11 8123 4567", "+55 11 8123 4568"),
        ("+52 1 55 1234 5678", "+1 521 551 2345"),
        ("+39 06 1234 5678", "+39 6 1234 5678"),
    ],
)
def test_these_do_not_merge(one: str, other: str) -> None:
    assert phone_key(one) != phone_key(other)
    assert whatsapp_key(one) != whatsapp_key(other)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("+54 9 11 2345-6789", "+5491123456789"),
        ("54 11 15 2345 6789".replace(" ", ""), "+5491123456789"),
        ("+54 (0221) 15 412-3456", "+5492214123456"),
        ("+52 1 55 1234 5678", "+525512345678"),
        ("551181234567", "+5511981234567"),
        ("+55 (11) 2345-6789", "+551123456789"),
        ("0034 600 11 22 33", "+34600112233"),
        ("+1 555-078-3881", "+15550783881"),  # Meta's test number, which no network would assign
    ],
)
def test_these_are_known(text: str, key: str) -> None:
    assert phone_key(text) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "600 11 22 33",  # of which country?
        "hotel",
        "+1 800 FLOWERS",
        "call +34 600 11 22 33",
        "+34 600 11 22 33 ext. 5",
        "+34 600 11 22 333 444",
        "+999 1234 5678",
        "+٣٤600112233",
        "+34\n600112233\0",
        "1" * 1000,
    ],
)
def test_what_is_no_number_has_no_key(text: str) -> None:
    assert phone_key(text) is None
