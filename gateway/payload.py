"""A webhook body into typed events: every item of it, each on its own.

One body holds up to 1,000 items over several entries and changes, with
messages, statuses and errors side by side. What is understood becomes a typed
event; what is not is kept as it came. Nothing of an authentic body is dropped,
and no item is lost because of another.
https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from conserje.messaging.v1 import event_pb2 as pb

from gateway import jsonbody, messages, reports
from gateway.jsonbody import Json, OddJsonError
from gateway.senders import Cards, fill_sender
from gateway.values import SHAPE_ERRORS, items, number_id, text

_EARLIEST = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
_AHEAD = 2 * 24 * 3600
"""Meta's clock may be ahead of ours by this much. Items are deduplicated by day,
and partitions for the days to come are made only so far ahead."""

_MAX_PLAIN_KEY = 64
_VALUE_KEYS = frozenset(
    {"messaging_product", "metadata", "contacts", "messages", "statuses", "errors"}
)

BODY = pb.UNREADABLE_REASON_BODY
SHAPE = pb.UNREADABLE_REASON_SHAPE
NUMBER = pb.UNREADABLE_REASON_NUMBER


def translate(body: bytes, now: float, *, keep_raw: bool = False) -> list[pb.InboundEvent]:
    """Every item of an authentic body, in its order; at least one event.

    `now` is in seconds since 1970 and bounds which times are believed. With
    `keep_raw` each event has its item as JSON; without, only those that do not
    tell everything. The events and their keys are the same either way.
    """
    try:
        return _Walk(now, keep_raw, jsonbody.write).body(jsonbody.read(body))
    except OddJsonError:
        return _translate_odd(body, now, keep_raw)
    except NotWhatsAppError as error:
        return [_unreadable_body(body, str(error))]


def _translate_odd(body: bytes, now: float, keep_raw: bool) -> list[pb.InboundEvent]:
    try:
        return _Walk(now, keep_raw, jsonbody.write_odd).body(jsonbody.read_odd(body))
    except NotWhatsAppError as error:
        return [_unreadable_body(body, str(error))]
    except ValueError:
        return [_unreadable_body(body, "the body is no JSON")]


class NotWhatsAppError(Exception):
    """The body is JSON, but none of WhatsApp's."""


def _unreadable_body(body: bytes, detail: str) -> pb.InboundEvent:
    return pb.InboundEvent(
        item_key=b"b" + sha256(body).digest(),
        raw_json=body,
        unreadable=pb.UnreadableItem(reason=BODY, detail=detail),
    )


