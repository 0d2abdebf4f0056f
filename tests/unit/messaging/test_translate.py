"""What a guest sent, as conversations know it."""

from __future__ import annotations

import pytest
from conserje.messaging.v1.event_pb2 import InboundEvent, InboundMessage

from services.messaging.conversation.events import GuestOther, GuestTap, GuestText
from services.messaging.translate import guest_event


def told(message: InboundMessage) -> object:
    return guest_event(InboundEvent(message=message).SerializeToString())


def test_words_wherever_they_are() -> None:
    message = InboundMessage(type="text")
    message.text.body = "hola\0"
    assert told(message) == GuestText("hola\0")
    message.media.caption = "mira"
    assert told(message) == GuestText("mira")
    message.edit.body = "mejor dos"
    assert told(message) == GuestText("mejor dos")
    message.template_button.text = "Sí"
    assert told(message) == GuestText("Sí")


def test_a_tap() -> None:
    message = InboundMessage(type="interactive")
    message.reply.reply_id, message.reply.title = "id-1", "Doble"
    assert told(message) == GuestTap("id-1", "Doble")


@pytest.mark.parametrize("kind", ["audio", "location", "poll", ""])
def test_what_has_no_words_goes_by_metas_word_for_it(kind: str) -> None:
    message = InboundMessage(type=kind)
    message.media.media_id = "1"
    assert told(message) == GuestOther(kind or "media")


def test_what_is_not_known_at_all() -> None:
    assert told(InboundMessage()) == GuestOther("unknown")
