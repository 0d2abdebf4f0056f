"""A guest books a room: by words, by taps, in two languages, changing their mind."""

from datetime import date

import pytest

from services.messaging.conversation.commands import (
    AcquireLock,
    CancelReservation,
    ConfirmReservation,
    ReleaseLock,
)
from services.messaging.conversation.events import GuestText
from services.messaging.conversation.merging import merged
from services.messaging.conversation.queries import SearchAvailability
from services.messaging.conversation.state import State
from services.messaging.replies.model import Buttons, ListMenu, Text
from tests.unit.conversation.world import Chat, FrontDesk, RoomType, choices, think
from tests.unit.replies.hotels import mirador

DECEMBER = (date(2026, 12, 10), date(2026, 12, 12))


def sent(chat: Chat) -> list[type]:
    return [type(command) for command in chat.desk.commands]


def test_from_hello_to_the_code_in_spanish() -> None:
    chat = Chat()
    assert "Hotel Mirador" in chat.writes("hola").body
    menu = chat.writes("quiero una habitación doble del 10 al 12 de diciembre para 2")
    assert isinstance(menu, ListMenu)
    assert [title for _, title in choices(menu)] == ["Habitación doble", "Suite"]
    assert "*Habitación doble*: 240,00 € en total" in menu.body
    assert "Demasiado pequeñas para tu grupo: Individual." in menu.body
    summary = chat.taps("Habitación doble")
    assert isinstance(summary, Buttons)
    assert "hasta las 11:20 (hora del hotel)" in summary.body
    assert "Del jueves 10 de diciembre al sábado 12 de diciembre (2 noches)" in summary.body
    assert [title for _, title in choices(summary)] == ["Confirmar", "Cambiar", "Cancelar"]
    confirmed = chat.taps("Confirmar")
    assert isinstance(confirmed, Text)
    assert confirmed.holds_code
    assert "*KQXM1001*" in confirmed.body
    assert "240,00 €" in confirmed.body
    assert chat.desk.queries == [SearchAvailability(*DECEMBER, 2, 0)]
    assert sent(chat) == [AcquireLock, ConfirmReservation]


def test_from_hello_to_the_code_in_english() -> None:
    chat = Chat()
    assert "Hello!" in chat.writes("hello").body
    assert "€240.00 in total" in chat.writes("room for two from Dec 10 to 12").body
    assert "until 11:20 AM (hotel time)" in chat.writes("the double please").body
    assert "Your code is *KQXM1001*" in chat.writes("yes please").body


def test_by_taps_alone() -> None:
    chat = Chat()
    chat.writes("hola")
    chat.taps("Reservar")
    chat.taps("Fin de semana")
    menu = chat.taps("Dos adultos")
    assert "Del viernes 27 de noviembre al domingo 29 de noviembre" in menu.body
    chat.taps("Suite")
    assert "KQXM1001" in chat.taps("Confirmar").body


def test_what_is_missing_is_asked_one_at_a_time() -> None:
    chat = Chat()
    assert "¿Qué día llegas y qué día te vas?" in chat.writes("quiero una habitación").body
    asked = chat.writes("el 10 de diciembre").body
    assert "Llegada el jueves 10 de diciembre. ¿Cuántas noches" in asked
    assert "¿Para cuántas personas?" in chat.writes("2").body
    assert "2 adultos y 1 niño" in chat.writes("2 y 1").body
    assert chat.desk.queries == [SearchAvailability(*DECEMBER, 2, 1)]


def test_nights_before_the_arrival() -> None:
    chat = Chat()
    assert "¿Qué día llegas?" in chat.writes("una habitación para 2 por 3 noches").body
    assert "(3 noches)" in chat.writes("el 10 de diciembre").body


def test_the_departure_before_the_arrival() -> None:
    chat = Chat()
    chat.writes("hasta el 12 de diciembre para 2")
    assert "(2 noches)" in chat.writes("el 10 de diciembre").body


