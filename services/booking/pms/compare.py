"""Both sides' bookings side by side, and every difference between them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from services.booking.domain import ReservationState
from services.booking.pms.ledger import Ours
from services.booking.pms.port import PmsBooking
from services.booking.pms.store import PREFIX, key_of

GONE = frozenset(
    {
        ReservationState.CANCELLED,
        ReservationState.REFUSED,
        ReservationState.LAPSED,
        ReservationState.NO_SHOW,
    }
)
"""What the hotel's own system must not have any more."""
PAST = frozenset({ReservationState.CHECKED_OUT})


class DifferenceKind(Enum):
    """What is wrong with a booking."""

    MISSING_THERE = "MISSING_THERE"
    NOT_WANTED_THERE = "NOT_WANTED_THERE"
    TWICE_THERE = "TWICE_THERE"
    OTHER_DATES = "OTHER_DATES"
    OTHER_ROOMS = "OTHER_ROOMS"
    UNKNOWN_HERE = "UNKNOWN_HERE"
    ROOM_TYPE_NOT_MAPPED = "ROOM_TYPE_NOT_MAPPED"


@dataclass(frozen=True, slots=True)
class Difference:
    """One booking on which the sides do not agree."""

    kind: DifferenceKind
    reservation_id: str
    confirmation_code: str
    booking_id: str
    here: str
    there: str


def reservation_of(key: str) -> UUID | None:
    """The reservation that a key of ours names."""
    if not key.startswith(PREFIX):
        return None
    try:
        return UUID(key.removeprefix(PREFIX))
    except ValueError:
        return None


def differences(
    ours: Iterable[Ours], theirs: Iterable[PmsBooking], mapping: Mapping[str, str]
) -> list[Difference]:
    """Every difference; what is still under way is none."""
    there = defaultdict(list)
    found = []
    mapped = set(mapping.values())
    for booking in theirs:
        if booking.active and booking.key:
            there[booking.key].append(booking)
        elif booking.active and not mapped.issuperset(booking.type_ids):
            found.append(_about(DifferenceKind.ROOM_TYPE_NOT_MAPPED, None, booking))
    for one in ours:
        bookings = there.pop(key_of(one.reservation_id), [])
        if one.settled and one.state not in PAST:
            found += _of_one(one, bookings, mapping)
    for bookings in there.values():
        found += [_about(DifferenceKind.UNKNOWN_HERE, None, one) for one in bookings]
    return found


def _of_one(
    one: Ours, bookings: list[PmsBooking], mapping: Mapping[str, str]
) -> Iterable[Difference]:
    if one.state in GONE:
        return [_about(DifferenceKind.NOT_WANTED_THERE, one, booking) for booking in bookings]
    if not bookings:
        return [_about(DifferenceKind.MISSING_THERE, one, None)]
    if len(bookings) > 1:
        return [_about(DifferenceKind.TWICE_THERE, one, booking) for booking in bookings]
    (booking,) = bookings
    if (booking.check_in, booking.check_out) != (one.stay.check_in, one.stay.check_out):
        return [_about(DifferenceKind.OTHER_DATES, one, booking)]
    if sorted(mapping.get(kind, "") for kind in one.room_type_ids) != sorted(booking.type_ids):
        return [_about(DifferenceKind.OTHER_ROOMS, one, booking)]
    return []


def _about(kind: DifferenceKind, one: Ours | None, booking: PmsBooking | None) -> Difference:
    here = there = ""
    if one is not None:
        rooms = ", ".join(one.room_type_ids)
        here = f"{one.state.value} {one.stay.check_in} to {one.stay.check_out}: {rooms}"
    if booking is not None:
        rooms = ", ".join(booking.type_ids)
        there = f"{booking.check_in} to {booking.check_out}: {rooms}"
    return Difference(
        kind,
        str(one.reservation_id) if one else "",
        one.confirmation_code if one else "",
        booking.booking_id if booking else "",
        here,
        there,
    )
