"""Was what guests were told true when they were told it? Judged from the transcript.

Each text that left messaging is taken apart into what it says (`SAYINGS`, by the very
phrases that messaging speaks with); each of these is held against the hotel's own
system and our database as both were at that time. A text with nothing in it that is
judged, or known to claim nothing, is reported as well: nothing goes by unseen.

What stays true for good (confirmed, refused, cancelled) must be so when the text leaves;
what may pass (held, pending, sold out) must have been so at some moment since the guest
wrote, or since an answer that could still be used was given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from meshkit.money import Money
from services.messaging.replies import amounts, texts
from services.messaging.replies.phrase import Phrase

HOTEL_ZONE = ZoneInfo("Europe/Madrid")
SOLD_FROM_SECONDS = 61.0
"""An answer of the hotel's system may be told for a minute; and a second for its own staleness."""
ASKED_AGAIN_SECONDS = 7.0
"""Before a room is refused it is asked for again, unless it was five seconds ago."""
TAKING = ("PENDING_PMS", "CONFIRMED")
"""States of a reservation that has its nights."""
SHOWN_SECONDS = 900.0
"""So old may be what is shown as free."""


@dataclass(frozen=True)
class Lock:
    """A room that was kept for a guest."""

    guest_id: str
    room_type_id: str
    check_in: date
    check_out: date
    create_time: float
    expire_time: float
    end_time: float
    """When it was given back, sold or over."""

    def live(self, moment: float) -> bool:
        return self.create_time <= moment < self.end_time


class Event(NamedTuple):
    """What a reservation became, and when."""

    time: float
    state: str


@dataclass(frozen=True)
class Reservation:
    """A reservation of ours with its past."""

    key: str
    code: str
    guest_id: str
    room_type_id: str
    check_in: date
    check_out: date
    events: Sequence[Event]

    def state(self, moment: float) -> str:
        """What it was then; empty before it was."""
        return next((one.state for one in reversed(self.events) if one.time <= moment), "")

    def was(self, state: str, since: float, until: float) -> bool:
        """Whether it was so at some moment between these."""
        return self.state(since) == state or any(
            one.state == state and since <= one.time <= until for one in self.events
        )


@dataclass(frozen=True)
class Version:
    """A booking in the hotel's system from a moment on."""

    time: float
    booking_id: str
    key: str
    code: str
    room_type_id: str
    check_in: date
    check_out: date
    active: bool
    total: Decimal


@dataclass(frozen=True)
class Wish:
    """What one guest wanted, all along."""

    guest_id: str
    room_name: str
    room_type_id: str
    check_in: date
    check_out: date


@dataclass
class World:
    """Both sides with their past, by our room types."""

    locks: list[Lock]
    reservations: list[Reservation]
    versions: list[Version]
    rooms_here: Mapping[str, int]
    rooms_there: Mapping[str, int]
    began: float
    """Nobody had asked the hotel's system before."""

    def there(self, moment: float) -> list[Version]:
        """The hotel's bookings as they were then."""
        last = {one.booking_id: one for one in self.versions if one.time <= moment}
        return [one for one in last.values() if one.active]

    def about(self, wish: Wish) -> World:
        """The part of it that has to do with the nights that a guest wanted."""

        def theirs(one: Lock | Reservation | Version) -> bool:
            same = one.room_type_id == wish.room_type_id
            return same and one.check_in < wish.check_out and one.check_out > wish.check_in

        return replace(
            self,
            locks=[one for one in self.locks if theirs(one)],
            reservations=[one for one in self.reservations if theirs(one)],
            versions=[one for one in self.versions if theirs(one)],
        )

    def moments(self, since: float, until: float) -> Iterator[float]:
        """The beginning and every change after it."""
        yield since
        times = [event.time for one in self.reservations for event in one.events]
        times += [moment for one in self.locks for moment in (one.create_time, one.end_time)]
        times += [one.time for one in self.versions]
        yield from (one for one in times if since <= one <= until)

    def full(self, wish: Wish, moment: float) -> bool:
        """Whether a side, `about` the wish, had no room on one of its nights then."""
        nights = [
            wish.check_in + timedelta(days=n) for n in range((wish.check_out - wish.check_in).days)
        ]
        there = self.there(moment)
        strangers = [one for one in there if not one.key.startswith("cj:")]
        ours: list[Lock | Reservation] = [one for one in self.locks if one.live(moment)]
        ours += [one for one in self.reservations if one.state(moment) in TAKING]
        return any(
            _on(there, night) >= self.rooms_there[wish.room_type_id]
            or _on(ours, night) + _on(strangers, night) >= self.rooms_here[wish.room_type_id]
            for night in nights
        )


@dataclass(frozen=True)
class Told:
    """A text as it left messaging, and when its guest had last written."""

    wish: Wish
    asked: float
    time: float
    body: str
    rows: Sequence[str] = ()
    """The titles of the rooms that it offers."""


@dataclass
class Judgement:
    """What was said how often, and what of it was not true."""

    said: dict[str, int] = field(default_factory=dict)
    lies: list[str] = field(default_factory=list)


Judge = Callable[[World, Told, Mapping[str, str]], bool]


def judged(world: World, transcript: Iterable[Told]) -> Judgement:
    """All texts held against the world."""
    judgement = Judgement()
    for told in transcript:
        found = [
            (name, judge, match.groupdict())
            for name, (pattern, judge) in SAYINGS.items()
            if (match := pattern.search(told.body))
        ]
        if not found:
            judgement.lies.append(f"nobody judges: {told.body}")
        for name, judge, values in found:
            judgement.said[name] = judgement.said.get(name, 0) + 1
            if not judge(world, told, values):
                judgement.lies.append(
                    f"{name} at {told.time:.3f}, asked at {told.asked:.3f}: {told}"
                )
    return judgement


