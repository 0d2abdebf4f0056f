"""Sold out, lapsed, dearer, broken: the guest is told the truth and can go on."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from meshkit.money import Money
from services.messaging.conversation.commands import AcquireLock, CancelReservation
from services.messaging.conversation.events import EffectAnswer, GuestTap, GuestText
from services.messaging.conversation.outcomes import (
    CancelRefused,
    CommandFailed,
    ConfirmRefused,
    LockRefused,
    Outcome,
    Released,
    ReleaseRefused,
)
from services.messaging.conversation.queries import Availability, Failed, SearchAvailability
from services.messaging.replies.model import Buttons, ListMenu
from tests.unit.conversation.world import (
    Chat,
    FrontDesk,
    RoomType,
    choices,
    euros,
    nights_of,
    think,
)

NIGHTS = nights_of(date(2026, 12, 10), date(2026, 12, 12))
ASKED = "doble del 10 al 12 de diciembre para 2"


def sell_out(desk: FrontDesk, *room_type_ids: str) -> None:
    for room_type_id in room_type_ids:
        room = desk.rooms[room_type_id]
        room.take(NIGHTS, room.rooms)


def once(chat: Chat, outcome: Outcome) -> None:
    """The next command has this outcome; those after it are decided by the desk."""
    outcomes = [outcome]
    chat.do = lambda command: outcomes.pop() if outcomes else chat.desk.do(command)


def kept(wish: str = "doble") -> Chat:
    chat = Chat()
    chat.writes(ASKED)
    chat.writes(wish)
    return chat


def test_the_wanted_room_is_sold_out_and_others_are_offered() -> None:
    chat = Chat()
    sell_out(chat.desk, "rt-2")
    menu = chat.writes(ASKED)
    assert menu.body.startswith("*Habitación doble* no está libre para esas noches")
    assert [title for _, title in choices(menu)] == ["Suite"]


def test_the_wanted_room_is_too_small() -> None:
    menu = Chat().writes("doble del 10 al 12 de diciembre, 3 adultos")
    assert menu.body.startswith("*Habitación doble* es demasiado pequeña para 3 adultos.")
    assert [title for _, title in choices(menu)] == ["Suite"]


def test_the_wish_is_still_known_when_the_search_is_repeated() -> None:
    chat = Chat()
    sell_out(chat.desk, "rt-2")
    first = chat.writes(ASKED)
    assert chat.writes("otra vez").body == first.body


def test_a_sold_out_room_asked_for_by_name_after_the_list() -> None:
    chat = Chat()
    sell_out(chat.desk, "rt-3")
    chat.writes("del 10 al 12 de diciembre para 2")
    assert chat.writes("la suite").body.startswith("*Suite* no está libre")
    assert not chat.desk.commands


def test_nothing_is_free_and_dates_close_by_are_offered() -> None:
    chat = Chat()
    sell_out(chat.desk, "rt-1", "rt-2", "rt-3")
    menu = chat.writes("del 10 al 12 de diciembre para 2")
    assert isinstance(menu, ListMenu)
    assert "no queda ninguna habitación libre" in menu.body
    assert "En fechas cercanas sí hay sitio" in menu.body
    summary = chat.happens_by_row(menu, 0)
    (command,) = chat.desk.commands
    assert isinstance(command, AcquireLock)
    assert command.check_in != NIGHTS[0]
    assert "Te guardo" in summary.body


def test_nothing_is_free_and_no_dates_are_close() -> None:
    chat = Chat()
    sell_out(chat.desk, "rt-1", "rt-2", "rt-3")
    found = chat.desk.search(SearchAvailability(NIGHTS[0], date(2026, 12, 12), 2, 0))
    assert isinstance(found, Availability)
    chat.ask = lambda _: replace(found, alternatives=())
    told = chat.writes("del 10 al 12 de diciembre para 2")
    assert "no queda ninguna habitación libre" in told.body
    assert "Dime otras fechas" in told.body
    assert chat.state.offer is None


def test_a_party_for_which_every_room_is_too_small() -> None:
    chat = Chat()
    told = chat.writes("del 10 al 12 de diciembre para 6")
    assert "No tengo ninguna habitación para 6 adultos: en la más grande caben 4" in told.body
    assert isinstance(chat.writes("4"), ListMenu)


def test_a_hotel_without_rooms() -> None:
    chat = Chat()
    chat.ask = lambda _: Availability(())
    assert "todavía no tiene habitaciones" in chat.writes(ASKED).body
    chat.ask = lambda _: Failed("NOT_FOUND", "PROPERTY_UNKNOWN")
    assert "todavía no tiene habitaciones" in chat.writes(ASKED).body


def test_a_room_of_which_none_is_left_is_not_offered() -> None:
    chat = Chat()
    found = chat.desk.search(SearchAvailability(NIGHTS[0], date(2026, 12, 12), 2, 0))
    assert isinstance(found, Availability)
    none_left = tuple(replace(room, free_count=0, reason="") for room in found.room_types[1:2])
    chat.ask = lambda _: Availability(none_left + found.room_types[2:])
    menu = chat.writes("del 10 al 12 de diciembre para 2")
    assert [title for _, title in choices(menu)] == ["Suite"]
    assert "Ya no quedan: Habitación doble." in menu.body


def test_the_last_room_goes_to_one_and_the_other_is_told() -> None:
    desk = FrontDesk()
    first, second = Chat(desk), Chat(desk)
    for chat in (first, second):
        chat.writes("suite del 10 al 12 de diciembre para 2")
    assert "Te guardo *Suite*" in first.writes("suite").body
    told = second.writes("suite")
    assert "*Suite* se acaba de agotar" in told.body
    assert [title for _, title in choices(told)] == ["Habitación doble"]
    assert "Te guardo *Habitación doble*" in second.taps("Habitación doble").body


def test_stays_back_to_back_both_succeed() -> None:
    desk = FrontDesk()
    for dates in ("del 10 al 12", "del 12 al 14"):
        chat = Chat(desk)
        chat.writes(f"suite {dates} de diciembre para 2")
        chat.writes("suite")
        assert "confirmada" in chat.writes("sí").body


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (LockRefused("TOO_MANY_GUESTS"), "*Habitación doble* es demasiado pequeña para 2 adultos."),
        (LockRefused("ROOM_TYPE_UNKNOWN"), "*Habitación doble* ya no está a la venta."),
        (LockRefused("TOO_MANY_LOCKS"), "Ya tienes otras habitaciones guardadas sin confirmar"),
        (LockRefused("CHECK_IN_PAST"), "Esa fecha ya pasó"),
        (
            LockRefused("BEYOND_HORIZON", date(2026, 12, 10)),
            "la última noche que puedo vender es la del jueves 10 de diciembre",
        ),
        (LockRefused("BEYOND_HORIZON"), "todavía no están a la venta"),
        (LockRefused("NEVER_HEARD_OF"), "no he podido guardarte la habitación"),
        (CommandFailed("UNAVAILABLE"), "no he podido guardarte la habitación"),
        (Released(), "no he podido guardarte la habitación"),
    ],
)
def test_a_room_that_cannot_be_kept(refusal: Outcome, told: str) -> None:
    chat = Chat()
    chat.writes(ASKED)
    once(chat, refusal)
    assert told in chat.writes("doble").body
    assert chat.state.lock is None


def test_a_failed_lock_can_be_tried_again() -> None:
    chat = Chat()
    chat.writes(ASKED)
    once(chat, CommandFailed("UNAVAILABLE"))
    chat.writes("doble")
    chat.taps("Intentar de nuevo")
    assert "Te guardo" in chat.taps("Habitación doble").body


@pytest.mark.parametrize("again", ["otra vez", "del 10 al 12 de diciembre", "Intentar de nuevo"])
def test_a_failed_search_can_be_tried_again(again: str) -> None:
    chat = Chat()
    chat.ask = lambda _: Failed("UNAVAILABLE")
    told = chat.writes(ASKED)
    assert isinstance(told, Buttons)
    assert "Ahora mismo no puedo consultar" in told.body
    chat.ask = chat.desk.search
    menu = chat.taps(again) if again[0].isupper() else chat.writes(again)
    assert "*Habitación doble*: 240,00 €" in menu.body


def test_the_price_that_moved_since_the_list_is_told() -> None:
    chat = Chat()
    chat.writes(ASKED)
    chat.desk.rooms["rt-2"].price = 130
    told = chat.writes("doble").body
    assert "era 240,00 €, ahora es 260,00 €" in told
    assert "*260,00 €* en total" in told


def test_a_lapsed_lock_whose_room_is_free_is_confirmed_all_the_same() -> None:
    chat = kept()
    chat.later(minutes=30)
    assert "confirmada" in chat.taps("Confirmar").body


def test_yes_to_a_lapsed_lock_buys_the_room_while_nothing_else_was_said() -> None:
    chat = kept()
    chat.later(minutes=30)
    assert "KQXM1001" in chat.writes("sí").body


@pytest.mark.parametrize(
    "between",
    [
        lambda chat: chat.writes("¿hay desayuno?"),
        lambda chat: chat.writes("gracias"),
        lambda chat: chat.sends("audio"),
        lambda chat: chat.taps("Reservar", of=chat.replies[0]),
        lambda chat: chat.happens(GuestTap("an old button")),
    ],
)
def test_yes_to_something_else_buys_no_room_whose_time_ran_out(
    between: Callable[[Chat], object],
) -> None:
    chat = Chat()
    chat.writes("hola")
    chat.writes(ASKED)
    chat.writes("doble")
    chat.later(days=2)
    between(chat)
    chat.writes("ok")
    assert chat.state.reservations == ()
    assert chat.desk.reservations == {}


def test_a_lapsed_lock_whose_room_is_gone_leads_to_what_is_free() -> None:
    chat = kept()
    chat.later(minutes=30)
    chat.desk.sweep()
    sell_out(chat.desk, "rt-2")
    told = chat.taps("Confirmar")
    assert told.body.startswith("El tiempo para confirmar *Habitación doble* se acabó")
    assert [title for _, title in choices(told)] == ["Suite"]
    assert chat.state.lock is None


def test_a_lapsed_lock_at_another_price_leads_to_a_fresh_offer() -> None:
    chat = kept()
    chat.later(minutes=30)
    chat.desk.rooms["rt-2"].price = 150
    told = chat.writes("sí").body
    assert "el precio ha cambiado" in told
    assert "*Habitación doble*: 300,00 € en total" in told


@pytest.mark.parametrize("reason", ["LOCK_RELEASED", "LOCK_UNKNOWN", "STALE_FENCE", "NEW_REASON"])
def test_a_lock_that_is_worth_nothing_leads_to_a_fresh_offer(reason: str) -> None:
    chat = kept()
    once(chat, ConfirmRefused(reason))
    told = chat.writes("sí")
    assert isinstance(told, ListMenu)
    assert ("El tiempo para confirmar" in told.body) is (reason != "LOCK_RELEASED")
    assert chat.state.lock is None


def test_a_lock_whose_room_the_hotel_has_shut_is_not_said_to_be_over() -> None:
    chat = kept()
    once(chat, ConfirmRefused("SOLD_OUT"))
    told = chat.writes("sí")
    assert isinstance(told, ListMenu)
    assert told.body.startswith("Lo siento, *Habitación doble* se acaba de agotar")
    assert chat.state.lock is None


def test_a_failed_confirmation_keeps_the_lock_and_can_be_repeated() -> None:
    chat = kept()
    once(chat, CommandFailed("DEADLINE_EXCEEDED"))
    told = chat.taps("Confirmar")
    assert told.body.startswith("Ahora mismo no he podido confirmar la reserva.")
    assert "KQXM1001" in chat.taps("Confirmar").body


def test_a_confirmation_whose_answer_was_lost_is_not_denied() -> None:
    chat = kept()
    lock = chat.state.lock
    assert lock is not None
    once(chat, CommandFailed("DEADLINE_EXCEEDED"))
    chat.taps("Confirmar")
    chat.desk.locks[lock.lock_id].state = "CONVERTED"
    assert "ya está reservada a tu nombre" in chat.taps("Confirmar").body


def test_a_failed_release_keeps_the_lock_until_it_lapses() -> None:
    chat = kept()
    once(chat, CommandFailed("UNAVAILABLE"))
    told = chat.writes("cancelar").body
    assert "no he podido soltar la habitación" in told
    assert "Te guardo *Habitación doble*" in told
    chat.later(minutes=30)
    once(chat, CommandFailed("UNAVAILABLE"))
    assert isinstance(chat.writes("del 14 al 16 de diciembre"), ListMenu)


def test_a_lock_that_lapses_while_it_is_released_is_gone() -> None:
    chat = kept()
    waiting = think(chat.state, GuestText("mejor la suite"), chat.hotel, chat.ask)
    (release,) = waiting.commands
    chat.later(minutes=30)
    failed = EffectAnswer(release.number, CommandFailed("UNAVAILABLE"))
    (command,) = think(waiting.state, failed, chat.hotel, chat.ask).commands
    assert isinstance(command, AcquireLock)
    assert command.room_type_id == "rt-3"


@pytest.mark.parametrize("reason", ["LOCK_UNKNOWN", "NOT_LOCK_OWNER"])
def test_a_release_of_what_is_gone_already_is_a_release(reason: str) -> None:
    chat = kept()
    once(chat, ReleaseRefused(reason))
    assert chat.writes("cancelar").body.startswith("Hecho")


def test_a_release_of_what_is_reserved_says_so() -> None:
    chat = kept()
    once(chat, ReleaseRefused("LOCK_CONVERTED"))
    assert "ya está reservada" in chat.writes("cancelar").body
    assert chat.state.lock is None


@pytest.mark.parametrize(
    ("outcome", "told", "still_known"),
    [
        (CommandFailed("UNAVAILABLE"), "no he podido cancelar la reserva", True),
        (CancelRefused("RESERVATION_UNKNOWN"), "No encuentro esa reserva", False),
    ],
)
def test_a_cancellation_that_does_not_work(outcome: Outcome, told: str, still_known: bool) -> None:
    chat = kept()
    chat.writes("sí")
    once(chat, outcome)
    chat.writes("cancelar mi reserva")
    answer = chat.writes("sí")
    assert told in answer.body
    assert bool(chat.state.reservations) == still_known
    if still_known:
        assert "está cancelada" in chat.taps("Sí, cancelar").body


def reserved(penalty: int) -> Chat:
    """A guest who has booked a double room for 240 € and asks to cancel it, twice sure."""
    chat = kept()
    chat.writes("sí")
    chat.desk.penalty = penalty
    chat.writes("cancelar mi reserva")
    chat.writes("sí")
    return chat


def accepted(chat: Chat) -> list[Money | None]:
    """What the guest has agreed to, cancellation by cancellation."""
    sent = [one for one in chat.desk.commands if isinstance(one, CancelReservation)]
    return [command.accepted_penalty for command in sent]


def test_the_wish_to_cancel_sent_twice_is_no_yes() -> None:
    chat = kept()
    chat.writes("sí")
    first = chat.writes("cancelar mi reserva")
    assert chat.writes("cancelar") == first
    assert accepted(chat) == []
    chat.desk.penalty = 120
    quoted = chat.writes("sí")
    assert "*120,00 €*" in quoted.body
    assert chat.writes("cancelar") == quoted
    assert accepted(chat) == [None]
    assert "está cancelada" in chat.writes("sí, cancelar").body


@pytest.mark.parametrize("how", ["sí", "sí, cancélala", "Sí, cancelar"])
def test_a_penalty_is_quoted_and_owed_only_once_accepted(how: str) -> None:
    chat = reserved(penalty=120)
    asked = chat.replies[-1].body
    assert asked.startswith("Cancelar esta reserva ahora cuesta *120,00 €*.")
    assert chat.state.reservations
    cancelled = chat.taps(how) if how[0] == "S" else chat.writes(how)
    assert "está cancelada" in cancelled.body
    assert accepted(chat) == [None, euros(120)]
    assert not chat.state.reservations


def test_a_penalty_is_quoted_in_the_language_of_the_guest() -> None:
    chat = Chat()
    chat.writes("from Dec 10 to 12 for two, please")
    chat.writes("double room")
    chat.writes("yes")
    chat.desk.penalty = 1234
    chat.writes("cancel my booking")
    assert "now costs *€1,234.00*" in chat.writes("yes").body


@pytest.mark.parametrize("how", ["no", "No, mantener"])
def test_a_guest_who_does_not_want_to_pay_keeps_the_reservation(how: str) -> None:
    chat = reserved(penalty=120)
    answer = chat.taps(how) if how[0] == "N" else chat.writes(how)
    assert "sigue en pie" in answer.body
    assert accepted(chat) == [None]


@pytest.mark.parametrize("text", ["gracias", "¿y si no pago?", "mis reservas"])
def test_a_yes_to_something_else_accepts_no_penalty(text: str) -> None:
    chat = reserved(penalty=120)
    chat.writes(text)
    chat.writes("sí")
    assert accepted(chat) == [None]


def test_a_penalty_that_has_grown_is_quoted_anew_and_its_old_button_buys_nothing() -> None:
    chat = reserved(penalty=120)
    first = chat.replies[-1]
    chat.desk.penalty = 240
    assert "cuesta *240,00 €*" in chat.writes("sí").body
    shown = chat.taps("Sí, cancelar", of=first)
    assert "Esta es tu reserva" in shown.body
    assert accepted(chat) == [None, euros(120)]
    chat.writes("cancelar mi reserva")
    assert "cuesta *240,00 €*" in chat.writes("sí").body
    assert "está cancelada" in chat.taps("Sí, cancelar").body
    assert accepted(chat)[-1] == euros(240)


def test_a_new_question_does_not_accept_the_penalty_of_an_old_one() -> None:
    chat = reserved(penalty=120)
    chat.writes("no")
    chat.writes("cancelar mi reserva")
    assert "cuesta *120,00 €*" in chat.writes("sí").body
    assert accepted(chat) == [None, None]


@pytest.mark.parametrize("reason", ["PENALTY_CHANGED", "WRONG_STATE"])
def test_what_only_the_reception_may_cancel_still_stands(reason: str) -> None:
    """A penalty that nobody can tell is never owed, and the booking is not forgotten."""
    chat = kept()
    chat.writes("sí")
    once(chat, CancelRefused(reason))
    chat.writes("cancelar mi reserva")
    assert "pregunta en recepción" in chat.writes("sí").body
    assert chat.state.reservations


def test_a_booking_that_waits_for_its_deposit_is_not_called_confirmed() -> None:
    chat = kept()
    summary = chat.replies[-1]
    chat.desk.deposit = 96
    told = chat.writes("sí").body
    assert "*KQXM1001*" in told
    assert "depósito de *96,00 €* antes de las" in told
    assert "del martes 24 de noviembre (hora del hotel)" in told
    again = chat.taps("Confirmar", of=summary).body
    assert "depósito de *96,00 €*" in again
    for text in (told, again, chat.writes("mis reservas").body):
        assert "confirmada" not in text.lower()


def test_the_answer_of_another_command_changes_nothing() -> None:
    chat = kept()
    decision = think(chat.state, EffectAnswer(99, Released()), chat.hotel, chat.ask)
    assert decision.state == chat.state
    assert not decision.replies
    assert not decision.commands


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("del 31 de febrero al 2 de marzo", "Ese día no existe"),
        ("del 12 al 10 de diciembre", "tiene que ser después"),
        ("del 1 al 3 de noviembre de 2026", "en el hotel hoy es lunes 23 de noviembre"),
        ("mañana por 200 noches", "más de 90 noches"),
        ("del 1 al 3 de enero de 2031", "la última noche que puedo vender es la del martes 16"),
        ("del 1 al 3 de enero de 9999", "la última noche que puedo vender es la del martes 16"),
        ("del 1 al 3 de enero de 1999", "en el hotel hoy es lunes 23 de noviembre"),
        ("del 1 al 3 de noviembre de 2028", "la última noche que puedo vender es la del martes 16"),
        ("mañana, 50 adultos", "como mucho 20"),
        ("para 99999999999 personas del 5 al 7 de enero", "como mucho 20"),
    ],
)
def test_dates_and_guests_that_cannot_be(text: str, told: str) -> None:
    chat = Chat()
    chat.writes("para 2")
    assert told in chat.writes(text).body
    assert not chat.desk.commands


def test_dates_too_far_ahead_when_nobody_knows_the_last_night() -> None:
    chat = Chat()
    chat.ask = lambda _: Failed("UNAVAILABLE")
    assert "demasiado lejos" in chat.writes("del 1 al 3 de enero de 2099").body
    assert chat.state.draft.check_in is None


def test_what_was_said_besides_a_wrong_date_is_kept() -> None:
    chat = Chat()
    chat.writes("del 31 de febrero al 2 de marzo para 2")
    assert isinstance(chat.writes("del 1 al 3 de marzo"), ListMenu)


def test_dates_that_went_by_are_not_searched() -> None:
    chat = Chat()
    chat.writes("del 25 al 27 de noviembre para 2")
    chat.later(days=4)
    assert "¿Qué día llegas" in chat.writes("quiero una habitación").body


def test_a_room_type_whose_names_are_odd_can_be_booked() -> None:
    names = {"es": "\x00Suite\ud800 👩‍👩‍👧‍👦 " + "muy " * 100, "en": ""}
    chat = Chat(FrontDesk([RoomType("ñ" * 64, names, 100, 2, 1)]))
    menu = chat.writes("del 10 al 12 de diciembre para 2")
    assert "Te guardo" in chat.happens_by_row(menu, 0).body
    assert "confirmada" in chat.writes("sí").body


def test_yes_after_a_cancellation_that_failed_cancels_and_buys_nothing() -> None:
    chat = kept()
    chat.taps("Confirmar")
    chat.writes("suite del 14 al 16 de diciembre para 2")
    chat.writes("suite")
    chat.writes("mis reservas")
    chat.taps("Cancelar")
    once(chat, CommandFailed("INTERNAL"))
    told = chat.writes("sí").body
    assert "no he podido cancelar" in told
    assert "¿Seguro que quieres cancelar esta reserva?" in told
    assert "KQXM1001" in chat.writes("sí").body
    assert chat.state.reservations == ()
    assert chat.state.lock is not None
