"""Who sleeps in which room, so that everybody who was promised one has one.

While no room of a type is named beforehand the counters of its nights say all:
with as many rooms as the fullest night needs, the next to arrive always finds
one. A room that is shut for some nights, or sold as this very room, is a pin, and
with pins it takes a search. This one is complete: it finds an assignment when
there is one, unless it has to give up after so many steps.

Nights are numbers, rooms too. Knows neither wire nor storage.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

MOST_STEPS = 2_000
"""A step is one room tried for one guest, beyond one for each guest."""

Nights: TypeAlias = tuple[int, int]
"""From the first night on, up to and without the second number."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody who needs a room every night of `[first, end)`."""

    key: str
    first: int
    end: int
    room: int | None = None
    """The one that is had now."""
    fixed: bool = False
    """It has to be `room`: sold as this one, or the guest is inside."""


class UndecidedError(Exception):
    """The search gave up: nobody knows whether there is an assignment."""


def assign(
    rooms: Sequence[int],
    shut: Mapping[int, Sequence[Nights]],
    claims: Sequence[Claim],
    most_steps: int = MOST_STEPS,
    *,
    thrifty: bool = True,
) -> dict[str, int] | None:
    """The room of every claim, with as few moves as was found; None when there is no way.

    A move is a claim that had a room and gets another one; if not `thrifty`, any number
    will do. Raises `UndecidedError`.
    """
    walls = {room: list(shut.get(room, ())) for room in rooms}
    found: dict[str, int] = {}
    for claim in claims:
        if claim.fixed:
            room = claim.room
            if room is None or not _free(walls.get(room), claim):
                return None
            walls[room].append((claim.first, claim.end))
            found[claim.key] = room
    movable = sorted((one for one in claims if not one.fixed), key=lambda one: (one.first, one.end))
    for part in _parts(movable):
        near = _around(part, walls)
        placed = _as_they_are(part, near) or _search(part, near, most_steps, thrifty)
        if placed is None:
            return None
        found |= placed
    return found


def assign_most(
    rooms: Sequence[int],
    shut: Mapping[int, Sequence[Nights]],
    claims: Sequence[Claim],
    optional: Collection[str],
) -> tuple[dict[str, int], list[str]] | None:
    """Rooms for everybody, or for all but some of the `optional` keys, who are named then.

    None when those who must have a room cannot. Raises `UndecidedError`.
    """
    everybody = _try(rooms, shut, claims) if optional else assign(rooms, shut, claims)
    if everybody is not None or not optional:
        return None if everybody is None else (everybody, [])
    taken = [one for one in claims if one.key not in optional]
    found = assign(rooms, shut, taken)
    if found is None:
        return None
    left_out = []
    for claim in (one for one in claims if one.key in optional):
        more = _try(rooms, shut, [*taken, claim])
        if more is None:
            left_out.append(claim.key)
        else:
            taken.append(claim)
            found = more
    return found, left_out


def _try(
    rooms: Sequence[int], shut: Mapping[int, Sequence[Nights]], claims: Sequence[Claim]
) -> dict[str, int] | None:
    """An assignment, if one is found in time."""
    try:
        return assign(rooms, shut, claims)
    except UndecidedError:
        return None


def _free(walls: Sequence[Nights] | None, claim: Claim) -> bool:
    """Whether a room that there is has nobody on these nights."""
    return walls is not None and all(
        end <= claim.first or claim.end <= first for first, end in walls
    )


def _parts(claims: Sequence[Claim]) -> Iterator[list[Claim]]:
    """Runs of claims that overlap one with the next: one part does not care about another."""
    part: list[Claim] = []
    end = 0
    for claim in claims:
        if part and claim.first >= end:
            yield part
            part = []
        end = max(end, claim.end) if part else claim.end
        part.append(claim)
    if part:
        yield part


def _around(
    claims: Sequence[Claim], walls: Mapping[int, Sequence[Nights]]
) -> dict[int, list[Nights]]:
    """The walls on nights of the claims: by others nobody of them can tell the rooms apart."""
    first, end = claims[0].first, max(one.end for one in claims)
    return {
        room: [one for one in nights if one[0] < end and first < one[1]]
        for room, nights in walls.items()
    }


def _as_they_are(
    claims: Sequence[Claim], walls: Mapping[int, list[Nights]]
) -> dict[str, int] | None:
    """Everybody stays, and who has none takes a room that is free; None when that is not enough."""
    taken = {room: list(nights) for room, nights in walls.items()}
    found: dict[str, int] = {}
    for claim in claims:
        if claim.room is not None:
            if not _free(taken.get(claim.room), claim):
                return None
            taken[claim.room].append((claim.first, claim.end))
            found[claim.key] = claim.room
    for claim in claims:
        if claim.room is None:
            room = next((one for one in taken if _free(taken[one], claim)), None)
            if room is None:
                return None
            taken[room].append((claim.first, claim.end))
            found[claim.key] = room
    return found