def test_not_understood_while_asking_asks_again() -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre")
    again = chat.writes("blablabla").body
    assert again.startswith("Perdona, no te he entendido.")
    assert "¿Para cuántas personas?" in again


def test_corrections_before_anything_is_kept() -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    assert "Del viernes 11 de diciembre al domingo 13" in chat.writes("mejor del 11 al 13").body
    assert "3 adultos" in chat.writes("somos 3").body
    assert chat.desk.queries[-1] == SearchAvailability(date(2026, 12, 11), date(2026, 12, 13), 3, 0)
    assert not chat.desk.commands


def test_corrections_give_a_kept_room_back_first() -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    chat.writes("doble")
    menu = chat.writes("mejor del 11 al 13")
    assert "He soltado *Habitación doble*" in menu.body
    assert "Del viernes 11 de diciembre al domingo 13" in menu.body
    assert sent(chat) == [AcquireLock, ReleaseLock]
    assert chat.state.lock is None


def test_another_room_by_name_while_one_is_kept() -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    chat.writes("doble")
    summary = chat.writes("mejor la suite")
    assert "Te guardo *Suite*" in summary.body
    assert sent(chat) == [AcquireLock, ReleaseLock, AcquireLock]
    assert [lock.state for lock in chat.desk.locks.values()] == ["RELEASED", "LIVE"]


def test_the_same_room_again_only_repeats_the_summary() -> None:
    chat = Chat()
    menu = chat.writes("del 10 al 12 de diciembre para 2")
    summary = chat.taps("Suite")
    assert chat.taps("Suite", of=menu) == summary
    assert chat.writes("la suite") == summary
    assert sent(chat) == [AcquireLock]


@pytest.mark.parametrize("how", ["cancelar", "no", "Cancelar"])
def test_giving_a_kept_room_back(how: str) -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    chat.writes("suite")
    told = chat.taps(how) if how.istitle() else chat.writes(how)
    assert told.body.startswith("Hecho: ya no guardo *Suite*.")
    assert [lock.state for lock in chat.desk.locks.values()] == ["RELEASED"]


def test_the_change_button_shows_what_is_free() -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    chat.taps("Suite")
    menu = chat.taps("Cambiar")
    assert isinstance(menu, ListMenu)
    assert "Suite" in [title for _, title in choices(menu)]


@pytest.mark.parametrize("text", ["no entiendo", "¿puedo cancelar luego?", "no quiero cancelar"])
def test_a_kept_room_is_not_lost_by_a_question(text: str) -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    chat.writes("suite")
    assert "Te guardo *Suite*" in chat.writes(text).body
    assert sent(chat) == [AcquireLock]


def test_the_language_follows_the_guest_and_the_hotel() -> None:
    chat = Chat()
    assert "Hola" in chat.writes("hola").body
    assert "From Thursday" in chat.writes("from December 10 to 12 for two").body
    assert "Seguimos en español." in chat.writes("español").body
    only_spanish = Chat(hotel=mirador(languages=("es",)))
    assert "Hola" in only_spanish.writes("hello").body
    assert "solo puedo escribirte en español" in only_spanish.writes("english please").body


def test_help_thanks_and_the_unknown() -> None:
    chat = Chat()
    assert "mis reservas" in chat.writes("ayuda").body
    assert "De nada" in chat.writes("gracias").body
    assert "no te he entendido" in chat.writes("xyzzy").body
    chat.writes("del 10 al 12 de diciembre para 2")
    assert "Elige una habitación de la lista" in chat.writes("xyzzy").body


@pytest.mark.parametrize(
    "kind",
    [
        *("image", "video", "audio", "document", "sticker", "location", "contacts", "reaction"),
        *("order", "system", "revoke", "interactive", "unsupported", "never_heard_of"),
    ],
)
def test_every_kind_of_message_has_an_answer(kind: str) -> None:
    assert isinstance(Chat().sends(kind), Text)


