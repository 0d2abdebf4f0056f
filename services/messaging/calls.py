"""Webhooks that say that guests have called: the 24 hours count from there too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import orjson
from conserje.messaging.v1.event_pb2 import InboundEvent

from meshkit.phones import whatsapp_key
from services.messaging.inbox import name_of
from services.messaging.renames import time_of, word_of

FIELD = "calls"


def calls_of(event: InboundEvent, arrived: datetime) -> Iterator[tuple[bytes, datetime]]:
    """Who called and when, by each name of the caller; our own calls open nothing."""
    try:
        value = orjson.loads(event.raw_json)
    except orjson.JSONDecodeError:
        return
    told = value.get(FIELD) if isinstance(value, dict) else None
    for one in told if isinstance(told, list) else []:
        if not isinstance(one, dict) or one.get("direction") != "USER_INITIATED":
            continue
        time = time_of(word_of(one, "timestamp"), arrived)
        user = name_of(b"u:", word_of(one, "from_user_id"))
        phone = name_of(b"p:", whatsapp_key(word_of(one, "from")))
        for alias in (user, phone):
            if alias:
                yield alias, time
