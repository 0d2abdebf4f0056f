"""Rooms out of order, and what was sold beyond the rooms there are.

Knows neither wire nor storage.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from meshkit.errors import InvalidArgument, MeshError
from services.booking.domain import refusal

MOST_NAMED = 10
"""So many reservations and locks are named in a refusal."""
MAX_NIGHTS_SHUT = 1100


@dataclass(frozen=True, slots=True)
class Span:
    """The nights from `first` to `last`, both included."""

    first: dt.date
    last: dt.date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise InvalidArgument.field("last_night_date", "is before the first night")
        if (self.last - self.first).days >= MAX_NIGHTS_SHUT:
            raise InvalidArgument.field("last_night_date", f"at most {MAX_NIGHTS_SHUT} nights")

    @property
    def end(self) -> dt.date:
        """The day after the last night."""
        return self.last + dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Closure:
    """A room that is not sold on some nights."""

    closure_id: UUID
    tenant_id: str
    room_id: str
    room_number: str
    room_type_id: str
    nights: Span
    reason: str
    actor_id: str
    create_time: dt.datetime
    end_time: dt.datetime | None
    """When the room was opened again."""

    @property
    def place(self) -> Place:
        """Its place in the list."""
        return Place(self.nights.first, self.closure_id)


class Place(NamedTuple):
    """Where a page of closures ended: they go by first night."""

    first: dt.date
    closure_id: UUID


@dataclass(frozen=True, slots=True)
class Debt:
    """A night on which more is sold than there is."""

    night: dt.date
    room_type_id: str
    room_count: int
    """How many rooms too many."""
    reservation_ids: Sequence[UUID]
    """Who has no room that night."""


FIRST = Place(dt.date(1, 1, 1), UUID(int=0))
"""Before the first closure of any list."""


def sold(reservations: Sequence[str], locks: Sequence[str]) -> MeshError:
    """The refusal to shut a room that is needed, with who would have none."""
    facts = {"reservations": reservations, "locks": locks}
    return refusal(
        "ROOM_SOLD", {name: ", ".join(keys[:MOST_NAMED]) for name, keys in facts.items() if keys}
    )
