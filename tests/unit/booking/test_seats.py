"""How many more find a room near pins, compared with an assignment of everybody."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.booking.rooms import seats
from services.booking.rooms.assigning import Claim, Nights, assign
from services.booking.rooms.seats import Seats
from tests.unit.booking.test_assigning import hotels, nights


@given(hotels(), nights, st.integers(0, 4), st.integers(0, 9))
@settings(max_examples=100)
def test_so_many_more_are_free_as_could_be_assigned(
    hotel: tuple[list[int], dict[int, list[Nights]], list[Claim]],
    stay: Nights,
    at_most: int,
    before: int,
) -> None:
    """Some are there before the night that nights are counted from."""
    rooms, shut, claims = hotel
    placed = assign(rooms, shut, claims)
    assume(placed is not None)
    assert placed is not None
    claims = [replace(one, room=placed[one.key]) for one in claims]
    new = [Claim(f"new {number}", *stay) for number in range(at_most)]
    fitting = (
        count for count in range(at_most, 0, -1) if assign(rooms, shut, [*claims, *new[:count]])
    )
    first, end = stay[0] - before, stay[1] - before
    assert seated(rooms, shut, claims, before).most(first, end, at_most) == next(fitting, 0)


def seated(
    rooms: list[int], shut: dict[int, list[Nights]], claims: list[Claim], before: int
) -> Seats:
    """The hotel as a search reads it, so many nights after the first of the claims; no room is
    shut twice for one night."""
    walls = {
        (room, night, night + 1, True)
        for room, every in shut.items()
        for first, end in every
        for night in range(first, end)
    }
    guests = ((one.room, one.first, one.end, one.fixed) for one in claims)
    taken = [(room, a - before, b - before, fixed) for room, a, b, fixed in (*walls, *guests)]
    return Seats(rooms, taken)


def test_who_is_there_on_other_nights_makes_room_too() -> None:
    """Room 1 is free for all nights only when the second guest moves, and the third for that."""
    taken = [(2, 4, 5, True), (1, 0, 2, False)]
    assert Seats([1, 2], taken).most(0, 6, 1) == 1
    assert Seats([1, 2], [(2, 4, 5, True), (1, 0, 2, True)]).most(0, 6, 1) == 0


def test_where_a_search_would_take_long_only_those_who_are_there_move() -> None:
    """What is not found is not free; what is empty anyhow is."""
    rooms = list(range(100))
    walls = [(room, 3 * (room % 20), 3 * (room % 20) + 1, True) for room in rooms]
    guests = [(room, night, night + 1, False) for room in rooms for night in range(70, 76)]
    big = Seats(rooms, [*walls, *guests])
    assert len(rooms) * len(big.taken) > seats.MOST_PLACES
    assert big.most(61, 64, 100) == 100
    assert big.most(70, 71, 0) == 0
    assert big.most(0, 60, 1) == 0
