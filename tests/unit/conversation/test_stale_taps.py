"""Buttons and rows stay in the chat for ever; what they refer to does not."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.messaging.conversation import taps
from services.messaging.conversation.commands import AcquireLock
from services.messaging.conversation.events import GuestTap
from services.messaging.conversation.state import Offer, Room, Stay
from services.messaging.replies.model import Buttons, ListMenu
from tests.unit.conversation.world import Chat, choices, euros

STAY = Stay(date(2026, 12, 10), date(2026, 12, 12), 2, 0)
ASKED = "del 10 al 12 de diciembre para 2"


def tap(chat: Chat, reply_id: str) -> str:
    return chat.happens(GuestTap(reply_id)).body


@given(
    st.text(min_size=1, max_size=64),
    st.integers(0, 10**8),
    st.dates(),
    st.integers(0, 20),
)
def test_ids_are_short_and_mean_what_they_say(room: str, number: int, day: date, few: int) -> None:
    stay = Stay(day, day, few, few)
    row = taps.room(Offer(number, ()), Room(room, {}, stay, euros(1)))
    assert len(row.encode()) <= 200
    assert taps.parse(row) == taps.RoomTap(number, stay, taps.refer(room))
    button = taps.action(taps.CONFIRM, room)
    assert len(button.encode()) <= 200
    assert taps.parse(button) == taps.ActionTap(taps.CONFIRM, taps.refer(room))


def test_long_and_foreign_ids_stay_different() -> None:
    ids = ["a" * 121, "a" * 122, "ñ", "\ud800", "rt-1"]
    assert len({taps.refer(opaque) for opaque in ids}) == len(ids)


@given(
    st.one_of(
        st.text(max_size=300),
        st.lists(
            st.sampled_from(
                [
                    *("room", "more", "dates", "guests", "confirm", "1", "-1", "99999999999", "٣"),
                    *("2026-12-10", "9999-12-31", "0001-01-01", "2026-02-30", "", "rt-2", "x|y"),
                ]
            ),
            max_size=9,
        ).map("|".join),
    )
)
def test_any_id_at_all_has_an_answer(reply_id: str) -> None:
    chat = Chat()
    chat.writes(ASKED)
    tap(chat, reply_id)


@pytest.mark.parametrize(
    "reply_id", ["", "nonsense", "guests|0", "guests|21", "room|1|2026-12-10|2026-12-12|99|0|rt-2"]
)
def test_an_id_of_nobody_is_said_to_be_out_of_use(reply_id: str) -> None:
    assert tap(Chat(), reply_id).startswith("Ese botón ya no sirve.")


def test_a_row_of_an_older_list_shows_what_is_free_now() -> None:
    chat = Chat()
    old = chat.writes(ASKED)
    chat.writes("mejor del 14 al 16 de diciembre")
    chat.desk.rooms["rt-2"].price = 999
    menu = chat.taps("Habitación doble", of=old)
    assert isinstance(menu, ListMenu)
    assert menu.body.startswith("Esa lista es de antes; esto es lo que hay ahora.")
    assert "Del jueves 10 de diciembre" in menu.body
    assert "*Habitación doble*: 1.998,00 € en total" in menu.body
    assert not chat.desk.commands


def test_a_row_of_an_older_list_for_the_same_days_is_old_too() -> None:
    chat = Chat()
    old = chat.writes(ASKED)
    chat.desk.rooms["rt-2"].price = 999
    chat.writes("otra vez")
    assert chat.taps("Habitación doble", of=old).body.startswith("Esa lista es de antes")
    assert not chat.desk.commands


def test_a_row_of_an_older_list_does_not_take_a_kept_room_away() -> None:
    chat = Chat()
    old = chat.writes("del 20 al 22 de diciembre para 2")
    chat.writes(ASKED)
    chat.writes("suite")
    answer = chat.taps("Habitación doble", of=old)
    assert "Ese botón ya no sirve." in answer.body
    assert "Te guardo *Suite*" in answer.body
    assert [type(command) for command in chat.desk.commands] == [AcquireLock]


def test_a_row_for_days_that_went_by() -> None:
    chat = Chat()
    menu = chat.writes("del 25 al 27 de noviembre para 2")
    chat.later(days=4)
    assert "Esa fecha ya pasó" in chat.taps("Suite", of=menu).body
    assert not chat.desk.commands


def test_a_price_is_never_taken_from_a_tap() -> None:
    chat = Chat()
    chat.writes(ASKED)
    chat.happens(GuestTap("room|1|2026-12-10|2026-12-12|2|0|rt-2", "Habitación doble 1,00 €"))
    assert "240,00 €" in chat.replies[-1].body


def test_a_room_that_was_not_on_the_list_cannot_be_tapped() -> None:
    chat = Chat()
    chat.writes(ASKED)
    assert isinstance(chat.happens(GuestTap("room|1|2026-12-10|2026-12-12|2|0|rt-9")), ListMenu)
    assert not chat.desk.commands


def test_confirming_twice_tells_the_same_code() -> None:
    chat = Chat()
    chat.writes(ASKED)
    summary = chat.writes("suite")
    chat.taps("Confirmar", of=summary)
    again = chat.taps("Confirmar", of=summary)
    assert again.body.startswith("Esa reserva ya está confirmada.")
    assert "KQXM1001" in again.body
    assert len(chat.desk.reservations) == 1


@pytest.mark.parametrize("title", ["Confirmar", "Cambiar", "Cancelar"])
def test_the_buttons_of_a_released_room(title: str) -> None:
    chat = Chat()
    chat.writes(ASKED)
    summary = chat.writes("suite")
    chat.writes("cancelar")
    assert chat.taps(title, of=summary).body.startswith("Esa habitación ya no está guardada.")


@pytest.mark.parametrize("title", ["Cambiar", "Cancelar"])
def test_the_buttons_of_a_lapsed_lock(title: str) -> None:
    chat = Chat()
    chat.writes(ASKED)
    summary = chat.writes("suite")
    chat.later(minutes=30)
    told = chat.taps(title, of=summary)
    assert told.body.startswith("El tiempo para confirmar *Suite* se acabó")
    assert chat.state.lock is None
    assert len(chat.desk.commands) == 1


def test_an_old_summary_does_not_confirm_the_room_that_is_kept_now() -> None:
    chat = Chat()
    chat.writes(ASKED)
    old = chat.writes("suite")
    chat.writes("mejor la doble")
    answer = chat.taps("Confirmar", of=old)
    assert isinstance(answer, Buttons)
    assert "Esa habitación ya no está guardada." in answer.body
    assert "Te guardo *Habitación doble*" in answer.body
    assert not chat.desk.reservations


def test_the_buttons_of_a_cancelled_reservation() -> None:
    chat = Chat()
    chat.writes(ASKED)
    chat.writes("suite")
    chat.writes("sí")
    asked = chat.writes("cancelar mi reserva")
    chat.taps("Sí, cancelar")
    for title in ("Sí, cancelar", "No, mantener"):
        assert "*KQXM1001* ya está cancelada" in chat.taps(title, of=asked).body
    assert len(chat.desk.commands) == 3


def test_proposed_dates_that_went_by() -> None:
    chat = Chat()
    asked = chat.writes("quiero una habitación")
    chat.later(days=2)
    assert "Esa fecha ya pasó" in chat.taps("Esta noche", of=asked).body


def test_the_rest_of_an_older_list_is_not_shown() -> None:
    chat = Chat()
    chat.writes(ASKED)
    assert tap(chat, "more|9|9").startswith("Esa lista es de antes")
    assert tap(chat, "more|1|500").startswith("Esa lista es de antes")


def test_the_starter_buttons_with_a_room_kept_show_it() -> None:
    chat = Chat()
    hello = chat.writes("hola")
    chat.writes(ASKED)
    summary = chat.writes("suite")
    assert chat.taps("Reservar", of=hello) == summary
    assert choices(summary)


def test_the_same_dates_again_with_a_room_kept_show_it() -> None:
    chat = Chat()
    asked = chat.writes("quiero una habitación para 2")
    chat.taps("Fin de semana")
    summary = chat.writes("suite")
    assert chat.taps("Fin de semana", of=asked) == summary