def test_a_question_about_something_else_goes_to_the_reception() -> None:
    chat = Chat()
    assert "pregunta en recepción" in chat.writes("¿hay parking?").body
    chat.writes("del 10 al 12 de diciembre para 2")
    assert "Elige una habitación de la lista" in chat.writes("¿aceptan perros?").body
    chat.writes("suite")
    told = chat.writes("¿aceptan perros?").body
    assert "pregunta en recepción" in told
    assert "Te guardo *Suite*" in told


@pytest.mark.parametrize("text", ["la semana que viene", "en diciembre", "next week", "navidad"])
def test_a_vague_time_is_asked_for_in_days(text: str) -> None:
    asked = Chat().writes(text)
    assert isinstance(asked, Buttons)
    assert "?" in asked.body


def test_children_without_a_number_are_asked_for() -> None:
    chat = Chat()
    asked = chat.writes("del 10 al 12 de diciembre, 2 adultos con niños").body
    assert "Dime también si vienen niños" in asked
    chat.writes("2 adultos y 2 niños")
    assert chat.desk.queries == [SearchAvailability(*DECEMBER, 2, 2)]


@pytest.mark.parametrize("answer", ["2 adultos", "3", "mi mujer y yo"])
def test_a_child_who_was_named_first_is_not_forgotten(answer: str) -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre con un niño")
    assert "2 adultos y 1 niño" in chat.writes(answer).body


def test_a_child_who_was_named_first_comes_along_with_a_tap() -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre con mi hijo")
    assert "2 adultos y 1 niño" in chat.taps("Dos adultos").body


def test_a_voice_note_does_not_disturb_a_kept_room() -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    summary = chat.writes("suite")
    assert "no puedo escuchar audios" in chat.sends("audio").body
    assert "KQXM1001" in chat.taps("Confirmar", of=summary).body


def test_two_rooms_are_booked_one_after_the_other() -> None:
    chat = Chat()
    told = chat.writes("2 habitaciones del 10 al 12 de diciembre para 2").body
    assert told.startswith("Reservo las habitaciones de una en una")
    chat.writes("doble")
    chat.writes("sí")
    chat.writes("otra habitación del 10 al 12 de diciembre para 2")
    chat.writes("doble")
    assert "KQXM1002" in chat.writes("sí").body
    assert len(chat.state.reservations) == 2


@pytest.mark.parametrize(
    "text",
    [
        "2 habitaciones dobles del 5 al 7 de enero para 4 personas",
        "2 dobles del 5 al 7 de enero para 4 personas",
        "2 double rooms from January 5 to 7 for 4 people",
    ],
)
def test_a_party_shares_out_over_its_rooms(text: str) -> None:
    chat = Chat()
    menu = chat.writes(text)
    assert choices(menu)[0][1] in ("Habitación doble", "Double room")
    assert "2 adult" in menu.body
    assert "4 adult" not in menu.body


@pytest.mark.parametrize(
    "text",
    [
        "2 habitaciones del 5 al 7 de enero para 3",
        "2 habitaciones del 5 al 7 de enero, 2 adultos y 1 niño",
        "2 habitaciones del 5 al 7 de enero",
    ],
)
def test_who_sleeps_in_the_first_room_is_asked_where_it_is_open(text: str) -> None:
    chat = Chat()
    assert "cuántos duermen en la primera" in chat.writes(text).body
    assert "2 adultos. Esto es lo que hay libre" in chat.writes("2").body


