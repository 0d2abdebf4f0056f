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
        self._by_id = self._index()
        self._only: Json | None = None

    def find(self, whatsapp_id: str, user_id: str) -> Json:
        """The card of a sender; empty when there is none."""
        by_id = self._by_id
        if (user_id and user_id in by_id) or (whatsapp_id and whatsapp_id in by_id):
            return by_id.get(user_id) or by_id[whatsapp_id]
        if self._only is None:
            self._only = self._card_of_all()
        return self._only

    def _index(self) -> dict[str, Json]:
        by_id: dict[str, Json] = {}
        for card in self._cards:
            for key in ("wa_id", "user_id"):
                if key in card:
                    try:
                        by_id.setdefault(text(card[key]), card)
                    except TypeError:
                        continue
        return by_id

    def _card_of_all(self) -> Json:
        """The only card, when only one sender can be meant by it.

        `wa_id` may differ from `from`, so a card need not name its message's
        sender; with two senders in the value a guess could mix up two guests.
        """
        senders = {_sender_ids(message) for message in self._messages}
        return self._cards[0] if len(self._cards) == 1 and len(senders) == 1 else {}


def _sender_ids(message: Any) -> tuple[str, str] | None:
    try:
        return text(message.get("from")), text(message.get("from_user_id"))
    except SHAPE_ERRORS:
        return None


def fill_sender(sender: pb.Sender, item: Json, cards: Cards) -> None:
    """Set who sent an item. Raises ValueError when nothing tells who."""
    whatsapp_id = text(item.get("from"))
    user_id = text(item["from_user_id"]) if "from_user_id" in item else ""
    card = cards.find(whatsapp_id, user_id)
    sender.whatsapp_id = _believed(whatsapp_id)
    if user_id or "user_id" in card:
        sender.user_id = user_id = _believed(user_id or text(card["user_id"]))
    if "from_parent_user_id" in item or "parent_user_id" in card:
        parent = item.get("from_parent_user_id") or card.get("parent_user_id")
        sender.parent_user_id = _believed(text(parent))
    if "wa_id" in card and (card_id := text(card["wa_id"])) != whatsapp_id:
        sender.contact_whatsapp_id = _believed(card_id)
    if not (whatsapp_id or user_id or sender.contact_whatsapp_id):
        raise ValueError("the message names no sender")
    _fill_names(sender, mapping(card.get("profile")))


def _fill_names(sender: pb.Sender, profile: Json) -> None:
    sender.display_name = text(profile.get("name"))
    if "username" in profile:
        sender.username = text(profile["username"])


def _believed(sender_id: str) -> str:
    if len(sender_id) > _MAX_ID:
        raise ValueError("the sender's id is too long")
    return sender_id
