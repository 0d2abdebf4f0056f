"""A hotel at one moment, as it is kept with the step that went by it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import orjson

from services.messaging.conversation.hotel import Hotel


def to_bytes(hotel: Hotel) -> bytes:
    """All of it as JSON; `from_bytes` gives an equal one back."""
    return orjson.dumps(asdict(hotel))


def from_bytes(stored: bytes) -> Hotel:
    """The hotel that was stored."""
    known = orjson.loads(stored)
    known["now"] = datetime.fromisoformat(known["now"])
    known["languages"] = tuple(known["languages"])
    return Hotel(**known)
