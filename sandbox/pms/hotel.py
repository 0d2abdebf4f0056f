"""What a fake system knows: hotels, their rooms, and bookings with their whole past."""

import datetime as dt
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

MOST_BOOKINGS = 100_000
"""Kept in memory; beyond, it says that it is full."""


class Refusal(Exception):  # noqa: N818 - a refusal, in the words of the document
    """The request cannot be had, with the status and the reason of the document."""

    def __init__(self, status: int, reason: str, message: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.message = message or reason.replace("_", " ").capitalize() + "."


@dataclass(frozen=True)
class RoomType:
    """One type of rooms."""

    room_type_id: str
    name: str
    max_guest_count: int
    room_count: int
    price: str = "100.00"


@dataclass(frozen=True)
class Booking:
    """A booking as it was at one moment."""

    booking_id: str
    key: str
    confirmation_code: str
    state: str
    check_in: dt.date
    check_out: dt.date
    rooms: Sequence[Mapping[str, Any]]
    total: str
    currency_code: str
    email: str = ""

    def to_json(self) -> dict[str, Any]:
        """As the document has it."""
        return {
            "booking_id": self.booking_id,
            "key": self.key,
            "confirmation_code": self.confirmation_code,
            "state": self.state,
            "check_in": str(self.check_in),
            "check_out": str(self.check_out),
            "rooms": [dict(room) for room in self.rooms],
            "total": self.total,
            "currency_code": self.currency_code,
        }


@dataclass
class Hotel:
    """One property; every change of a booking is kept with its time and its number."""

    property_id: str
    secret: str
    name: str = "Hotel"
    currency_code: str = "EUR"
    room_types: dict[str, RoomType] = field(default_factory=dict)
    idempotent: bool = True
    requests_per_second: float = 50.0
    past: dict[str, list[tuple[float, int, Booking]]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    changed: int = 0
    notices_url: str = ""
    """Where its changes are told; empty: nowhere."""
    notices_secret: str = ""
    """What they are signed with, such as `whsec_…`."""
    on_change: Callable[[], None] = lambda: None

    def bookings(self, ago: float = 0.0) -> list[Booking]:
        """All of them, as they were so many seconds ago."""
        moment = time.monotonic() - ago
        seen = [
            next((one for when, _, one in reversed(versions) if when <= moment), None)
            for versions in self.past.values()
        ]
        return [one for one in seen if one is not None]

    def booking(self, booking_id: str) -> Booking:
        """The booking as it is."""
        if booking_id not in self.past:
            raise Refusal(404, "BOOKING_UNKNOWN")
        return self.past[booking_id][-1][2]

    def free(self, type_id: str, night: dt.date, ago: float = 0.0, but: str = "") -> int:
        """Rooms of a type that are left on a night, one booking left out."""
        taken = sum(
            sum(room["room_type_id"] == type_id for room in one.rooms)
            for one in self.bookings(ago)
            if one.state == "booked"
            and one.check_in <= night < one.check_out
            and one.booking_id != but
        )
        return self.room_types[type_id].room_count - taken

    def create(self, wanted: Mapping[str, Any], *, again: bool = False) -> tuple[Booking, bool]:
        """A booking, and whether it is new; `again` forgets that the key was seen."""
        key = str(wanted["key"])
        if self.idempotent and not again:
            for one in self.bookings():
                if one.key == key and one.state == "booked":
                    return one, False
        self.check(wanted)
        return self.write(wanted), True

    def write(self, wanted: Mapping[str, Any]) -> Booking:
        """A new booking, whether there is a room or not."""
        if len(self.past) >= MOST_BOOKINGS:
            raise Refusal(503, "FULL")
        made = _booking(f"b-{next(self.numbers)}", str(wanted["key"]), wanted)
        self.keep(made)
        return made

    def modify(self, booking_id: str, wanted: Mapping[str, Any]) -> Booking:
        """The booking with other dates or rooms."""
        had = self.booking(booking_id)
        if had.state != "booked":
            raise Refusal(409, "CANCELLED")
        self.check(wanted, but=booking_id)
        told = {**wanted, "confirmation_code": had.confirmation_code}
        self.keep(_booking(booking_id, had.key, told))
        return self.booking(booking_id)

    def cancel(self, booking_id: str) -> Booking:
        """The booking, cancelled."""
        had = self.booking(booking_id)
        if had.state == "booked":
            self.keep(replace(had, state="cancelled"))
        return self.booking(booking_id)

    def keep(self, booking: Booking) -> None:
        """One more version of a booking."""
        self.changed += 1
        versions = self.past.setdefault(booking.booking_id, [])
        versions.append((time.monotonic(), self.changed, booking))
        self.on_change()

    def since(self, cursor: int | None, today: dt.date) -> list[Booking]:
        """What changed after a cursor; without one, what is booked from today on."""
        if cursor is None:
            return [
                one for one in self.bookings() if one.check_out > today and one.state == "booked"
            ]
        return [versions[-1][2] for versions in self.past.values() if versions[-1][1] > cursor]

    def check(self, wanted: Mapping[str, Any], but: str = "") -> None:
        """Refuse what cannot be had."""
        check_in, check_out = (dt.date.fromisoformat(wanted[d]) for d in ("check_in", "check_out"))
        if not 1 <= (check_out - check_in).days <= 400:
            raise Refusal(422, "BAD_DATES", "check_out must be 1 to 400 days after check_in")
        if wanted["currency_code"] != self.currency_code:
            raise Refusal(422, "BAD_CURRENCY", f"this hotel sells in {self.currency_code}")
        asked = [str(room["room_type_id"]) for room in wanted["rooms"]]
        for room in wanted["rooms"]:
            kind = self.room_types.get(str(room["room_type_id"]))
            if kind is None:
                raise Refusal(422, "ROOM_TYPE_UNKNOWN")
            if room["adult_count"] + room["child_count"] > kind.max_guest_count:
                raise Refusal(422, "TOO_MANY_GUESTS")
        for night in nights(check_in, check_out):
            if any(self.free(one, night, but=but) < asked.count(one) for one in set(asked)):
                raise Refusal(409, "SOLD_OUT")


def nights(check_in: dt.date, check_out: dt.date) -> list[dt.date]:
    """The nights of a stay."""
    return [check_in + dt.timedelta(days=day) for day in range((check_out - check_in).days)]


def hotel_from(fields: Mapping[str, Any]) -> Hotel:
    """A hotel from what the control API was told; TypeError or KeyError when it is not whole."""
    given = dict(fields)
    types = [RoomType(**one) for one in given.pop("room_types", ())]
    return Hotel(**given, room_types={one.room_type_id: one for one in types})


def _booking(booking_id: str, key: str, wanted: Mapping[str, Any]) -> Booking:
    return Booking(
        booking_id=booking_id,
        key=key,
        confirmation_code=str(wanted.get("confirmation_code", "")),
        state="booked",
        check_in=dt.date.fromisoformat(wanted["check_in"]),
        check_out=dt.date.fromisoformat(wanted["check_out"]),
        rooms=tuple(wanted["rooms"]),
        total=str(wanted["total"]),
        currency_code=str(wanted["currency_code"]),
        email=str(wanted.get("email", "")),
    )
