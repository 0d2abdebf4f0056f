"""Webhooks that say that guests' user ids have changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from conserje.messaging.v1.event_pb2 import InboundEvent

from meshkit.phones import whatsapp_key
from services.messaging.inbox import name_of
from services.messaging.store.fields import Rename

FIELD = "user_id_update"
LATEST = 4_102_444_800
"""The year 2100: a time beyond it is none."""


def renames_of(event: InboundEvent, arrived: datetime) -> Iterator[Rename]:
    """What a webhook of that field says; whatever is odd in it is passed over."""
    try:
        value = orjson.loads(event.raw_json)
    except orjson.JSONDecodeError:
        return
    told = value.get(FIELD) if isinstance(value, dict) else None
    for one in told if isinstance(told, list) else []:
        ids = one.get("user_id") if isinstance(one, dict) else None
        if not isinstance(ids, dict):
            continue
        was, user = (
            name_of(b"u:", word_of(ids, "previous")),
            name_of(b"u:", word_of(ids, "current")),
        )
        if was and user:
            phone = name_of(b"p:", whatsapp_key(word_of(one, "wa_id")))
            yield Rename(was, user, phone, time_of(word_of(one, "timestamp"), arrived))


def time_of(seconds: str, arrived: datetime) -> datetime:
    """The moment that Meta names, unless it names none or one that is to come."""
    if not seconds.isdecimal() or not 0 < int(seconds) < LATEST:
        return arrived
    return min(datetime.fromtimestamp(int(seconds), UTC), arrived)


def word_of(value: dict[str, Any], key: str) -> str:
    """A word or a number in a webhook, as a word; empty for anything else."""
    word = value.get(key)
    return str(word).replace("\0", "") if isinstance(word, (str, int)) else ""
