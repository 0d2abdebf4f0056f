"""Whatever a hotel calls its rooms, WhatsApp takes the message and the guest can read it."""

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.money import Money
from sandbox.graph.limits import check_send
from services.messaging.conversation import taps
from services.messaging.conversation.search import clean
from services.messaging.conversation.state import (
    Deposit,
    Lock,
    Missing,
    Offer,
    Reservation,
    Room,
    Stay,
    Tax,
)
from services.messaging.replies import bookings, limits, offers, questions
from services.messaging.replies.model import Button, Buttons, ListMenu, Reply, Row, Text
from services.messaging.replies.prices import NOT_SOLD
from services.messaging.replies.voice import Voice
from services.messaging.whatsapp.build import parts
from services.messaging.whatsapp.replies import send_of
from tests.unit.replies.hotels import NOW, mirador

STAY = Stay(date(2026, 12, 10), date(2026, 12, 12), 2, 1)
NAMES = st.dictionaries(
    st.sampled_from(["es", "en", "fr"]),
    st.one_of(
        st.text(max_size=400),
        st.text(st.sampled_from("👩‍👩‍👧‍👦 \x00\ud800é\u200b\nSuite"), max_size=400),
    ),
)
IDS = st.text(min_size=1, max_size=64)
MONEY = st.decimals(0, 10**9, places=2).map(lambda amount: Money(amount, "MXN"))
TAX_NAMES = st.fixed_dictionaries({"es": st.text(max_size=80)}).map(clean)
TAXES = st.lists(st.builds(Tax, TAX_NAMES, MONEY, st.booleans()), max_size=5).map(tuple)
ROOMS = st.builds(Room, IDS, NAMES.map(clean), st.just(STAY), MONEY, st.integers(0, 99))
REASONS = st.sampled_from(["SOLD_OUT", "TOO_MANY_GUESTS", *sorted(NOT_SOLD)])
VOICES = st.builds(
    lambda language, name: Voice(language, mirador(display_name=name)),
    st.sampled_from(["es", "en"]),
    st.text(max_size=300),
)


def check(reply: Reply) -> None:
    """It leaves in one piece, as Meta's pages want it."""
    (part,) = parts(send_of(reply))
    check_send({**json.loads(part.body()), "to": "34600000001"})


def by_id(room: Room) -> str:
    return room.room_type_id


@given(
    VOICES,
    st.lists(ROOMS, min_size=1, max_size=30, unique_by=by_id),
    st.lists(st.builds(Missing, NAMES.map(clean), REASONS, st.integers(0, 90))),
    st.booleans(),
    TAXES,
)
def test_every_room_of_an_offer_is_shown_in_full(
    voice: Voice,
    rooms: list[Room],
    missing: list[Missing],
    elsewhen: bool,
    taxes: tuple[Tax, ...],
) -> None:
    rooms[0] = replace(rooms[0], taxes=taxes)
    offer = Offer(7, tuple(rooms), tuple(missing), elsewhen)
    start: int | None = 0
    shown: list[str] = []
    while start is not None:
        page = offers.room_list(voice, offer, ("Intro",), start)
        check(page)
        tapped = [taps.parse(row.id) for row in page.rows]
        shown += [tap.room for tap in tapped if isinstance(tap, taps.RoomTap)]
        start = next((tap.start for tap in tapped if isinstance(tap, taps.MoreTap)), None)
        for row, tap in zip(page.rows, tapped, strict=True):
            if isinstance(tap, taps.RoomTap):
                room = next(r for r in rooms if taps.refer(r.room_type_id) == tap.room)
                assert f"*{voice.room(room.names)}*" in page.body
                assert voice.money(room.total) in page.body
                assert voice.money(room.total) in row.description
                assert tap.stay == room.stay
    assert shown == [taps.refer(room.room_type_id) for room in rooms]


@given(VOICES, ROOMS, TAXES, st.lists(MONEY, min_size=1, max_size=5), IDS)
def test_a_summary_says_everything_and_can_be_tapped(
    voice: Voice, room: Room, taxes: tuple[Tax, ...], nightly: list[Money], lock_id: str
) -> None:
    lock = Lock(lock_id, "token", 1, replace(room, taxes=taxes), tuple(nightly), NOW)
    reply = bookings.summary(voice, lock, ("Intro",))
    check(reply)
    for part in (voice.room(room.names), voice.money(room.total), voice.stay(STAY)):
        assert part in reply.body
    actions = [taps.parse(button.id) for button in reply.buttons]
    about = taps.refer(lock_id)
    assert actions == [
        taps.ActionTap(name, about) for name in (taps.CONFIRM, taps.CHANGE, taps.RELEASE)
    ]


@given(VOICES, st.lists(ROOMS, max_size=10), IDS)
def test_reservations_are_told_with_their_codes(
    voice: Voice, rooms: list[Room], reservation_id: str
) -> None:
    known = [
        Reservation(f"{reservation_id}{index}", f"CODE{index}", "lock", room)
        for index, room in enumerate(rooms)
    ]
    reply = bookings.known(voice, known)
    check(reply)
    assert all(reservation.code in reply.body for reservation in known)
    for reservation in known:
        deposit = Deposit(reservation.room.total, NOW)
        for told in (
            bookings.confirmed(voice, reservation),
            bookings.ask_cancel(voice, reservation),
            bookings.ask_paying(voice, reservation, reservation.room.total),
            bookings.confirmed(voice, replace(reservation, deposit=deposit)),
        ):
            check(told)
            assert told.holds_code
            assert voice.money(reservation.room.total) in told.body


@given(VOICES, st.booleans())
def test_greetings_and_questions(voice: Voice, known: bool) -> None:
    check(questions.greeting(voice, has_reservations=known))
    check(questions.help_text(voice, has_reservations=known))
    check(questions.ask_dates(voice, ("Intro",)))
    check(questions.ask_guests(voice, ("Intro",)))
    assert voice.example() in questions.greeting(voice, has_reservations=known).body


@given(st.text(max_size=60), st.integers(1, 40))
def test_fit_keeps_the_beginning_and_says_that_it_cut(text: str, limit: int) -> None:
    fitted = limits.fit(text, limit)
    assert limits.width(fitted) <= limit
    assert fitted == text or (fitted.endswith("…") and text.startswith(fitted[:-1]))


def test_a_cut_leaves_no_half_emoji() -> None:
    assert limits.fit("ab👩‍👩‍👧‍👦", 6) == "ab👩…"


def test_signs_that_cannot_be_stored_are_replaced() -> None:
    assert limits.clean("a\x00b\ud83dc\nd\t") == "a b\ufffdc\nd"
    assert limits.line(" a\n b ") == "a b"


def test_ids_too_long_and_crowded_menus_are_errors_of_ours() -> None:
    one = Button("a", "A")
    with pytest.raises(ValueError, match="id"):
        Row("x" * 201, "title")
    with pytest.raises(ValueError, match="id"):
        Button("", "title")
    with pytest.raises(ValueError, match="id"):
        Buttons("body", (one, Button("a", "B")))
    with pytest.raises(ValueError, match="buttons"):
        Buttons("body", ())
    with pytest.raises(ValueError, match="rows"):
        ListMenu("body", "See", ())


def test_an_empty_body_is_never_sent() -> None:
    assert limits.shows(Text("\x00").body)
    assert limits.shows(Row("a", "\u200b").title)
