"""Whatever guests write and tap, and whatever the booking service answers.

Of every step `Chat` checks that it gives exactly one reply or one command, that
a replay decides the same, that the state can be stored and that WhatsApp takes
the reply. Here it is checked as well that every number a guest reads is one
that the hotel's data or the guest has given.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.money import Money
from services.messaging.conversation.commands import Command
from services.messaging.conversation.events import EffectAnswer, GuestOther, GuestTap, GuestText
from services.messaging.conversation.outcomes import (
    Cancelled,
    CancelRefused,
    CommandFailed,
    ConfirmRefused,
    LockGranted,
    LockRefused,
    Outcome,
    Released,
    ReleaseRefused,
    ReservationConfirmed,
)
from services.messaging.conversation.queries import (
    Answer,
    Availability,
    Failed,
    Query,
    SearchAvailability,
)
from services.messaging.conversation.state_json import to_json
from services.messaging.replies.amounts import money
from services.messaging.replies.model import ListMenu, Reply, Row
from tests.unit.conversation.world import Chat, choices, think
from tests.unit.replies.hotels import mirador

PHONE = "+34 600 123 456"
TEXTS = st.one_of(
    st.sampled_from(
        [
            *("hola", "hello", "quiero una habitación doble del 10 al 12 de diciembre para 2"),
            *("room for two from Dec 10 to 12", "10/12 al 12/12", "2026-12-10 to 2026-12-14"),
            *("del 30 de diciembre al 2 de enero", "mañana por 2 noches", "this weekend"),
            *("next friday for 3 nights", "2 adultos y 1 niño", "mejor del 11 al 13", "somos 3"),
            *("doble", "the suite", "la primera", "2", "sí", "no", "ok gracias", "cancelar"),
            *("cancel my booking", "mis reservas", "cambiar", "otra vez", "empezar", "ayuda"),
            *("gracias", "english", "español", "del 31 de febrero al 2 de marzo", "8 adultos"),
            *("hasta el 15", "200 noches", "del 1 al 3 de enero de 2028", "2 habitaciones"),
            *("del 5 al 7 de enero de 9999", "99999999999 people", "2 dobles para 4"),
            *("2 rooms for 3 from Jan 5 to 7", "¿hay wifi el 12 de diciembre?"),
            *(PHONE, f"llámame al {PHONE}", "34600123456", "🙂", "", "\x00\ud800"),
        ]
    ),
    st.text(max_size=40),
)
REFUSALS = [
    *("SOLD_OUT", "TOO_MANY_GUESTS", "TOO_MANY_LOCKS", "ROOM_TYPE_UNKNOWN", "CHECK_IN_PAST"),
    *("BEYOND_HORIZON", "LOCK_EXPIRED", "PRICE_CHANGED", "LOCK_RELEASED", "LOCK_CONVERTED"),
    *("LOCK_UNKNOWN", "NOT_LOCK_OWNER", "STALE_FENCE", "RESERVATION_UNKNOWN", "NEW_REASON"),
]
OUTCOMES: st.SearchStrategy[Outcome] = st.one_of(
    st.just(CommandFailed("UNAVAILABLE")),
    st.just(Released()),
    st.just(Cancelled("res-1")),
    st.builds(LockRefused, st.sampled_from(REFUSALS), st.none() | st.just(date(2027, 5, 1))),
    st.builds(ReleaseRefused, st.sampled_from(REFUSALS)),
    st.builds(ConfirmRefused, st.sampled_from(REFUSALS)),
    st.builds(CancelRefused, st.sampled_from(REFUSALS)),
)
FAILURES = st.builds(
    Failed,
    st.sampled_from(["UNAVAILABLE", "INVALID_ARGUMENT", "NOT_FOUND"]),
    st.sampled_from(["", "CHECK_IN_PAST", "BEYOND_HORIZON", "PROPERTY_UNKNOWN"]),
    st.none() | st.just(date(2027, 5, 1)),
)
ACTIONS = st.one_of(
    st.tuples(st.just("write"), TEXTS),
    st.tuples(st.just("tap"), st.tuples(st.integers(0, 30), st.integers(0, 9))),
    st.tuples(st.just("tap id"), st.text(max_size=30)),
    st.tuples(st.just("send"), st.sampled_from(["audio", "reaction", "new"])),
    st.tuples(st.just("wait"), st.sampled_from([1, 25, 60 * 24, 60 * 24 * 20])),
    st.tuples(st.just("next outcome"), OUTCOMES),
    st.tuples(st.just("next answer"), FAILURES),
    st.tuples(st.just("ask"), st.tuples(st.sampled_from([0, 61, 73]), st.sampled_from([0, 97]))),
    st.tuples(st.just("sell"), st.sampled_from(["rt-1", "rt-2", "rt-3"])),
)


class Told:
    """Every number that a guest may read, as it was told to the conversation."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        # The longest stay and the largest party are limits of the booking service.
        self.numbers: set[str] = {"90", "20"}

    def day(self, day: date) -> None:
        self.numbers |= {str(day.day), str(day.year)}

    def stay(self, check_in: date, check_out: date) -> None:
        self.day(check_in)
        self.day(check_out)
        self.numbers.add(str((check_out - check_in).days))

    def price(self, *prices: Money) -> None:
        for price in prices:
            self.numbers |= digits(money(price, "es")) | digits(money(price, "en"))

    def time(self, moment: datetime) -> None:
        local = self.chat.hotel.local(moment)
        self.day(local.date())
        self.numbers |= {f"{local:%H}", f"{local:%M}", str(local.hour % 12 or 12)}

    def guests(self, *counts: int) -> None:
        self.numbers |= {str(count) for count in counts}

    def today(self) -> None:
        """Today, and the days of the example, which are counted from it."""
        today = self.chat.hotel.today
        for ahead in range(15):
            self.day(today + timedelta(days=ahead))

    def answer(self, query: Query, answer: Answer) -> None:
        if not isinstance(query, SearchAvailability):
            return
        self.stay(query.check_in, query.check_out)
        self.guests(query.adults, query.children)
        if isinstance(answer, Failed):
            if answer.last_night:
                self.day(answer.last_night)
            return
        assert isinstance(answer, Availability)
        for offer in answer.room_types:
            self.price(offer.total, *offer.nightly)
            self.guests(offer.free_count, offer.max_guests)
        for stay in answer.alternatives:
            self.stay(stay.check_in, stay.check_out)
            self.price(stay.total)

    def outcome(self, outcome: Outcome) -> None:
        if isinstance(outcome, LockGranted):
            self.price(outcome.total, *outcome.nightly)
            self.time(outcome.expire_time)
        if isinstance(outcome, ReservationConfirmed):
            self.price(outcome.total)
            self.numbers |= digits(outcome.code)
        if isinstance(outcome, ReservationConfirmed) and outcome.deposit:
            self.price(outcome.deposit.amount)
            self.time(outcome.deposit.due_time)
        if isinstance(outcome, CancelRefused) and outcome.penalty:
            self.price(outcome.penalty)
        if isinstance(outcome, LockRefused) and outcome.last_night:
            self.day(outcome.last_night)

    def draft(self) -> None:
        """What the guest has said, as it was understood."""
        draft = self.chat.state.draft
        for day in (draft.check_in, draft.check_out):
            if day is not None:
                self.day(day)
        if draft.check_in and draft.check_out:
            self.stay(draft.check_in, draft.check_out)
        self.guests(draft.adults or 0, draft.children)

    def check(self, reply: Reply) -> None:
        for text in visible(reply):
            assert digits(text) <= self.numbers, text


