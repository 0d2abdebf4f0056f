"""Reads the items of a body from its raw JSON by Meta's documentation alone, for comparison.

It shares nothing with the gateway: what both say the same of was understood twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.bodies import Json

STATES = {"sent": "SENT", "delivered": "DELIVERED", "read": "READ", "failed": "FAILED"}


@dataclass(frozen=True)
class Found:
    """One item: where it stands and what must be told of it."""

    account: str
    number: str
    json: Any
    kind: str
    """The name of the payload."""
    told: Json
    """The payload in protobuf's JSON."""
    complete: bool
    """False for what Meta does not send to a webhook: then `told` is a part of the payload."""


def walk(data: bytes) -> Iterator[Found]:
    """The items of a body in the order in which they are read."""
    for entry in json.loads(data)["entry"]:
        for change in entry["changes"]:
            value = change["value"]
            place = (entry["id"], value["metadata"]["phone_number_id"])
            if change["field"] != "messages":
                yield Found(*place, value, "field_update", {"field": change["field"]}, True)
                continue
            for message in value.get("messages", ()):
                yield _message(place, message, value.get("contacts", ()))
            for status in value.get("statuses", ()):
                yield Found(*place, status, "status", _full(_status(status)), True)
            for error in value.get("errors", ()):
                yield Found(*place, error, "error", _full(_error(error)), True)


def _message(place: tuple[str, str], message: Json, cards: Any) -> Found:
    names = [card["profile"]["name"] for card in cards if card["wa_id"] == message["from"]]
    told: Json = {
        "whatsapp_message_id": message["id"],
        "sender": {"whatsapp_id": message["from"], "display_name": "".join(names)},
        "type": message["type"],
        "context": _context(message.get("context", {})),
        "referral": _referral(message.get("referral", {})),
    }
    content = _content(message)
    return Found(*place, message, "message", _full(told | content), bool(content))


def _content(message: Json) -> Json:
    """The content of the types that Meta shows; empty for others."""
    kind = message["type"]
    if kind == "unsupported":
        return {"unsupported": {"errors": [_error(one) for one in message["errors"]]}}
    inner = message[kind]
    if message.get("is_foreign"):
        return {}
    if kind == "text":
        return {"text": {"body": inner["body"]}}
    if kind == "image":
        media = {"kind": "MEDIA_KIND_IMAGE", "media_id": inner["id"], "caption": inner["caption"]}
        return {"media": {**media, "mime_type": inner["mime_type"], "sha256": inner["sha256"]}}
    if kind == "interactive":
        return {"reply": _reply(inner[inner["type"]])}
    if kind == "button":
        return {"template_button": dict(inner)}
    if kind == "reaction":
        return {"reaction": {"whatsapp_message_id": inner["message_id"], "emoji": inner["emoji"]}}
    if kind == "contacts":
        return {"contacts": {"contacts": [_card(one) for one in inner]}}
    if kind == "order":
        items = [_ordered(one) for one in inner["product_items"]]
        return {"order": {**inner, "items": items, "product_items": ""}}
    if kind == "system":
        change = {"body": inner["body"], "type": inner["type"]}
        return {"system": {**change, "new_whatsapp_id": inner["wa_id"]}}
    assert kind == "location", kind
    return {"location": dict(inner)}


def _reply(inner: Json) -> Json:
    told = {"reply_id": inner["id"], "title": inner["title"]}
    return {**told, "description": inner.get("description", "")}


def _card(card: Json) -> Json:
    return {
        "formatted_name": card["name"]["formatted_name"],
        "phone_numbers": [phone["phone"] for phone in card["phones"]],
        "whatsapp_ids": [phone["wa_id"] for phone in card["phones"]],
    }


def _ordered(item: Json) -> Json:
    told = {"product_retailer_id": item["product_retailer_id"], "quantity": item["quantity"]}
    return {**told, "item_price": str(item["item_price"]), "currency_code": item["currency"]}


def _context(context: Json) -> Json:
    told = {"whatsapp_message_id": context.get("id"), "from_whatsapp_id": context.get("from")}
    return {**told, **context.get("referred_product", {})}


def _referral(referral: Json) -> Json:
    names = ("source_url", "source_id", "source_type", "headline", "body")
    return {**{name: referral.get(name) for name in names}, "click_id": referral.get("ctwa_clid")}


def _status(status: Json) -> Json:
    return {
        "whatsapp_message_id": status["id"],
        "state": f"DELIVERY_STATE_{STATES[status['status']]}",
        "recipient_whatsapp_id": status["recipient_id"],
        "errors": [_error(one) for one in status.get("errors", ())],
    }


def _error(error: Json) -> Json:
    told = {name: error.get(name) for name in ("code", "title", "message")}
    return {**told, "details": error.get("error_data", {}).get("details")}


def _full(told: Any) -> Any:
    """Without what is empty, as protobuf writes it."""
    if isinstance(told, list):
        return [_full(one) for one in told]
    if not isinstance(told, dict):
        return told
    full = {name: _full(value) for name, value in told.items()}
    return {name: value for name, value in full.items() if value not in (None, "", 0, {}, [])}
