"""What a conversation says, as something that can be sent."""

from __future__ import annotations

from typing import assert_never

from services.messaging.replies import model
from services.messaging.whatsapp.sends import Buttons, Choice, Menu, Section, Send, Text


def send_of(reply: model.Reply) -> Send:
    """A reply as a send; ids and words are the same."""
    match reply:
        case model.Text():
            return Text(reply.body)
        case model.Buttons():
            choices = [Choice(button.id, button.title) for button in reply.buttons]
            return Buttons(reply.body, choices)
        case model.ListMenu():
            rows = [Choice(row.id, row.title, row.description) for row in reply.rows]
            return Menu(reply.body, reply.button, [Section(rows)])
        case _:
            assert_never(reply)