def digits(text: str) -> set[str]:
    return set(re.findall(r"\d+", text))


def visible(reply: Reply) -> Iterator[str]:
    yield reply.body
    yield from (title for _, title in choices(reply))
    rows: Iterable[Row] = reply.rows if isinstance(reply, ListMenu) else ()
    yield from (row.description for row in rows)


class AnyGuest:
    """Plays a list of actions against a desk that sometimes fails."""

    def __init__(self) -> None:
        self.chat = Chat()
        self.told = Told(self.chat)
        self.outcomes: list[Outcome] = []
        self.answers: list[Answer] = []
        self.chat.ask = self.search
        self.chat.do = self.do

    def search(self, query: Query) -> Answer:
        waiting = self.answers if isinstance(query, SearchAvailability) else []
        answer = waiting.pop() if waiting else self.chat.desk.search(query)
        self.told.answer(query, answer)
        return answer

    def do(self, command: Command) -> Outcome:
        assert self.chat.state.open is not None
        self.interrupts(command)
        outcome = self.outcomes.pop() if self.outcomes else self.chat.desk.do(command)
        self.told.outcome(outcome)
        return outcome

    def interrupts(self, command: Command) -> None:
        """What arrives while a command is open has no command of its own."""
        for event in (
            GuestText("sí"),
            GuestTap("retry"),
            EffectAnswer(command.number + 1, Released()),
        ):
            decision = think(self.chat.state, event, self.chat.hotel, self.chat.ask)
            assert decision.state == self.chat.state
            assert not decision.commands

    def plays(self, action: str, value: object) -> None:
        self.told.today()
        match action, value:
            case "write", str(text):
                self.happens(GuestText(text))
            case "tap", (int(back), int(place)):
                self.taps(back, place)
            case "tap id", str(reply_id):
                self.happens(GuestTap(reply_id))
            case "send", str(kind):
                self.happens(GuestOther(kind))
            case "wait", int(minutes):
                self.chat.later(minutes=minutes)
            case "ask", (int(penalty), int(deposit)):
                self.chat.desk.penalty, self.chat.desk.deposit = penalty, deposit
            case "next outcome", outcome:
                self.outcomes = [outcome]  # type: ignore[list-item]
            case "next answer", answer:
                self.answers = [answer]  # type: ignore[list-item]
            case "sell", str(room_type_id):
                self.chat.desk.sweep()
                self.sells(room_type_id)

    def sells(self, room_type_id: str) -> None:
        """Somebody else buys what is left of a type for the nights spoken of."""
        room = self.chat.desk.rooms[room_type_id]
        day = self.chat.state.draft.check_in or self.chat.hotel.today
        room.take([day], max(room.free([day]), 0))

    def taps(self, back: int, place: int) -> None:
        """A button of this message or of one long ago."""
        replies = [reply for reply in self.chat.replies if choices(reply)]
        if replies:
            items = choices(replies[-1 - back % len(replies)])
            self.happens(GuestTap(*items[place % len(items)]))

    def happens(self, event: GuestText | GuestTap | GuestOther) -> None:
        reply = self.chat.happens(event)
        self.told.draft()
        self.told.check(reply)


