"""A hotel with a system of its own: what the guest hears before it has agreed, and after."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from services.messaging.conversation.commands import (
    CancelReservation,
    Command,
    ConfirmReservation,
)
from services.messaging.conversation.events import EffectAnswer, GuestTap, GuestText
from services.messaging.conversation.outcomes import (
    Cancelled,
    ConfirmRefused,
    DepositApproved,
    DepositLapsed,
    HotelAgreed,
    HotelCancelled,
    HotelModified,
    HotelRefused,
    Outcome,
    ReservationConfirmed,
)
from services.messaging.conversation.queries import Answer, Availability, Failed, Query
from services.messaging.conversation.state import Deposit, Stay
from services.messaging.replies.model import ListMenu, Text
from tests.unit.conversation.world import Chat, euros, nights_of, reply_id, think

NIGHTS = nights_of(date(2026, 12, 10), date(2026, 12, 12))


def asked() -> Chat:
    """A guest who has confirmed, at a hotel that has not answered."""
    chat = Chat()

    def pending(command: Command) -> Outcome:
        outcome = chat.desk.do(command)
        if isinstance(outcome, ReservationConfirmed):
            return replace(outcome, pending=True)
        return outcome

    chat.do = pending
    chat.writes("doble del 10 al 12 de diciembre para 2")
    chat.writes("doble")
    chat.taps("Confirmar")
    return chat


def news(chat: Chat, outcome: Outcome) -> str:
    before = len(chat.replies)
    chat.step(EffectAnswer(0, outcome))
    assert len(chat.replies) == before + 1
    return chat.replies[-1].body


def test_before_the_hotel_agrees_nothing_is_called_confirmed() -> None:
    chat = asked()
    told = chat.replies[-1]
    assert isinstance(told, Text)
    assert "aún no es una reserva firme" in told.body
    assert "KQXM" not in told.body
    assert "Todavía espero la confirmación" in chat.writes("mi reserva").body


def test_the_guest_hears_the_code_when_the_hotel_agrees_and_only_once() -> None:
    chat = asked()
    told = news(chat, HotelAgreed("res-1"))
    assert told.startswith("¡Reserva confirmada! Tu código es *KQXM1001*")
    again = think(chat.state, EffectAnswer(0, HotelAgreed("res-1")), chat.hotel, chat.ask)
    assert (again.state, again.replies) == (chat.state, ())


def test_a_hotel_that_agrees_may_still_ask_for_a_deposit() -> None:
    chat = asked()
    told = news(chat, HotelAgreed("res-1", Deposit(euros(30), chat.hotel.now)))
    assert "aún no es firme" in told
    assert "depósito de *30,00 €*" in told


def test_a_hotel_that_refuses_is_told_with_what_else_is_free() -> None:
    chat = asked()
    chat.desk.rooms["rt-2"].take(NIGHTS, 5)
    told = news(chat, HotelRefused("res-1"))
    assert "el hotel no ha podido confirmar *Habitación doble*" in told
    assert "No hay reserva" in told
    assert not chat.state.reservations
    assert "Suite" in str(chat.replies[-1])


def test_a_hotel_that_cancels_before_it_has_agreed_is_told_once() -> None:
    chat = asked()
    told = news(chat, HotelCancelled("res-1"))
    assert told.startswith("El hotel ha cancelado tu solicitud de *Habitación doble*")
    assert not chat.state.reservations
    again = think(chat.state, EffectAnswer(0, HotelCancelled("res-1")), chat.hotel, chat.ask)
    assert again.replies == ()


def booked(stay: str = "del 10 al 12 de diciembre para 2", room: str = "doble") -> Chat:
    """A guest whose reservation the hotel has agreed to, once a deposit has come."""
    chat = Chat()
    chat.desk.deposit = 30
    chat.writes(stay)
    chat.writes(room)
    chat.taps("Con")
    assert not chat.state.reservations[0].pending
    return chat


@pytest.mark.parametrize(
    ("penalty", "cost"),
    [
        (0, "\n\nLa cancelación no te cuesta nada."),
        (120, "\n\nSegún las condiciones de la reserva, la cancelación cuesta *120,00 €*."),
        (None, ""),
    ],
)
def test_a_hotel_that_cancels_what_it_had_agreed_to_is_told_once(
    penalty: int | None, cost: str
) -> None:
    chat = booked()
    owed = None if penalty is None else euros(penalty)
    cancelled = HotelCancelled("res-1", owed, had_deposit=True)
    assert news(chat, cancelled) == (
        "El hotel ha cancelado tu reserva *KQXM1001*.\n\n*Habitación doble*\n"
        "Del jueves 10 de diciembre al sábado 12 de diciembre (2 noches)\n2 adultos"
        f"{cost}\n\nSi ya pagaste el depósito, recepción te dice qué pasa con él."
        "\n\nSi no lo esperabas, pregunta en recepción, por favor."
    )
    assert not chat.state.reservations
    again = think(chat.state, EffectAnswer(0, cancelled), chat.hotel, chat.ask)
    assert again.replies == ()


def test_a_deposit_that_the_hotel_has_makes_the_reservation_certain_once() -> None:
    chat = booked()
    told = news(chat, DepositApproved("res-1"))
    assert told.startswith("¡Reserva confirmada! Tu código es *KQXM1001*.")
    assert "depósito" not in told
    assert chat.state.reservations[0].deposit is None
    # Who has paid it is told where to ask for it, when the hotel cancels all the same.
    again = think(chat.state, EffectAnswer(0, DepositApproved("res-1")), chat.hotel, chat.ask)
    assert again.replies == ()
    assert "el depósito, recepción te dice" in news(chat, HotelCancelled("res-1", had_deposit=True))


def test_a_deposit_that_did_not_come_is_told_once() -> None:
    chat = booked()
    chat.writes("cancelar mi reserva")
    told = news(chat, DepositLapsed("res-1"))
    assert told.startswith("El depósito de tu reserva *KQXM1001* no ha llegado a tiempo")
    assert (chat.state.reservations, chat.state.cancelling) == ((), "")
    again = think(chat.state, EffectAnswer(0, DepositLapsed("res-1")), chat.hotel, chat.ask)
    assert again.replies == ()
    assert "*KQXM1001* ya está cancelada" in chat.writes("cancelar mi reserva").body


def test_a_guest_hears_in_their_language_that_the_hotel_has_cancelled() -> None:
    chat = booked("from Dec 10 to 12 for two, please", "double room")
    told = news(chat, HotelCancelled("res-1", euros(120)))
    assert told.startswith("The hotel has cancelled your booking *KQXM1001*.")
    assert "the cancellation costs *€120.00*" in told


def test_who_cancelled_in_the_chat_hears_nothing_more_of_it() -> None:
    chat = booked()
    chat.writes("cancelar mi reserva")
    chat.writes("sí")
    later = think(chat.state, EffectAnswer(0, HotelCancelled("res-1")), chat.hotel, chat.ask)
    assert (later.state, later.replies) == (chat.state, ())


def test_a_hotel_that_cancels_answers_the_question_whether_to_cancel() -> None:
    chat = booked()
    chat.writes("cancelar mi reserva")
    news(chat, HotelCancelled("res-1", euros(0)))
    assert not chat.state.cancelling
    chat.writes("sí")
    assert not any(isinstance(one, CancelReservation) for one in chat.desk.commands)
    assert "*KQXM1001* ya está cancelada" in chat.writes("cancelar mi reserva").body


MOVED = Stay(date(2026, 12, 11), date(2026, 12, 14), 2, 0)


def test_a_hotel_that_changes_a_reservation_tells_what_it_is_now() -> None:
    chat = booked()
    told = news(chat, HotelModified("res-1", "rt-3", MOVED, euros(750)))
    assert told == (
        "El hotel ha cambiado tu reserva *KQXM1001*. Ahora es:\n\n*Suite*\n"
        "Del viernes 11 de diciembre al lunes 14 de diciembre (3 noches)\n2 adultos\n"
        "Precio: *750,00 €* en total\n\nSi no lo esperabas, pregunta en recepción, por favor."
    )
    assert "*Suite*\nDel viernes 11 de diciembre" in chat.writes("mi reserva").body


def test_a_deposit_that_follows_the_new_price_is_told() -> None:
    chat = booked()
    awaited = Deposit(euros(90), chat.hotel.now)
    moved = HotelModified("res-1", "rt-1", MOVED, euros(300), awaited)
    told = news(chat, moved)
    assert "Precio: *300,00 €* en total\n\nEl hotel pide un depósito de *90,00 €*" in told
    assert chat.state.reservations[0].deposit == awaited
    # Its receipt waits for a person: it is not asked for any more, and is heard of when approved.
    told = news(chat, replace(moved, total=euros(400), deposit=None))
    assert "depósito" not in told
    assert news(chat, DepositApproved("res-1")).startswith("¡Reserva confirmada!")


def test_the_name_of_a_changed_room_is_told_only_where_it_is_known() -> None:
    chat = booked("from Dec 10 to 12 for two, please", "double room")
    chat.ask = lambda _: Failed("UNAVAILABLE")
    told = news(chat, HotelModified("res-1", "rt-3", MOVED, euros(750)))
    assert "It is now:\n\n*Room*\nFrom Friday, December 11" in told
    told = news(chat, HotelModified("res-1", "rt-3", replace(MOVED, adults=1), euros(750)))
    assert "1 adult\n" in told


def test_a_change_that_no_guest_would_see_is_not_told() -> None:
    chat = booked()
    (known,) = chat.state.reservations
    same = HotelModified("res-1", known.room.room_type_id, known.room.stay, known.room.total)
    for outcome in (same, replace(same, reservation_id="unknown", total=euros(1))):
        told = think(chat.state, EffectAnswer(0, outcome), chat.hotel, chat.ask)
        assert (told.state, told.replies) == (chat.state, ())


def test_a_guest_whose_yes_comes_after_the_hotels_own_cancellation_hears_the_code() -> None:
    chat = booked()
    chat.writes("cancelar mi reserva")
    sent = think(chat.state, GuestText("sí"), chat.hotel, chat.ask)
    (command,) = sent.commands
    faster = think(sent.state, EffectAnswer(0, HotelCancelled("res-1")), chat.hotel, chat.ask)
    answer = EffectAnswer(command.number, Cancelled("res-1"))
    told = think(faster.state, answer, chat.hotel, chat.ask)
    assert [str(one) for one in told.replies if "*KQXM1001* ya está cancelada" in str(one)]
    assert told.state.open is None


def test_a_guest_who_is_at_something_else_is_told_without_being_interrupted() -> None:
    chat = asked()
    chat.writes("suite del 20 al 22 de diciembre para 2")
    chat.writes("suite")
    lock = chat.state.lock
    told = news(chat, HotelRefused("res-1"))
    assert "No hay reserva" in told
    assert chat.state.lock == lock
    assert not isinstance(chat.replies[-1], ListMenu)


def test_news_do_not_end_the_wait_for_a_command() -> None:
    chat = asked()
    chat.writes("suite del 20 al 22 de diciembre para 2")
    chat.writes("suite")
    tap = GuestTap(reply_id(chat.replies[-1], "Confirmar"))
    opened = think(chat.state, tap, chat.hotel, chat.ask)
    assert isinstance(opened.commands[0], ConfirmReservation)
    told = think(opened.state, EffectAnswer(0, HotelAgreed("res-1")), chat.hotel, chat.ask)
    assert len(told.replies) == 1
    assert told.state.open == opened.state.open


def test_what_the_hotel_has_not_said_for_long_is_subject_to_its_confirmation() -> None:
    chat = Chat()
    search = chat.desk.search

    def unconfirmed(query: Query) -> Answer:
        answer = search(query)
        return replace(answer, unconfirmed=True) if isinstance(answer, Availability) else answer

    chat.ask = unconfirmed
    told = chat.writes("habitación del 10 al 12 de diciembre para 2").body
    assert "sujeto a su confirmación" in told
    assert "Suite" in told


@pytest.mark.parametrize("reason", ["PMS_REFUSED"])
def test_a_refusal_within_the_wait_is_told_at_once(reason: str) -> None:
    chat = Chat()
    chat.writes("doble del 10 al 12 de diciembre para 2")
    chat.writes("doble")
    chat.do = lambda _: ConfirmRefused(reason)
    told = chat.taps("Confirmar")
    assert "el hotel no ha podido confirmar *Habitación doble*" in told.body
