"""Who sent a message: the ids of the item and the card that comes with it.

A guest may have no phone number: since 2026 `from` may be absent or empty, and
only business-scoped user ids tell who it is.
https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
"""

from __future__ import annotations

from typing import Any

from conserje.messaging.v1 import event_pb2 as pb

from gateway.jsonbody import Json
from gateway.values import SHAPE_ERRORS, items, mapping, text

_MAX_ID = 300
"""Longest id of a sender that is believed. Meta's have up to 131 characters (a
country, a dot, 128), and the mailboxes are found through an index on them."""


class Cards:
    """The `contacts` of one webhook value."""

    def __init__(self, contacts: Any, messages: list[Any]) -> None:
        """`messages` are those that the cards belong to."""
        self._cards = [card for card in items(contacts) if type(card) is dict]
        self._messages = messages
        self._by_id: dict[str, Json] | None = None
        self._only: Json | None = None

    def find(self, whatsapp_id: str, user_id: str) -> Json:
        """The card of a sender; empty when there is none."""
        if self._by_id is None:
            self._by_id = self._index()
            self._only = self._card_of_all()
        by_id = self._by_id
        found = by_id.get(user_id) or by_id.get(whatsapp_id) or self._only
        return found or {}

    def _index(self) -> dict[str, Json]:
        by_id: dict[str, Json] = {}
        for card in self._cards:
            for key in ("wa_id", "user_id"):
                try:
                    by_id.setdefault(text(card.get(key)), card)
                except TypeError:
                    continue
        by_id.pop("", None)
        return by_id

    def _card_of_all(self) -> Json | None:
        """The only card, when only one sender can be meant by it.

        `wa_id` may differ from `from`, so a card need not name its message's
        sender; with two senders in the value a guess could mix up two guests.
        """
        senders = {_sender_ids(message) for message in self._messages}
        return self._cards[0] if len(self._cards) == 1 and len(senders) == 1 else None


def _sender_ids(message: Any) -> tuple[str, str] | None:
    try:
        return text(message.get("from")), text(message.get("from_user_id"))
    except (*SHAPE_ERRORS, AttributeError):
        return None


def fill_sender(sender: pb.Sender, item: Json, cards: Cards) -> None:
    """Set who sent an item. Raises ValueError when nothing tells who."""
    whatsapp_id = text(item.get("from"))
    user_id = text(item.get("from_user_id"))
    card = cards.find(whatsapp_id, user_id)
    card_id = text(card.get("wa_id"))
    profile = mapping(card.get("profile"))
    sender.whatsapp_id = whatsapp_id = _believed(whatsapp_id)
    sender.user_id = user_id = _believed(user_id or text(card.get("user_id")))
    sender.parent_user_id = text(item.get("from_parent_user_id") or card.get("parent_user_id"))
    sender.display_name = text(profile.get("name"))
    sender.username = text(profile.get("username") or card.get("username"))
    if card_id != whatsapp_id:
        sender.contact_whatsapp_id = _believed(card_id)
    if not (whatsapp_id or user_id or card_id):
        raise ValueError("the message names no sender")


def _believed(sender_id: str) -> str:
    if len(sender_id) > _MAX_ID:
        raise ValueError("the sender's id is too long")
    return sender_id
