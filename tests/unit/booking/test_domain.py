"""Stays, offers, alternatives, codes and reasons: no wire, no storage."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.errors import FailedPrecondition, InvalidArgument, NotFound
from services.booking.domain import (
    CODE_ALPHABET,
    CODE_LENGTH,
    Guests,
    Quote,
    Stay,
    fingerprint,
    new_code,
    normal_code,
    refusal,
)
from services.booking.inventory.book import Page
from services.booking.inventory.catalogue import House, Restriction
from services.booking.inventory.domain import Inventory as Sold
from services.booking.inventory.domain import SoldType
from services.booking.inventory.rates import NightlyPrices
from services.booking.inventory.store import Stored
from services.booking.search.domain import MAX_ALTERNATIVES, Counters, Inventory, search

TODAY = dt.date(2026, 12, 1)
TWO = Guests(2, 0)


def day(number: int) -> dt.date:
    """So many days from today."""
    return TODAY + dt.timedelta(days=number)


def stay(first: int, nights: int) -> Stay:
    """The stay that begins so many days from today."""
    return Stay(day(first), day(first + nights))


@dataclass(frozen=True)
class Kind:
    """A room type, with its free rooms and prices from today on."""

    name: str
    free: list[int]
    prices: list[Decimal]
    guests: int = 2


def room_type(name: str, free: list[int], price: str = "80", guests: int = 2) -> Kind:
    """A type with so many free rooms on each night from today, at one price."""
    return Kind(name, free, [Decimal(price)] * len(free), guests)


def inventory(
    *kinds: Kind, last: int = 30, restrictions: tuple[Restriction, ...] = ()
) -> Inventory:
    """A hotel of these types."""
    types = {}
    for one in kinds:
        prices = NightlyPrices({day(n): price for n, price in enumerate(one.prices)})
        types[one.name] = SoldType(one.name, {"es": one.name}, one.guests, {}, prices)
    sold = Sold("UTC", "EUR", day(last), types, House(restrictions=restrictions))
    counters = Counters(
        version=1,
        today=TODAY,
        as_of=dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC),
        first_expiry=None,
        first=TODAY,
        free={one.name: one.free for one in kinds},
    )
    return Inventory(Page(Stored(sold, TODAY, 1)), counters)


@pytest.mark.parametrize(("nights", "problem"), [(0, "after"), (-3, "after"), (91, "90 nights")])
def test_a_stay_has_1_to_90_nights(nights: int, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem) as caught:
        stay(1, nights)
    assert [one.field for one in caught.value.violations] == ["check_out_date"]


def test_90_nights_are_a_stay() -> None:
    assert stay(1, 90).night_count == 90


def test_free_is_the_fullest_nights_count() -> None:
    (offer,) = search(inventory(room_type("a", [9, 3, 2, 4])), stay(1, 3), TWO).offers
    assert offer.free_count == 2
    assert offer.unavailable == ""


def test_the_departure_date_is_no_night() -> None:
    (offer,) = search(inventory(room_type("a", [1, 1, 0])), stay(0, 2), TWO).offers
    assert offer.free_count == 1


def test_free_first_then_cheapest() -> None:
    hotel = inventory(
        room_type("cheap and full", [0, 0], "10"),
        room_type("dear", [1, 1], "90"),
        room_type("fair", [1, 1], "50"),
        room_type("tiny", [1, 1], "5", guests=1),
    )
    offers = search(hotel, stay(0, 2), TWO).offers
    assert [(one.room_type.room_type_id, one.unavailable) for one in offers] == [
        ("fair", ""),
        ("dear", ""),
        ("tiny", "TOO_MANY_GUESTS"),
        ("cheap and full", "SOLD_OUT"),
    ]
    assert [one.free_count for one in offers] == [1, 1, 0, 0]


def test_children_count_as_guests() -> None:
    hotel = inventory(room_type("a", [1], guests=3))
    assert search(hotel, stay(0, 1), Guests(2, 1)).offers[0].unavailable == ""
    too_many = search(hotel, stay(0, 1), Guests(2, 2)).offers[0]
    assert too_many.unavailable == "TOO_MANY_GUESTS"


def test_prices_are_those_of_the_nights() -> None:
    hotel = inventory(Kind("a", [1, 1], [Decimal("95.10"), Decimal("118.25")]))
    (offer,) = search(hotel, stay(0, 2), TWO).offers
    assert offer.quote == Quote((Decimal("95.10"), Decimal("118.25")), "EUR")
    assert offer.quote.total_price == Decimal("213.35")


def test_a_type_that_is_not_on_sale_for_a_night() -> None:
    hotel = inventory(Kind("a", [1, 1], [Decimal(1)]), room_type("b", [1, 1]))
    offers = {one.room_type.room_type_id: one for one in search(hotel, stay(0, 2), TWO).offers}
    assert offers["a"].unavailable == "BEYOND_HORIZON"
    assert offers["a"].quote.nightly_prices == ()
    assert offers["b"].unavailable == ""


def test_alternatives_only_when_nothing_is_free() -> None:
    hotel = inventory(room_type("a", [1] * 9), room_type("b", [0] * 9))
    assert search(hotel, stay(3, 1), TWO).alternatives == ()


def test_alternatives_nearest_first_and_never_in_the_past() -> None:
    hotel = inventory(room_type("a", [1, 0, 0, 1, 1, 1, 1]))
    found = search(hotel, stay(1, 1), TWO).alternatives
    assert [one.stay for one in found] == [stay(0, 1), stay(3, 1), stay(4, 1)]


def test_the_cheapest_free_type_of_a_date() -> None:
    hotel = inventory(room_type("a", [0, 1], "90"), room_type("b", [0, 1], "70"))
    (found,) = search(hotel, stay(0, 1), TWO).alternatives
    assert (found.room_type_id, found.quote.total_price) == ("b", Decimal(70))


def test_no_alternative_beyond_a_week() -> None:
    hotel = inventory(room_type("a", [0] * 8 + [1]))
    assert search(hotel, stay(0, 1), TWO).alternatives == ()
    assert len(search(hotel, stay(1, 1), TWO).alternatives) == 1


def test_each_type_that_cannot_be_had_says_why_and_when_it_can() -> None:
    weekend = Restriction(day(2), day(3), min_nights_on_arrival=2, room_type_ids=frozenset({"a"}))
    soon = Restriction(day(0), day(30), min_notice_days=4, room_type_ids=frozenset({"c"}))
    hotel = inventory(
        room_type("a", [1] * 9),
        room_type("b", [1, 1, 0, 0, 1]),
        room_type("c", [1] * 9),
        room_type("d", [1] * 9, guests=1),
        room_type("e", [1] * 9, "99"),
        restrictions=(weekend, soon),
    )
    found = search(hotel, stay(2, 1), TWO)
    assert found.alternatives == ()
    told = {one.room_type.room_type_id: one for one in found.offers}
    assert {name: one.unavailable for name, one in told.items()} == {
        "a": "MINIMUM_STAY",
        "b": "SOLD_OUT",
        "c": "ADVANCE_NOTICE",
        "d": "TOO_MANY_GUESTS",
        "e": "",
    }
    assert {name: one.nearest and one.nearest.stay for name, one in told.items()} == {
        "a": stay(1, 1),
        "b": stay(1, 1),
        "c": stay(4, 1),
        "d": None,
        "e": None,
    }
    refused = [told[name].standard.refused for name in "ac"]
    assert [one and one.facts for one in refused] == [{"nights": 2}, {"days": 4}]
    # What is sold out does not become free by staying longer.
    full = inventory(room_type("a", [0] * 9), restrictions=(weekend,))
    assert search(full, stay(2, 1), TWO).offers[0].unavailable == "SOLD_OUT"


@given(
    free=st.lists(st.integers(0, 2), min_size=20, max_size=20),
    first=st.integers(0, 15),
    nights=st.integers(1, 5),
)
def test_what_is_offered_instead_is_free_near_and_as_long(
    free: list[int], first: int, nights: int
) -> None:
    asked = stay(first, nights)
    found = search(inventory(room_type("a", free)), asked, TWO)
    assert bool(found.offers[0].free_count) == all(free[first : first + nights])
    distances = [abs((one.stay.check_in - asked.check_in).days) for one in found.alternatives]
    assert distances == sorted(distances)
    assert len(found.alternatives) <= MAX_ALTERNATIVES
    for one, distance in zip(found.alternatives, distances, strict=True):
        start = (one.stay.check_in - TODAY).days
        assert 1 <= distance <= 7
        assert one.stay.night_count == nights
        assert all(free[start : start + nights])


@pytest.mark.parametrize(
    ("first", "nights", "reason", "field"),
    [(-1, 3, "CHECK_IN_PAST", "check_in_date"), (29, 3, "BEYOND_HORIZON", "check_out_date")],
)
def test_dates_outside_of_what_is_on_sale(first: int, nights: int, reason: str, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        search(inventory(room_type("a", [1])), stay(first, nights), TWO)
    assert caught.value.reason == reason
    assert [one.field for one in caught.value.violations] == [field]


def test_the_last_night_may_be_slept_in() -> None:
    assert search(inventory(room_type("a", [1])), stay(30, 1), TWO).offers


def test_codes_are_easy_to_read_and_hard_to_guess() -> None:
    codes = {new_code() for _ in range(2000)}
    assert len(codes) == 2000
    assert {len(code) for code in codes} == {CODE_LENGTH}
    assert set("".join(codes)) == set(CODE_ALPHABET)
    assert not set(CODE_ALPHABET) & set("01258BILOSUZ")


@pytest.mark.parametrize("written", ["CDFG-HJKM", " cdfg hjkm ", "cdfghjkm", "C D F G H J K M"])
def test_a_code_as_people_write_it(written: str) -> None:
    assert normal_code(written) == "CDFGHJKM"


def test_fingerprints_tell_content_apart() -> None:
    assert fingerprint("a", "b") == fingerprint("a", "b")
    assert len({fingerprint("a", "bc"), fingerprint("ab", "c"), fingerprint("abc")}) == 3
    assert fingerprint("1") != fingerprint(1)


def test_reasons_have_their_kinds() -> None:
    assert isinstance(refusal("SOLD_OUT"), FailedPrecondition)
    assert isinstance(refusal("ROOM_TYPE_UNKNOWN"), NotFound)
    late = refusal("BEYOND_HORIZON", {"last_night": day(9)})
    assert isinstance(late, InvalidArgument)
    assert late.metadata == {"last_night": "2026-12-10"}
