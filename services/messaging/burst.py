"""A guest who writes in short lines: texts close to each other are answered as one.

A tap, a picture, anything else waits for nothing and ends the burst before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from conserje.messaging.v1.event_pb2 import InboundEvent, InboundMessage

from services.messaging.conversation.events import GuestOther, GuestTap, GuestText
from services.messaging.store.inbox import PendingItem
from services.messaging.translate import guest_event

LONGEST_SECONDS = 6.0
"""However much more comes, the first text of a burst waits no longer than this."""


def wait(items: Sequence[PendingItem], pause: float) -> float:
    """Seconds until the burst that leads `items` may be answered; 0 or less for now.

    Something that is no text behind it says that the burst is over; so does an
    item that was tried before, for it has waited.
    """
    texts = leading(items, pause)
    if not pause or len(texts) < len(items) or not all(map(_may_wait, texts)):
        return 0.0
    ages = [item.age_seconds for item in texts]
    return min(pause - min(ages), LONGEST_SECONDS - max(ages)) if ages else 0.0


def leading(items: Sequence[PendingItem], pause: float) -> tuple[PendingItem, ...]:
    """What is answered next: the burst that leads `items`, else the first of them.

    What failed before is tried by itself, so that one poisoned text is set
    aside without its neighbours.
    """
    burst = tuple(takewhile(_may_wait, items)) if pause else ()
    return burst or tuple(items[:1])


def as_one(events: Sequence[bytes]) -> GuestText | GuestTap | GuestOther:
    """What a message, or a burst of them, says: texts of a burst as lines."""
    if len(events) == 1:
        return guest_event(events[0])
    return GuestText("\n".join(_message(event).text.body for event in events))


def _may_wait(item: PendingItem) -> bool:
    return not item.attempt_count and _message(item.event).WhichOneof("content") == "text"


def _message(event: bytes) -> InboundMessage:
    return InboundEvent.FromString(event).message
