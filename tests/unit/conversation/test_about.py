"""Questions about the hotel: answered in its own words, or honestly not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta
from decimal import Decimal

import pytest

from meshkit.money import Money
from services.messaging.conversation.hours import Hours, Span
from services.messaging.conversation.profile import Profile
from services.messaging.conversation.queries import Charge, Failed, HouseTerms
from services.messaging.replies.model import Buttons
from services.messaging.understanding.meaning import Topic
from tests.unit.conversation.world import Chat

# The tests' now is Monday 2026-11-23, 11:00 in Madrid.
DESK = Span(time(8), time(22))
PROFILE = Profile(
    address="Calle Mayor 1, 28013 Madrid",
    coordinates=(40.4168, -3.7038),
    hours=Hours("Europe/Madrid", dict.fromkeys(range(6), (DESK,)), {date(2026, 12, 8): ()}),
    texts={
        Topic.WIFI: "Red Mirador, clave en la llave.",
        Topic.CHECK_IN: "Antes guardamos el equipaje.",
        Topic.PARKING: "Garaje propio, 18 € al día.",
    },
)


def chat(profile: object = PROFILE) -> Chat:
    made = Chat()
    made.desk.profile = profile  # type: ignore[assignment]
    return made


def body(chat: Chat, text: str) -> str:
    return chat.writes(text).body


def test_the_hotels_own_words_and_times_are_told() -> None:
    assert body(chat(), "¿hay wifi?") == "Red Mirador, clave en la llave."
    assert body(chat(), "¿a qué hora es el check-in?") == (
        "La entrada es a partir de las 14:00. Antes guardamos el equipaje."
    )
    assert body(chat(), "check-out time?") == "Check-out is until 12:00 PM."


def test_where_it_is_comes_with_a_map() -> None:
    told = body(chat(), "¿dónde estáis?")
    assert "Calle Mayor 1, 28013 Madrid" in told
    assert "query=40.416800,-3.703800" in told


def test_hours_are_told_for_now_and_for_the_week() -> None:
    told = body(chat(), "¿qué horario tenéis?")
    assert "abierta hasta las 22:00" in told
    assert "• lunes a sábado: 08:00 a 22:00\n• domingo: cerrado" in told
    assert "martes 8 de diciembre: cerrado" in told
    late = chat()
    late.later(hours=12)
    assert "cerrada ahora; abre a las 08:00 del martes" in body(late, "¿estáis abiertos?")


def test_several_questions_are_answered_in_one_message() -> None:
    told = body(chat(), "Is there wifi and parking?")
    assert told == "Red Mirador, clave en la llave.\n\nGaraje propio, 18 € al día."


def test_what_the_hotel_did_not_say_is_not_invented() -> None:
    told = body(chat(), "¿hay piscina o gimnasio?")
    assert told == (
        "Sobre la piscina y el gimnasio y el spa el hotel no me ha dado información: pregunta en "
        "recepción, por favor. La recepción está abierta hasta las 22:00 (hora del hotel)."
    )
    quiet = replace(PROFILE, tells_hours=False)
    assert "abierta" not in body(chat(quiet), "¿hay piscina?")


def test_a_question_that_is_not_understood_goes_to_whoever_is_there() -> None:
    told = body(chat(), "¿tocáis el piano?")
    assert "pregunta en recepción" in told
    assert "abierta hasta las 22:00" in told


def test_a_hotel_that_does_not_want_it_sends_its_guests_to_the_reception() -> None:
    told = body(chat(replace(PROFILE, answers_questions=False)), "¿hay wifi?")
    assert "Red Mirador" not in told
    assert "pregunta en recepción" in told


def test_without_the_tenant_service_it_says_that_it_cannot_look() -> None:
    told = body(chat(Failed("UNAVAILABLE", "CONNECTION_LOST")), "¿hay wifi?")
    assert "no lo puedo consultar ahora mismo" in told


TERMS = HouseTerms(
    check_in=time(14),
    check_out=time(12),
    cancellation=(
        (timedelta(days=7), Charge(nights=1)),
        (timedelta(hours=24), Charge(percent=100)),
    ),
    no_show=Charge(amount=Money(Decimal(30), "EUR")),
    deposit=Charge(percent=30),
    deposit_period=timedelta(hours=48),
    late_checkout=((time(16), Charge(amount=Money(Decimal("25.5"), "EUR"))),),
)


def test_what_the_hotel_asks_for_is_told_from_its_terms() -> None:
    guest = chat()
    guest.desk.terms = TERMS
    assert body(guest, "¿cuál es la política de cancelación?") == (
        "Cancelar es gratis hasta 7 días antes de la llegada, contando desde las 14:00.\n"
        "• Desde 7 días antes cuesta el precio de 1 noche.\n"
        "• Desde 24 horas antes cuesta el 100 % del total.\n"
        "No presentarse cuesta 30,00 €."
    )
    assert body(guest, "Do I have to pay a deposit?") == (
        "For the booking to be certain a deposit is asked for: 30% of the total, at most 2 days "
        "after you book."
    )
    assert body(guest, "can I check out later?") == (
        "Check-out is until 12:00 PM. You may stay until 4:00 PM for €25.50."
    )
    guest.desk.terms = HouseTerms(time(15), time(11))
    assert body(guest, "is it free to cancel?") == "Cancelling is free."
    assert body(guest, "is there a deposit?") == "No deposit is asked for."


def test_asking_what_cancelling_costs_cancels_nothing() -> None:
    guest = chat()
    guest.desk.terms = TERMS
    guest.writes("una doble del 12 al 14 de diciembre para 2")
    guest.writes("doble")
    assert "Cancelar es gratis" in body(guest, "¿cuánto cuesta cancelar?")
    assert "Cancelar es gratis" in body(guest, "condiciones de cancelación")
    assert guest.state.lock is not None
    guest.writes("cancelar")
    assert guest.state.lock is None


def test_photos_of_the_house_come_with_what_they_show() -> None:
    link = "https://example.com/pool.jpg"
    guest = chat(replace(PROFILE, photos={Topic.POOL: (link,)}))
    assert body(guest, "is there a pool?") == f"Photo: {link}"


def test_times_are_those_of_the_terms_that_bookings_are_made_under() -> None:
    guest = chat()
    guest.desk.terms = Failed("NOT_FOUND", "PROPERTY_UNKNOWN")
    assert body(guest, "check-in?") == "Antes guardamos el equipaje."
    assert "no information about check-out" in body(guest, "what time is check-out?")
    guest.desk.terms = Failed("UNAVAILABLE", "CONNECTION_LOST")
    assert "cannot look that up right now" in body(guest, "what time is check-in?")


@pytest.mark.parametrize("text", ["del 12 al 14 de diciembre para 2, ¿hay wifi?"])
def test_a_question_beside_dates_is_answered_with_what_is_free(text: str) -> None:
    guest = chat()
    told = body(guest, text)
    assert told.startswith("Red Mirador")
    assert guest.state.offer is not None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("¿está abierta la recepción el sábado?", "La recepción está abierta"),
        ("is the front desk open on Saturday?", "The reception is open"),
        ("¿hay parking el 12 de diciembre?", "Garaje propio"),
        ("is there parking on December 12?", "Garaje propio"),
        ("is there wifi next weekend?", "Red Mirador"),
        ("¿cuánto cuesta el parking el 12 de diciembre?", "Garaje propio"),
        ("¿había wifi ayer?", "Red Mirador"),
        ("what time is check-in on Saturday?", "Check-in is from"),
    ],
)
def test_the_day_of_a_question_begins_no_stay(text: str, answer: str) -> None:
    fresh = chat()
    assert body(fresh, text).startswith(answer)
    assert not fresh.desk.queries
    asked = chat()
    asked.writes("del 5 al 7 de enero para 2")
    draft, offer = asked.state.draft, asked.state.offer
    assert body(asked, text).startswith(answer)
    assert (asked.state.draft, asked.state.offer) == (draft, offer)


@pytest.mark.parametrize(
    "text",
    [
        "¿hay habitaciones con parking el 12 de diciembre?",
        "is a double with wifi available on December 12?",
        "¿hay sitio el 12 de diciembre con parking?",
        "do you have anything with parking on December 12?",
        "queremos ir el 12 de diciembre, ¿hay parking?",
        "¿hay wifi si me quedo el 12 de diciembre?",
        "el 12 de diciembre una noche, ¿hay parking?",
        "from December 12 to 14, is there parking?",
        "el 12 de diciembre para 2, ¿hay wifi?",
    ],
)
def test_a_question_that_speaks_of_staying_begins_a_stay(text: str) -> None:
    guest = chat()
    guest.writes(text)
    assert guest.state.draft.check_in == date(2026, 12, 12)


def test_a_question_beside_the_day_that_was_asked_for_is_an_answer() -> None:
    guest = chat()
    guest.writes("quiero reservar")
    assert body(guest, "el 12 de diciembre, ¿hay wifi?").startswith("Red Mirador")
    assert guest.state.draft.check_in == date(2026, 12, 12)


def test_a_question_does_not_lose_the_room_that_is_kept() -> None:
    guest = chat()
    guest.writes("una doble del 12 al 14 de diciembre para 2")
    guest.writes("doble")
    assert guest.state.lock is not None
    reply = guest.writes("¿hay parking?")
    assert isinstance(reply, Buttons)
    assert reply.body.startswith("Garaje propio")
    assert next(button.title for button in reply.buttons) == "Confirmar"
    assert guest.state.lock is not None


def test_a_question_goes_on_with_what_was_asked() -> None:
    guest = chat()
    guest.writes("quiero reservar")
    told = body(guest, "¿hay wifi?")
    assert told.startswith("Red Mirador")
    assert "¿Qué día llegas" in told


def test_who_wants_a_room_with_something_is_asked_for_dates_as_well() -> None:
    guest = chat()
    told = body(guest, "quiero reservar una habitación con parking")
    assert told.startswith("Garaje propio")
    assert "¿Qué día llegas" in told


def test_the_wifis_code_is_not_the_code_of_a_booking() -> None:
    guest = chat()
    guest.writes("una doble del 12 al 14 de diciembre para 2")
    guest.writes("doble")
    guest.writes("confirmo")
    assert guest.state.reservations
    assert body(guest, "¿cuál es el código del wifi?") == "Red Mirador, clave en la llave."


def test_dates_called_check_in_and_check_out_are_no_question() -> None:
    guest = chat()
    told = body(guest, "check in 12 dec, check out 14 dec, 2 people")
    assert "Check-in is from" not in told
    assert guest.state.offer is not None


def test_a_suspended_hotel_says_what_it_has_left_and_nothing_is_lost() -> None:
    guest = chat(replace(PROFILE, suspension_answer="Volvemos en enero."))
    guest.writes("una doble del 12 al 14 de diciembre para 2")
    offered = guest.state
    guest.hotel = replace(guest.hotel, suspended=True)
    for text in ("doble", "¿hay wifi?", "confirmo"):
        assert body(guest, text) == "Volvemos en enero."
    assert guest.sends("audio").body == "Volvemos en enero."
    assert not guest.desk.commands
    assert guest.state == offered
    guest.hotel = replace(guest.hotel, suspended=False)
    guest.writes("doble")
    assert guest.state.lock is not None


def test_a_suspended_hotel_is_polite_when_its_words_cannot_be_read() -> None:
    guest = chat(Failed("UNAVAILABLE", "CONNECTION_LOST"))
    guest.hotel = replace(guest.hotel, suspended=True)
    assert body(guest, "hello, a room please") == "We do not answer here at the moment."