def test_a_name_that_fits_two_rooms_is_asked_back() -> None:
    rooms = [
        RoomType("a", {"es": "Doble jardín"}, 100, 2, 1),
        RoomType("b", {"es": "Doble piscina"}, 100, 2, 1),
        RoomType("c", {"es": "Suite"}, 100, 2, 1),
    ]
    chat = Chat(FrontDesk(rooms))
    chat.writes("del 10 al 12 de diciembre para 2")
    menu = chat.writes("doble")
    assert "¿Cuál de estas quieres?" in menu.body
    assert [title for _, title in choices(menu)] == ["Doble jardín", "Doble piscina"]
    assert "Te guardo *Doble piscina*" in chat.taps("Doble piscina").body


def test_more_rooms_than_a_list_has_rows() -> None:
    rooms = [RoomType(f"t{n}", {"es": f"Tipo {n:02}"}, 100 + n, 2, 1) for n in range(23)]
    chat = Chat(FrontDesk(rooms))
    chat.writes("del 10 al 12 de diciembre para 2")
    chat.taps("Ver más")
    last = chat.taps("Ver más")
    assert [title for _, title in choices(last)] == [f"Tipo {n:02}" for n in range(18, 23)]
    assert "Te guardo *Tipo 20*" in chat.taps("Tipo 20").body


def test_cancelling_a_reservation_is_asked_first() -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    chat.writes("suite")
    chat.writes("sí")
    assert "KQXM1001" in chat.writes("mis reservas").body
    asked = chat.writes("cancelar mi reserva del 10 al 12")
    assert "¿Seguro que quieres cancelar esta reserva?" in asked.body
    assert "sigue en pie" in chat.writes("no").body
    chat.writes("cancelar mi reserva")
    assert "*KQXM1001* está cancelada" in chat.taps("Sí, cancelar").body
    assert chat.desk.rooms["rt-3"].sold[DECEMBER[0]] == 0
    assert sent(chat)[-1] is CancelReservation
    assert "ninguna reserva" in chat.writes("mis reservas").body


@pytest.mark.parametrize("hello", ["", "hello, "])
def test_the_days_of_a_month_are_asked_for_and_read_as_its_days(hello: str) -> None:
    chat = Chat()
    asked = chat.writes(f"{hello}do you have anything in jan 2028 for two?")
    assert asked.body == "On which day of January 2028 do you arrive, and when do you leave?"
    chat.writes("del 10 al 12")
    assert chat.desk.queries == [SearchAvailability(date(2028, 1, 10), date(2028, 1, 12), 2, 0)]


def test_a_month_with_a_length_asks_for_the_day_of_arrival_alone() -> None:
    chat = Chat()
    asked = chat.writes("3 noches en enero de 2027 para 2")
    assert asked.body == "¿Qué día de enero de 2027 llegas?"
    chat.writes("el 10")
    assert chat.desk.queries == [SearchAvailability(date(2027, 1, 10), date(2027, 1, 13), 2, 0)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("en enero de 2035", "la última noche que puedo vender es la del martes 16 de mayo"),
        ("in January 2035", "the last night I can sell is Tuesday, May 16, 2028"),
        ("en enero de 2026", "Esa fecha ya pasó"),
        ("in January 2026", "That date is over"),
    ],
)
def test_a_month_that_cannot_be_booked_is_answered_as_such(text: str, told: str) -> None:
    assert told in Chat().writes(text).body


def test_a_month_that_has_gone_by_is_not_meant_any_more() -> None:
    chat = Chat()
    chat.writes("3 noches en diciembre de 2026 para 2")
    chat.later(days=60)
    chat.writes("del 27 al 29")
    (asked,) = chat.desk.queries
    assert isinstance(asked, SearchAvailability)
    assert (asked.check_in.day, asked.check_out.day) == (27, 29)
    assert asked.check_in >= chat.hotel.today


def test_a_month_that_was_named_is_over_with_other_dates() -> None:
    chat = Chat()
    chat.writes("en enero de 2028 para 2")
    chat.writes("mañana, una noche")
    assert chat.state.draft.month is None
    chat.writes("del 10 al 12")
    assert chat.desk.queries[-1].check_in == date(2026, 12, 10)


