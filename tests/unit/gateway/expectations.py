"""What a body must become, told without the gateway's code."""

from __future__ import annotations

import json
from typing import Any

from conserje.messaging.v1.event_pb2 import InboundEvent
from google.protobuf.json_format import MessageToDict

from tests.bodies import Item, Json

NOW = 1_795_000_000.0
"""After every time in the bodies."""


def payload_of(event: InboundEvent) -> Json:
    """The event as the files of bodies write it."""
    told = MessageToDict(event, preserving_proto_field_name=True)
    kind = event.WhichOneof("payload")
    assert kind is not None
    payload: Json = {kind: told[kind]}
    if kind == "unreadable":
        payload[kind] = told[kind]["reason"]
    if event.raw_json:
        payload["raw"] = True
    return payload


def check_envelope(event: InboundEvent, item: Item) -> None:
    """Whose item it is, when it happened, and the item itself where it is kept raw."""
    assert event.phone_number_id == item.number
    assert event.whatsapp_business_account_id == item.account
    assert 1 <= len(event.item_key) <= 64
    assert _time_of(event) == _time_in(item)
    if event.raw_json:
        assert json.loads(event.raw_json) == item.json


def check_kind(event: InboundEvent, item: Item) -> None:
    """The item's own ids and words, where they are easy to see."""
    kind = event.WhichOneof("payload")
    if item.kind == "messages":
        assert kind == "message"
        assert event.message.whatsapp_message_id == str(item.json["id"])
        assert event.message.type == item.json["type"]
        if item.json.get("from"):
            assert event.message.sender.whatsapp_id == str(item.json["from"])
    elif item.kind == "statuses":
        assert kind == "status"
        assert event.status.whatsapp_message_id == item.json["id"]
    elif item.kind == "errors":
        assert kind == "error"
        assert event.error.code == item.json["code"]
    else:
        assert kind == "field_update"
        assert event.field_update.field == item.field


def _time_of(event: InboundEvent) -> int | None:
    return event.event_time.seconds if event.HasField("event_time") else None


def _time_in(item: Item) -> int | None:
    timestamp: Any = item.json.get("timestamp") if isinstance(item.json, dict) else None
    return None if timestamp is None or item.kind == "errors" else int(timestamp)
