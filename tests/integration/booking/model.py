"""What a small hotel should know: who holds and who has booked, and whether there is a room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from uuid import UUID

from services.booking.domain import Lock, Reservation

ROOMS = {"single": 2, "double": 3}
NIGHTS = 8
LIVE_LOCKS = 2


@dataclass(frozen=True)
class Claim:
    """A room of a type for the nights `[first, end)`, counted from today."""

    kind: str
    first: int
    end: int
    room: str = ""
    """This very room: sold as such, shut, or with the guest inside."""


@dataclass(eq=False)
class ModelLock:
    """A granted lock, as the model knows it."""

    lock: Lock
    guest: str
    claims: tuple[Claim, ...]
    live: bool = True
    """In its time, and neither released nor converted."""
    ended: str = ""
    """RELEASED or CONVERTED."""


@dataclass(eq=False)
class ModelStay:
    """A reservation, as the model knows it."""

    reservation: Reservation
    claims: tuple[Claim, ...]
    inside: bool = False
    occupying: bool = True


@dataclass
class Model:
    """Everything that a hotel knows."""

    locks: list[ModelLock] = field(default_factory=list)
    stays: list[ModelStay] = field(default_factory=list)
    shut: dict[UUID, Claim] = field(default_factory=dict)
    prices: dict[tuple[str, int], Decimal] = field(default_factory=dict)

    def guests(self, without: ModelStay | None = None) -> Iterator[Claim]:
        """Everybody who needs a room."""
        for lock in self.locks:
            if lock.live:
                yield from lock.claims
        for stay in self.stays:
            if stay.occupying and stay is not without:
                yield from stay.claims

    def free(self, kind: str, night: int, without: ModelStay | None = None) -> int:
        """What the counters of a night should leave."""
        taken = [*self.guests(without), *self.shut.values()]
        return ROOMS[kind] - sum(one.kind == kind and one.first <= night < one.end for one in taken)

    def counts(self, claims: Sequence[Claim], without: ModelStay | None = None) -> bool:
        """Whether every night has enough rooms for these as well."""
        return all(
            self.free(one.kind, night, without)
            >= sum(other.kind == one.kind and other.first <= night < other.end for other in claims)
            for one in claims
            for night in range(one.first, one.end)
        )

    def fits(
        self,
        claims: Sequence[Claim] = (),
        shut: Sequence[Claim] = (),
        without: ModelStay | None = None,
    ) -> bool:
        """Whether everybody can have a room, and these as well, and with these rooms shut."""
        every = [*self.guests(without), *self.shut.values(), *claims, *shut]
        return all(
            _fit(kind, tuple(sorted(_plain(one) for one in every if one.kind == kind)))
            for kind in ROOMS
        )

    def holds(self, guest: str) -> int:
        """How many live locks a guest has."""
        return sum(one.live and one.guest == guest for one in self.locks)


def _plain(claim: Claim) -> tuple[int, int, str]:
    return claim.first, claim.end, claim.room


@cache
def _fit(kind: str, claims: tuple[tuple[int, int, str], ...]) -> bool:
    """By force: every claim in every room, those of a room in particular first."""
    rooms = [f"{kind}-{number + 1}" for number in range(ROOMS[kind])]
    taken: dict[str, set[int]] = {room: set() for room in rooms}
    order = sorted(claims, key=lambda one: (not one[2], one))
    failed: set[tuple[int, frozenset[tuple[str, frozenset[int]]]]] = set()

    def place(number: int) -> bool:
        if number == len(order):
            return True
        state = (number, frozenset((room, frozenset(taken[room])) for room in rooms))
        if state in failed:
            return False
        first, end, only = order[number]
        nights = set(range(first, end))
        for room in (only,) if only else rooms:
            if taken[room].isdisjoint(nights):
                taken[room] |= nights
                if place(number + 1):
                    return True
                taken[room] -= nights
        failed.add(state)
        return False

    return place(0)
