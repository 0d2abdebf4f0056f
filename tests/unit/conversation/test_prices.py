"""What a total is made of, and why a room is not sold, as a guest is told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from meshkit.money import Money
from services.messaging.conversation.state import Tax
from services.messaging.replies.model import Buttons, ListMenu
from services.messaging.replies.prices import NOT_SOLD
from tests.unit.conversation.world import Chat, choices

ASKED = "doble del 10 al 12 de diciembre para 2"
TAXES = (
    Tax({"es": "IVA", "en": "VAT"}, Money(Decimal("21.82"), "EUR"), included=True),
    Tax({"es": "Tasa turística", "en": "City tax"}, Money(Decimal(6), "EUR"), included=False),
)


def chat_with_taxes() -> Chat:
    chat = Chat()
    chat.desk.taxes = TAXES
    return chat


def test_the_offer_shows_the_total_with_taxes_and_names_them() -> None:
    offer = chat_with_taxes().writes(ASKED)
    assert isinstance(offer, ListMenu)
    assert "• *Habitación doble*: 246,00 € en total" in offer.body
    assert "El total ya incluye: IVA, Tasa turística." in offer.body


def test_what_is_kept_tells_each_tax_and_what_it_comes_to() -> None:
    chat = chat_with_taxes()
    chat.writes(ASKED)
    kept = chat.writes("doble")
    assert isinstance(kept, Buttons)
    assert (
        "Precio: *246,00 €* en total (120,00 € por noche)\n"
        "IVA incluido: 21,82 €\n"
        "Tasa turística: 6,00 €, ya en el total\n"
    ) in kept.body


def test_without_taxes_nothing_is_said_of_them() -> None:
    chat = Chat()
    assert "incluye" not in chat.writes(ASKED).body
    assert "incluid" not in chat.writes("doble").body


def test_each_rule_of_the_hotel_is_told_with_the_rooms_it_is_about() -> None:
    chat = Chat()
    chat.desk.rules = {"rt-3": ("MINIMUM_STAY", 3)}
    offer = chat.writes(ASKED)
    assert [title for _, title in choices(offer)] == ["Habitación doble"]
    assert "En esas fechas, 3 noches como mínimo: Suite." in offer.body


REASONS = {
    "MINIMUM_STAY": (3, "En esas fechas, 3 noches como mínimo: Suite."),
    "MAXIMUM_STAY": (1, "En esas fechas, 1 noche como máximo: Suite."),
    "CLOSED": (0, "No se venden esas noches: Suite."),
    "BEYOND_HORIZON": (0, "No se venden esas noches: Suite."),
    "CLOSED_TO_ARRIVAL": (0, "Sin llegadas ese día: Suite."),
    "CLOSED_TO_DEPARTURE": (0, "Sin salidas ese día: Suite."),
    "ADVANCE_NOTICE": (1, "Hay que reservar con 1 día de antelación: Suite."),
}


@pytest.mark.parametrize("reason", sorted(NOT_SOLD))
def test_when_nothing_can_be_had_the_guest_hears_why_and_not_that_it_is_full(reason: str) -> None:
    chat = Chat()
    detail, told = REASONS[reason]
    chat.desk.rules = dict.fromkeys(("rt-1", "rt-2"), ("CLOSED", 0)) | {"rt-3": (reason, detail)}
    nothing = chat.writes(ASKED)
    assert "así no puedo reservarte ninguna habitación" in nothing.body
    assert told.replace(": Suite.", "") in nothing.body
    assert "Suite" in nothing.body
    assert "no queda ninguna habitación libre" not in nothing.body


def test_a_rule_that_came_in_between_is_told_when_the_room_is_picked() -> None:
    chat = Chat()
    chat.writes(ASKED)
    chat.desk.rules = {"rt-2": ("MINIMUM_STAY", 4)}
    told = chat.writes("doble")
    assert told.body.startswith("*Habitación doble* no se puede reservar para esas fechas")
    assert "En esas fechas, 4 noches como mínimo: Habitación doble." in told.body
    assert [title for _, title in choices(told)] == ["Suite"]
