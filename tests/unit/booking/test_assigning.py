"""Who sleeps in which room, compared with trying everything."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.booking.rooms.assigning import Claim, Nights, UndecidedError, assign

NIGHTS = 8


def fits(rooms: dict[str, int], claims: Sequence[Claim], shut: dict[int, list[Nights]]) -> bool:
    """Whether nobody meets anybody else, or a closed door."""
    taken = [(room, *nights) for room, every in shut.items() for nights in every]
    for claim in claims:
        room = rooms[claim.key]
        if claim.fixed and room != claim.room:
            return False
        if any(room == other and claim.first < b and a < claim.end for other, a, b in taken):
            return False
        taken.append((room, claim.first, claim.end))
    return True


def moves(rooms: dict[str, int], claims: Sequence[Claim]) -> int:
    """How many had a room and get another one."""
    return sum(one.room is not None and one.room != rooms[one.key] for one in claims)


def by_force(
    rooms: Sequence[int], shut: dict[int, list[Nights]], claims: Sequence[Claim]
) -> int | None:
    """The fewest moves of all assignments there are; None without one."""
    keys = [one.key for one in claims]
    ways = (
        dict(zip(keys, choice, strict=True))
        for choice in itertools.product(rooms, repeat=len(claims))
    )
    return min((moves(way, claims) for way in ways if fits(way, claims, shut)), default=None)


nights = st.tuples(st.integers(0, NIGHTS - 1), st.integers(1, 4)).map(
    lambda one: (one[0], min(one[0] + one[1], NIGHTS))
)


@st.composite
def hotels(draw: st.DrawFn) -> tuple[list[int], dict[int, list[Nights]], list[Claim]]:
    """Up to 4 rooms and 6 claims on 8 nights, with rooms shut and rooms that are fixed."""
    rooms = list(range(1, draw(st.integers(1, 4)) + 1))
    shut = draw(st.dictionaries(st.sampled_from(rooms), st.lists(nights, max_size=2)))
    claims = []
    for number, (first, end) in enumerate(draw(st.lists(nights, max_size=6))):
        room = draw(st.none() | st.sampled_from(rooms))
        fixed = room is not None and draw(st.integers(0, 3)) == 0
        claims.append(Claim(str(number), first, end, room, fixed))
    return rooms, shut, claims


@given(hotels())
@settings(max_examples=400)
def test_an_assignment_is_found_when_there_is_one_and_with_the_fewest_moves(
    hotel: tuple[list[int], dict[int, list[Nights]], list[Claim]],
) -> None:
    rooms, shut, claims = hotel
    found = assign(rooms, shut, claims)
    fewest = by_force(rooms, shut, claims)
    if found is None:
        assert fewest is None
    else:
        assert fits(found, claims, shut)
        assert moves(found, claims) == fewest


def test_one_free_each_night_is_no_room_for_both() -> None:
    shut = {1: [(3, 4)], 2: [(4, 5)]}
    assert assign([1, 2], shut, [Claim("a", 3, 5)]) is None
    assert assign([1, 2], shut, [Claim("a", 3, 4), Claim("b", 4, 5)]) == {"a": 2, "b": 1}


def test_who_has_not_arrived_makes_room() -> None:
    claims = [Claim("had", 0, 2, 1), Claim("long", 0, 6)]
    assert assign([1, 2], {2: [(4, 5)]}, claims) == {"had": 2, "long": 1}


def test_a_big_hotel_takes_one_more_without_a_search() -> None:
    claims = [Claim(f"{room}/{n}", n, n + 1, room) for room in range(60) for n in range(100)]
    claims = [one for one in claims if one.key != "17/40"]
    found = assign(range(60), {3: [(200, 210)]}, [*claims, Claim("new", 40, 41)])
    assert found is not None
    assert found["new"] == 17


def test_a_search_that_takes_too_long_says_so() -> None:
    shut = {room: [(3 * room, 3 * room + 1)] for room in range(8)}
    claims = [Claim(str(n), n % 7, n % 7 + 9) for n in range(9)]
    with pytest.raises(UndecidedError):
        assign(range(8), shut, claims, most_steps=1)


def test_what_is_shut_long_after_makes_no_room_another_one() -> None:
    """A search that told the rooms apart by it would give up; its steps would cost more, too."""
    later = {room: [(100 + room, 101 + room)] for room in range(9)}
    sold = [Claim(f"sold {room}", 200 + room, 201 + room, room, fixed=True) for room in range(9)]
    assert assign(range(9), later, [*sold, *(Claim(str(n), n % 2, 9) for n in range(10))]) is None