@settings(max_examples=400)
@given(st.lists(ACTIONS, max_size=25))
def test_any_conversation(actions: list[tuple[str, object]]) -> None:
    guest = AnyGuest()
    for action, value in actions:
        guest.plays(action, value)
    for room in guest.chat.desk.rooms.values():
        assert all(0 <= sold <= room.rooms for sold in room.sold.values())
    stored = to_json(guest.chat.state)
    assert not re.search(r"600.?123.?456|34600123456", stored)


@settings(max_examples=100)
@given(st.lists(ACTIONS, max_size=15), st.sampled_from(["es", "en"]))
def test_a_guest_can_book_after_whatever_happened(
    actions: list[tuple[str, object]], language: str
) -> None:
    guest = AnyGuest()
    for action, value in actions:
        guest.plays(action, value)
    chat = guest.chat
    chat.ask, chat.do = chat.desk.search, chat.desk.do
    for room in chat.desk.rooms.values():
        room.sold.clear()
    before = len(chat.desk.reservations)
    chat.writes(
        {
            "es": "suite del 3 al 5 de marzo de 2027 para 2",
            "en": "suite 2027-03-03 to 2027-03-05 for 2",
        }[language]
    )
    if chat.state.lock is None:
        chat.writes("suite")
    assert "KQXM" in chat.writes("sí" if language == "es" else "yes").body
    assert len(chat.desk.reservations) == before + 1


@pytest.mark.parametrize("zone", ["America/Mexico_City", "Pacific/Kiritimati", "Europe/Madrid"])
def test_today_is_the_hotels(zone: str) -> None:
    chat = Chat(hotel=replace(mirador(), time_zone=zone))
    chat.writes("hoy para 2, 1 noche")
    asked = chat.desk.queries[0] if chat.desk.queries else None
    assert asked is not None
    assert asked.check_in == chat.hotel.today


def test_availability_is_the_only_source_of_prices() -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    (answer,) = chat.answers
    assert isinstance(answer, Availability)
    assert chat.state.offer is not None
    totals = {offer.room_type_id: offer.total for offer in answer.room_types}
    assert all(room.total == totals[room.room_type_id] for room in chat.state.offer.rooms)
