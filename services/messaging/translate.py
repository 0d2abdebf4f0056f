"""What a guest sent, as conversations know it."""

from __future__ import annotations

from conserje.messaging.v1.event_pb2 import InboundEvent, InboundMessage

from services.messaging.conversation.events import GuestOther, GuestTap, GuestText


def guest_event(stored: bytes) -> GuestText | GuestTap | GuestOther:
    """The event of a stored message."""
    return _event(InboundEvent.FromString(stored).message)


def _event(message: InboundMessage) -> GuestText | GuestTap | GuestOther:
    content = message.WhichOneof("content")
    if content == "reply":
        return GuestTap(message.reply.reply_id, message.reply.title)
    words = _words(message, content)
    return GuestText(words) if words else GuestOther(message.type or content or "unknown")


def _words(message: InboundMessage, content: str | None) -> str:
    """What was written in it, if anything."""
    if content == "text":
        return message.text.body
    if content == "media":
        return message.media.caption
    if content == "edit":
        return message.edit.body
    return message.template_button.text if content == "template_button" else ""
