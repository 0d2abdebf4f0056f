"""How many more can sleep in a room type near pins, as it was read with its counters.

Knows neither wire nor storage, and changes nothing: whoever takes a room searches again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from services.booking.rooms.assigning import Claim, UndecidedError, assign

MOST_PLACES = 5_000
"""Rooms times claims, and rooms times steps of a search: a search waits for an answer."""

NEARBY_DAYS = (0, 4)

Seat = tuple[int | None, int, int, bool]
"""The room that is had, the first night, the departure, and whether it has to be this room."""


@dataclass(frozen=True, slots=True)
class Seats:
    """The rooms of a type, and who needs one: guests, and what is shut, which has to be there.

    Who was sold a room that is not there is not in it: such a one is in nobody's way.
    """

    rooms: Sequence[int]
    taken: Sequence[Seat]
    _found: dict[tuple[int, int, int], int] = field(default_factory=dict, compare=False, repr=False)

    def most(self, first: int, end: int, at_most: int) -> int:
        """So many more can have a room on the nights `[first, end)`; counters say `at_most`.

        Only those count who are known to find one before the search gives up.
        """
        asked = (first, end, at_most)
        if asked not in self._found:
            self._found[asked] = self._most(*asked)
        return self._found[asked]

    def _most(self, first: int, end: int, at_most: int) -> int:
        claims = [
            Claim(str(number), a, b, room, fixed)
            for number, (room, a, b, fixed) in enumerate(self.taken)
        ]
        low, high = min(self._empty(first, end), at_most), at_most
        if len(self.rooms) * len(claims) > MOST_PLACES:
            # Too much to try every number: only whether there is one at all.
            high = max(low, 1)
        while low < high:
            count = (low + high + 1) // 2
            if self._fits(claims, first, end, count):
                low = count
            else:
                high = count - 1
        return low

    def _empty(self, first: int, end: int) -> int:
        """Rooms that are empty on all of the nights with everybody where they are."""
        here = {room for room, a, b, _ in self.taken if a < end and first < b}
        return 0 if None in here else sum(room not in here for room in self.rooms)

    def _fits(self, claims: Sequence[Claim], first: int, end: int, count: int) -> bool:
        new = [Claim(f"new {number}", first, end) for number in range(count)]
        # Mostly those who are there, or soon before and after, need to move.
        for days in NEARBY_DAYS:
            moving = [
                one
                if one.first < end + days and first - days < one.end
                else replace(one, fixed=one.room is not None)
                for one in claims
            ]
            if self._assigned([*moving, *new]):
                return True
        if len(self.rooms) * len(claims) > MOST_PLACES:
            return False
        # Perhaps not even if nobody else were there on other nights: that is soon found out.
        here = [one for one in claims if one.first < end and first < one.end]
        return self._assigned([*here, *new]) is not False and bool(self._assigned([*claims, *new]))

    def _assigned(self, claims: Sequence[Claim]) -> bool | None:
        """Whether there are rooms for all of them; None when the search gave up."""
        try:
            steps = MOST_PLACES // max(len(self.rooms), 1)
            return assign(self.rooms, {}, claims, steps, thrifty=False) is not None
        except UndecidedError:
            return None
