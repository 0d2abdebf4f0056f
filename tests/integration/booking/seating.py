"""Rooms for everybody by trying them all: for hotels that are small."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.booking.domain import Stay
from services.booking.inventory.domain import SoldType


@dataclass(eq=False)
class Sleeper:
    """Who needs a room for some nights; a room that is shut is slept in by nobody else."""

    room_type_id: str
    stay: Stay
    room_id: str = ""
    fixed: bool = False
    """It has to be this room."""


def seated(
    types: Mapping[str, SoldType], everybody: Sequence[Sleeper]
) -> dict[Sleeper, str] | None:
    """A room for each, the one that is had where that goes; None when there is no way."""
    found: dict[Sleeper, str] = {}
    for kind in types.values():
        placed = _of_type(
            list(kind.rooms), [one for one in everybody if one.room_type_id == kind.room_type_id]
        )
        if placed is None:
            return None
        found |= placed
    return found


def _of_type(rooms: Sequence[str], sleepers: Iterable[Sleeper]) -> dict[Sleeper, str] | None:
    """All rooms tried for one after another, those who have no choice first."""
    placed: dict[Sleeper, str] = {}
    waiting = sorted(sleepers, key=lambda one: (not one.fixed, one.stay.check_in))
    hopeless: set[tuple[int, frozenset[tuple[str, dt.date]]]] = set()

    def place(number: int) -> bool:
        if number == len(waiting):
            return True
        who = waiting[number]
        # What is left depends on who is still in which room that night, and on whom it is fixed.
        still = frozenset(
            (room, one.stay.check_out)
            for one, room in placed.items()
            if one.stay.check_out > who.stay.check_in
        )
        if not who.fixed and (number, still) in hopeless:
            return False
        for room in sorted(rooms, key=lambda one: one != who.room_id):
            free = not any(it == room and overlap(one, who) for one, it in placed.items())
            if free and (not who.fixed or room == who.room_id):
                placed[who] = room
                if place(number + 1):
                    return True
                del placed[who]
        hopeless.add((number, still))
        return False

    return placed if place(0) else None


def seat(found: Mapping[Sleeper, str]) -> None:
    """Everybody into the room that was found."""
    for who, room in found.items():
        who.room_id = room


def overlap(one: Sleeper, other: Sleeper) -> bool:
    """Whether they cannot share a room."""
    return one.stay.check_in < other.stay.check_out and other.stay.check_in < one.stay.check_out