def _search(
    claims: Sequence[Claim], walls: Mapping[int, list[Nights]], most_steps: int, thrifty: bool
) -> dict[str, int] | None:
    """Few moves first; if that takes too long, any way at all."""
    for few in (True, False) if thrifty else (False,):
        search = _Search(claims, walls, most_steps + len(claims), thrifty=few)
        search.run()
        if search.best is not None:
            return search.best
        if not search.cut:
            return None
    raise UndecidedError


@dataclass(slots=True)
class _Search:
    """Claims in order of arrival, each given the rooms that are empty by then, one after another.

    What was tried for the rest of the claims is remembered by when each room is
    empty: rooms that nobody can tell apart are tried once.
    """

    claims: Sequence[Claim]
    walls: Mapping[int, list[Nights]]
    most_steps: int
    thrifty: bool
    """Whether moves count. If not, the first way will do."""
    best: dict[str, int] | None = None
    cut: bool = False
    _empty_from: dict[int, int] = field(default_factory=dict)
    _chosen: list[tuple[int, int, int]] = field(default_factory=list)
    """By claim: its room, since when that was empty, what it costs."""
    _cost: int = 0
    _best_cost: int = 0
    _tried: dict[object, int] = field(default_factory=dict)
    _firsts: list[int] = field(default_factory=list)
    """The first night of each claim, which they go by."""
    _at_home: dict[int, list[int]] = field(default_factory=dict)
    """The places of the claims that have a room, by room."""

    def run(self) -> None:
        """Depth first, without recursion: a part may have more claims than a stack has frames."""
        # Nobody is in a room before the first arrives: nights are counted from any day.
        self._empty_from = dict.fromkeys(self.walls, self.claims[0].first)
        self._best_cost = len(self.claims) + 1
        self._firsts = [one.first for one in self.claims]
        self._at_home = {room: [] for room in self.walls}
        for place, claim in enumerate(self.claims):
            if claim.room in self._at_home:
                self._at_home[claim.room].append(place)
        frames = [self._candidates(0)]
        steps = 0
        while frames and self._best_cost > 0:
            if len(self._chosen) == len(frames):
                self._undo()
            choice = next(frames[-1], None)
            if choice is None:
                frames.pop()
                continue
            steps += 1
            if steps > self.most_steps:
                self.cut = True
                return
            self._choose(*choice)
            if len(self._chosen) == len(self.claims):
                self._keep()
            elif self._is_new():
                frames.append(self._candidates(len(self._chosen)))

    def _candidates(self, number: int) -> Iterator[tuple[int, int]]:
        """The rooms for a claim, each with what it costs: its own room first, then tight fits."""
        claim = self.claims[number]
        own = claim.room
        stays = own is not None and own in self.walls and self._fits(own, claim)
        if own is not None and stays and self._cost < self._best_cost:
            yield own, 0
        others = [room for room in self.walls if room != own and self._fits(room, claim)]
        others.sort(key=lambda room: self._strain(room, claim, number))
        cost = int(self.thrifty and own is not None)
        seen = set()
        for room in others:
            looks = self._looks(room, number, claim.first)
            if looks not in seen and self._cost + cost < self._best_cost:
                seen.add(looks)
                yield room, cost

    def _fits(self, room: int, claim: Claim) -> bool:
        return self._empty_from[room] <= claim.first and _free(self.walls[room], claim)

    def _strain(self, room: int, claim: Claim, number: int) -> tuple[int, int]:
        """How many would have to leave the room, and how much of it is left over before a wall."""
        leaving = 0
        if self.thrifty:
            home, until = self._at_home[room], bisect_left(self._firsts, claim.end)
            leaving = max(bisect_left(home, until) - bisect_right(home, number), 0)
        next_wall = min((a for a, _ in self.walls[room] if a >= claim.end), default=1 << 30)
        return leaving, next_wall - claim.end

    def _looks(self, room: int, number: int, night: int) -> object:
        """What can be told of a room by the claims from `number` on."""
        ahead = tuple(sorted(one for one in self.walls[room] if one[1] > night))
        if not self.thrifty:
            return max(self._empty_from[room], night), ahead
        # Whoever has a room has one alone: the next of a room's says all that come.
        home = self._at_home[room]
        liked = home[bisect_left(home, number) :][:1]
        return max(self._empty_from[room], night), ahead, *liked

    def _is_new(self) -> bool:
        """Whether the rest of the claims was not tried as cheaply with rooms like these."""
        number = len(self._chosen)
        night = self.claims[number].first
        looks = sorted(repr(self._looks(room, number, night)) for room in self.walls)
        place = (number, *looks)
        if self._tried.get(place, self._best_cost) <= self._cost:
            return False
        self._tried[place] = self._cost
        return True

    def _choose(self, room: int, cost: int) -> None:
        claim = self.claims[len(self._chosen)]
        self._chosen.append((room, self._empty_from[room], cost))
        self._empty_from[room] = claim.end
        self._cost += cost

    def _undo(self) -> None:
        room, empty_from, cost = self._chosen.pop()
        self._empty_from[room] = empty_from
        self._cost -= cost

    def _keep(self) -> None:
        self._best_cost = self._cost if self.thrifty else 0
        rooms = [room for room, _, _ in self._chosen]
        self.best = {claim.key: room for claim, room in zip(self.claims, rooms, strict=True)}
