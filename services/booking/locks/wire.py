"""Locks that were granted: protobuf in, domain out, and back."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from conserje.booking.v1.lock_pb2 import Conflict as ConflictMessage
from conserje.booking.v1.lock_pb2 import LockEvent as LockEventMessage
from conserje.booking.v1.lock_pb2 import LockEventKind

from meshkit import pages
from meshkit.dates import from_date
from services.booking.domain import Lock
from services.booking.locks.conflicts import Conflict, ConflictPlace
from services.booking.locks.store import LockEvent, LockPlace
from services.booking.reservations.wire import to_place


def to_lock_place(token: str) -> LockPlace:
    """Where a page of locks ended."""
    room_type_id, expire_time, lock_id = pages.from_token(token, 3)
    try:
        time, key = dt.datetime.fromisoformat(expire_time), UUID(lock_id)
    except ValueError:
        raise pages.bad_token() from None
    if time.tzinfo is None:
        raise pages.bad_token()
    return LockPlace(room_type_id, time, key)


def from_lock_place(last: Lock) -> str:
    """The place after a lock."""
    return pages.to_token(last.room_type_id, last.expire_time.isoformat(), last.lock_id)


def from_lock_event(event: LockEvent) -> LockEventMessage:
    """One line of the history of locks."""
    message = LockEventMessage(
        event_number=event.event_number,
        kind=LockEventKind.Value(f"LOCK_EVENT_KIND_{event.event}"),
        reason=event.reason,
        lock_id=str(event.lock_id or ""),
        room_type_id=event.room_type_id,
        guest_id=event.guest_id,
        actor_id=event.actor_id,
    )
    from_date(event.stay.check_in, message.check_in_date)
    from_date(event.stay.check_out, message.check_out_date)
    message.event_time.FromDatetime(event.event_time)
    return message


def to_conflict_place(token: str) -> ConflictPlace:
    """Where a page of conflicts ended."""
    return ConflictPlace(*to_place(token))


def from_conflict(conflict: Conflict) -> ConflictMessage:
    """Somebody who stands in the way."""
    message = ConflictMessage(
        room_type_id=conflict.room_type_id,
        room_count=conflict.room_count,
        guest_id=conflict.guest_id,
    )
    if conflict.expire_time is None:
        message.reservation_id = str(conflict.holder_id)
    else:
        message.lock_id = str(conflict.holder_id)
        message.expire_time.FromDatetime(conflict.expire_time)
    from_date(conflict.stay.check_in, message.check_in_date)
    from_date(conflict.stay.check_out, message.check_out_date)
    return message