def test_what_is_cancelled_already_is_not_denied() -> None:
    chat = Chat()
    chat.writes("from Dec 10 to 12 for two, please")
    chat.writes("the suite")
    chat.writes("yes")
    chat.writes("cancel my booking")
    chat.writes("yes")
    told = chat.writes("cancel my booking").body
    assert told.startswith("Your booking *KQXM1001* is already cancelled.")
    assert merged(chat.state, State()).cancelled == chat.state.cancelled
    chat.later(days=30)
    assert "I see no booking" in chat.writes("cancel my booking").body


def test_a_reservation_that_stands_is_meant_rather_than_the_cancelled_one() -> None:
    chat = Chat()
    for _ in range(2):
        chat.writes("del 10 al 12 de diciembre para 2")
        chat.writes("doble")
        chat.writes("sí")
    chat.writes("cancelar mi reserva")
    chat.taps("KQXM1001")
    chat.writes("sí")
    assert "Código *KQXM1002*" in chat.writes("cancelar mi reserva").body


def test_a_yes_means_the_cancellation_only_right_after_the_question() -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    chat.writes("suite")
    chat.writes("sí")
    chat.writes("cancelar mi reserva")
    chat.writes("gracias")
    chat.writes("sí")
    assert CancelReservation not in sent(chat)


@pytest.mark.parametrize("text", ["¿y si cancelo luego?", "ok?", "no quiero cancelar", "espera"])
def test_a_doubt_does_not_cancel_a_reservation(text: str) -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    chat.writes("suite")
    chat.writes("sí")
    chat.writes("cancelar mi reserva")
    chat.writes(text)
    assert CancelReservation not in sent(chat)


def test_one_of_several_reservations_is_picked_from_a_list() -> None:
    chat = Chat()
    for _ in range(2):
        chat.writes("del 10 al 12 de diciembre para 2")
        chat.writes("doble")
        chat.writes("sí")
    menu = chat.writes("cancelar mi reserva")
    assert [title for _, title in choices(menu)] == ["KQXM1001", "KQXM1002"]
    chat.taps("KQXM1002")
    assert "*KQXM1002* está cancelada" in chat.writes("sí").body
    assert [known.code for known in chat.state.reservations] == ["KQXM1001"]


def test_a_kept_room_and_a_reservation_which_one() -> None:
    chat = Chat()
    for _ in range(2):
        chat.writes("del 10 al 12 de diciembre para 2")
        chat.writes("doble")
        if not chat.state.reservations:
            chat.writes("sí")
    asked = chat.writes("cancelar mi reserva")
    assert "¿Qué cancelo?" in asked.body
    assert "¿Seguro" in chat.taps("La reserva").body
    assert "Hecho" in chat.taps("La guardada", of=asked).body


def test_a_confirmed_reservation_is_not_changed_by_new_dates() -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    chat.writes("suite")
    chat.writes("sí")
    assert "No puedo cambiar una reserva ya hecha" in chat.writes("cambiar mi reserva al 14").body


def test_reservations_that_are_over_are_not_shown() -> None:
    chat = Chat()
    chat.writes("del 25 al 27 de noviembre para 2")
    chat.writes("suite")
    chat.writes("sí")
    chat.later(days=10)
    assert "ninguna reserva" in chat.writes("mis reservas").body


def test_a_message_while_a_command_is_open_changes_nothing() -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    waiting = think(chat.state, GuestText("suite"), chat.hotel, chat.ask)
    assert waiting.commands
    decision = think(waiting.state, GuestText("hola"), chat.hotel, chat.ask)
    assert decision.state == waiting.state
    assert "Un momento" in decision.replies[0].body
    assert not decision.commands


def test_hello_later_starts_anew() -> None:
    chat = Chat()
    chat.writes("del 10 al 12 de diciembre para 2")
    chat.writes("hola")
    assert chat.state == State(language="es", offer_count=1)