class _Walk:
    """One pass over a body."""

    def __init__(self, now: float, keep_raw: bool, write: Callable[[Any], bytes]) -> None:
        self._latest = now + _AHEAD
        self._keep_raw = keep_raw
        self._write = write
        self._events: list[pb.InboundEvent] = []
        self._account = ""
        self._number = ""
        self._field = "messages"

    def body(self, body: Any) -> list[pb.InboundEvent]:
        """The events of a body. Raises `NotWhatsAppError`."""
        if type(body) is not dict or body.get("object") != "whatsapp_business_account":
            raise NotWhatsAppError("the body is not about a WhatsApp business account")
        for entry in items(body.get("entry")):
            self._entry(entry)
        if not self._events:
            raise NotWhatsAppError("the body has no entry")
        return self._events

    def _entry(self, entry: Any) -> None:
        self._account = self._number = self._field = ""
        changes = items(entry.get("changes")) if type(entry) is dict else []
        if not changes:
            self._unreadable(entry, SHAPE, "the entry has no change")
            return
        self._account = number_id(entry.get("id"))
        for change in changes:
            self._change(change)

    def _change(self, change: Any) -> None:
        self._number = self._field = ""
        field = change.get("field") if type(change) is dict else None
        if type(field) is not str or not field:
            self._unreadable(change, SHAPE, "the change names no field")
            return
        self._field = field
        if field != "messages":
            self._field_update(change.get("value"))
        elif type(change.get("value")) is dict:
            self._value(change["value"])
        else:
            self._unreadable(change.get("value"), SHAPE, "the change has no value")

    def _field_update(self, value: Any) -> None:
        """Another field of the account: kept whole, whatever it holds."""
        fields = value if type(value) is dict else {}
        self._number = _number_of(fields)
        event = self._event(self._hashed(value), fields.get("timestamp"))
        event.field_update.field = self._field
        event.raw_json = self._write(value)
        self._events.append(event)

    def _value(self, value: Json) -> None:
        self._number = _number_of(value)
        before = len(self._events)
        sent = items(value.get("messages"))
        if sent:
            cards = Cards(value.get("contacts"), sent)
            for item in sent:
                self._item(item, self._message, cards)
        for item in items(value.get("statuses")):
            self._item(item, self._status)
        for item in items(value.get("errors")):
            self._item(item, self._error)
        self._rest(value, empty=len(self._events) == before)

    def _rest(self, value: Json, *, empty: bool) -> None:
        """What Meta may add to a value one day is kept as well.

        New lists and objects only: a new number or word in each value would
        double the items of each webhook.
        """
        rest = {
            key: part
            for key, part in value.items()
            if key not in _VALUE_KEYS and isinstance(part, (dict, list))
        }
        if empty:
            self._unreadable(value, SHAPE, "the value has no item")
        elif rest:
            self._unreadable(rest, SHAPE, "the value has a part that is not known")

    def _item(self, item: Any, read: Callable[..., pb.InboundEvent], *context: Cards) -> None:
        """One item as `read` reads it, or else as it came."""
        if not self._number:
            self._unreadable(item, NUMBER, "the value names no number")
        elif type(item) is not dict:
            self._unreadable(item, SHAPE, "the item is no object")
        else:
            try:
                event = read(item, *context)
            except SHAPE_ERRORS:
                self._unreadable(item, SHAPE, f"{read.__name__[1:]} has another shape")
            else:
                if self._keep_raw and not event.raw_json:
                    event.raw_json = self._write(item)
                self._events.append(event)

    def _message(self, item: Json, cards: Cards) -> pb.InboundEvent:
        wamid = text(item.get("id"))
        event = self._event(self._message_key(wamid, item), item.get("timestamp"))
        message = event.message
        message.whatsapp_message_id = wamid
        message.type = text(item.get("type"))
        fill_sender(message.sender, item, cards)
        if not messages.fill(message, item):
            event.raw_json = self._write(item)
        return event

    def _status(self, item: Json) -> pb.InboundEvent:
        event = self._event(self._status_key(item), item.get("timestamp"))
        if not reports.fill_status(event.status, item):
            event.raw_json = self._write(item)
        return event

    def _error(self, item: Json) -> pb.InboundEvent:
        event = self._event(self._hashed(item), None)
        reports.fill_error(event.error, item)
        return event

    def _unreadable(self, item: Any, reason: pb.UnreadableReason.ValueType, detail: str) -> None:
        event = self._event(self._hashed(item), None)
        event.raw_json = self._write(item)
        event.unreadable.reason = reason
        event.unreadable.detail = detail
        self._events.append(event)

    def _event(self, key: bytes, timestamp: Any) -> pb.InboundEvent:
        event = pb.InboundEvent(
            phone_number_id=self._number,
            whatsapp_business_account_id=self._account,
            item_key=key,
        )
        seconds = _seconds(timestamp)
        if _EARLIEST <= seconds <= self._latest:
            event.event_time.seconds = seconds
        return event

    # Keys: equal in every delivery of an item, different between items. The first
    # byte says how the rest was made, so that no two ways meet.

    def _message_key(self, wamid: str, item: Json) -> bytes:
        key = b"m" + wamid.encode()
        if 1 < len(key) <= _MAX_PLAIN_KEY:
            return key
        return b"M" + sha256(key).digest() if wamid else self._hashed(item)

    def _status_key(self, item: Json) -> bytes:
        """A group's status comes once for each member."""
        wamid = text(item.get("id"))
        if not wamid:
            return self._hashed(item)
        recipient = text(item.get("recipient_id")) or text(item.get("recipient_user_id"))
        member = text(item.get("recipient_participant_id"))
        named = self._write([wamid, text(item["status"]), recipient, member])
        return b"s" + sha256(named).digest()

    def _hashed(self, item: Any) -> bytes:
        """SHA-256 of the account, the field and the item, which has no id of its own."""
        digest = sha256(self._write([self._account, self._field]))
        digest.update(self._write(item))
        return b"h" + digest.digest()


def _number_of(value: Json) -> str:
    metadata = value.get("metadata")
    return number_id(metadata.get("phone_number_id")) if type(metadata) is dict else ""


def _seconds(timestamp: Any) -> int:
    """Meta writes seconds as text, in a few fields as a number; else 0."""
    if type(timestamp) is int:
        return timestamp
    if type(timestamp) is str and len(timestamp) <= 12 and timestamp.isdecimal():
        return int(timestamp)
    return 0
