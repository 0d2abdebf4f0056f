"""What of the hotel a guest asks about."""

from datetime import date

import pytest

from services.messaging.understanding.meaning import Context, Topic
from services.messaging.understanding.reader import understand
from services.messaging.understanding.topics import MOST


def topics(text: str) -> tuple[Topic, ...]:
    return understand(text, Context(date(2026, 11, 23))).topics


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("¿Dónde estáis?", Topic.LOCATION),
        ("donde queda el hotel", Topic.LOCATION),
        ("me pasas la dirección", Topic.LOCATION),
        ("¿cómo llego?", Topic.LOCATION),
        ("where are you?", Topic.LOCATION),
        ("what's the address", Topic.LOCATION),
        ("¿A qué hora es el check-in?", Topic.CHECK_IN),
        ("¿a qué hora podemos entrar?", Topic.CHECK_IN),
        ("what time can we arrive?", Topic.CHECK_IN),
        ("check out time?", Topic.CHECK_OUT),
        ("¿hasta qué hora puedo dejar la habitación?", Topic.CHECK_OUT),
        ("is late checkout possible?", Topic.CHECK_OUT),
        ("¿qué horario tenéis?", Topic.HOURS),
        ("¿estáis abiertos?", Topic.HOURS),
        ("are you open now?", Topic.HOURS),
        ("when does the reception close?", Topic.HOURS),
        ("wifi?", Topic.WIFI),
        ("what is the wi-fi password", Topic.WIFI),
        ("¿hay parking?", Topic.PARKING),
        ("¿tienen estacionamiento?", Topic.PARKING),
        ("where can I park", Topic.PARKING),
        ("¿el desayuno está incluido?", Topic.BREAKFAST),
        ("is there a restaurant", Topic.RESTAURANT),
        ("¿tenéis piscina?", Topic.POOL),
        ("¿admiten perros?", Topic.PETS),
        ("can I bring my dog?", Topic.PETS),
        ("¿cómo voy desde el aeropuerto?", Topic.TRANSPORT),
        ("do you have a lift?", Topic.ACCESSIBILITY),
        ("can we leave our luggage?", Topic.LUGGAGE),
        ("¿puedo pagar con tarjeta?", Topic.PAYMENT),
        ("¿tenéis cunas?", Topic.CHILDREN),
        ("¿cuál es vuestro teléfono?", Topic.CONTACT),
        ("is there a gym?", Topic.FITNESS),
        ("¿cuál es la política de cancelación?", Topic.CANCELLATION),
        ("cancellation policy", Topic.CANCELLATION),
        ("¿se puede cancelar gratis?", Topic.CANCELLATION),
        ("how much does it cost to cancel?", Topic.CANCELLATION),
        ("¿hay que pagar un depósito?", Topic.DEPOSIT),
        ("do I pay in advance?", Topic.DEPOSIT),
    ],
)
def test_a_topic(text: str, topic: Topic) -> None:
    assert topics(text) == (topic,)


@pytest.mark.parametrize(
    "text",
    [
        "hola",
        "una doble del 12 al 14 de diciembre para 2",
        "double room for two, next weekend",
        "sí, confirmo",
        "mis reservas",
        "cancelar mi reserva",
        "cancelar gratis",
        "te digo algo en 24 horas",
        "is the suite free?",
        "quiero la suite con vistas",
        "¿cuánto cuesta?",
    ],
)
def test_a_text_about_a_stay_is_about_no_topic(text: str) -> None:
    assert topics(text) == ()


def test_several_come_in_the_order_of_the_text() -> None:
    assert topics("¿hay parking, piscina y wifi?") == (Topic.PARKING, Topic.POOL, Topic.WIFI)
    assert len(topics("parking pool wifi gym dogs breakfast")) == MOST