def _on(stays: Iterable[Lock | Reservation | Version], night: date) -> int:
    return sum(one.check_in <= night < one.check_out for one in stays)


def _mine(world: World, told: Told) -> list[Reservation]:
    return [one for one in world.reservations if one.guest_id == told.wish.guest_id]


def _locks(world: World, told: Told) -> list[Lock]:
    wish = told.wish
    return [
        one
        for one in world.locks
        if (one.guest_id, one.room_type_id) == (wish.guest_id, wish.room_type_id)
        and (one.check_in, one.check_out) == (wish.check_in, wish.check_out)
    ]


def _kept(world: World, told: Told, values: Mapping[str, str]) -> bool:
    """A room of that type is held for this guest, for no shorter than it says."""
    live = [one for one in _locks(world, told) if one.live(told.time)]
    until = {
        datetime.fromtimestamp(one.expire_time, HOTEL_ZONE).strftime("%H:%M").lstrip("0")
        for one in live
    }
    (said,) = re.findall(r"\d{1,2}:\d{2}", values["until"])
    return said.lstrip("0") in until and values["name"] == told.wish.room_name


def _pending(world: World, told: Told, _: Mapping[str, str]) -> bool:
    return any(one.was("PENDING_PMS", told.asked, told.time) for one in _mine(world, told))


def _confirmed(world: World, told: Told, values: Mapping[str, str]) -> bool:
    """Ours is confirmed, and theirs is there under the same code, for the nights and the price."""
    mine = [one for one in _mine(world, told) if one.code == values["code"]]
    if not mine or mine[0].state(told.time) != "CONFIRMED":
        return False
    there = [one for one in world.there(told.time) if one.key == mine[0].key]
    wish = told.wish
    return any(
        one.code == values["code"]
        and (one.room_type_id, one.check_in, one.check_out)
        == (wish.room_type_id, wish.check_in, wish.check_out)
        and amounts.money(Money(one.total, "EUR"), "es") == values["total"]
        for one in there
    )


def _stands(world: World, told: Told, values: Mapping[str, str]) -> bool:
    """The reservation is there, or still asked for."""
    return any(
        one.code == values["code"]
        and (
            one.was("CONFIRMED", told.asked, told.time)
            or one.was("PENDING_PMS", told.asked, told.time)
        )
        for one in _mine(world, told)
    )


def _refused(world: World, told: Told, _: Mapping[str, str]) -> bool:
    """It is refused for good, and never was certain."""
    return any(
        one.state(told.time) == "REFUSED" and all(was.state != "CONFIRMED" for was in one.events)
        for one in _mine(world, told)
    )


def _cancelled(world: World, told: Told, values: Mapping[str, str]) -> bool:
    return any(
        one.code == values["code"] and one.state(told.time) == "CANCELLED"
        for one in _mine(world, told)
    )


def _released(world: World, told: Told, _: Mapping[str, str]) -> bool:
    return any(one.end_time <= told.time for one in _locks(world, told))


def _full(within: float) -> Judge:
    def judge(world: World, told: Told, _: Mapping[str, str]) -> bool:
        about = world.about(told.wish)
        moments = about.moments(told.asked - within, told.time)
        return any(about.full(told.wish, moment) for moment in moments)

    return judge


def _offered(world: World, told: Told, _: Mapping[str, str]) -> bool:
    """What is offered, unless as subject to confirmation, was free."""
    wish = told.wish
    if wish.room_name not in told.rows or SAYINGS["UNCONFIRMED"][0].search(told.body):
        return True
    about = world.about(wish)
    moments = about.moments(max(told.time - SHOWN_SECONDS, world.began), told.time)
    return not all(about.full(wish, moment) for moment in moments)


def _claims_nothing(_: World, __: Told, ___: Mapping[str, str]) -> bool:
    return True


def _pattern(phrase: Phrase) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", phrase.es)
    words = [re.escape(one) if n % 2 == 0 else f"(?P<{one}>.+?)" for n, one in enumerate(parts)]
    return re.compile("".join(words))


SAYINGS: dict[str, tuple[re.Pattern[str], Judge]] = {
    name: (_pattern(getattr(texts, name)), judge)
    for name, judge in {
        "OFFER": _offered,
        "UNCONFIRMED": _claims_nothing,
        "WISH_SOLD_OUT": _full(SOLD_FROM_SECONDS),
        "NONE_FREE": _full(SOLD_FROM_SECONDS),
        "JUST_TAKEN": _full(ASKED_AGAIN_SECONDS),
        "KEPT": _kept,
        "RELEASED": _released,
        "HOTEL_ASKED": _pending,
        "STILL_ASKING": _pending,
        "CONFIRMED": _confirmed,
        "HOTEL_REFUSED": _refused,
        "RESERVATION": _stands,
        "CANCELLED": _cancelled,
        "CANNOT_CHECK": _claims_nothing,
        "CANNOT_LOCK": _claims_nothing,
        "CANNOT_CONFIRM": _claims_nothing,
        "CANNOT_CANCEL": _claims_nothing,
        "ASK_CANCEL": _claims_nothing,
        "OTHER_STAYS": _claims_nothing,
        "TRY_OTHER_DATES": _claims_nothing,
    }.items()
}
"""Everything a guest of such a run may be told; a text without any of it is reported."""
