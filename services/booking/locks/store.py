"""Locks after they were granted: extended, looked up, listed, and their history."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg
import orjson

from services.booking.domain import Lock, LockState, Stay, refusal
from services.booking.locks.conflicts import ConflictStore
from services.booking.locks.rows import SELECT_LOCKS, SELECT_WITH_PARTS, locks_of_rows


@dataclass(frozen=True, slots=True)
class LockFilter:
    """Which live locks of a hotel are asked for; what is empty does not matter."""

    tenant_id: str
    guest_id: str = ""
    room_type_id: str = ""


@dataclass(frozen=True, slots=True)
class LockPlace:
    """Where a page of live locks ended: they go by type and by the time they end."""

    room_type_id: str
    expire_time: dt.datetime
    lock_id: UUID


@dataclass(frozen=True, slots=True)
class LockEvent:
    """A decision about a lock, or about a request for one that was refused."""

    event_number: int
    event: str
    reason: str
    lock_id: UUID | None
    room_type_id: str
    stay: Stay
    guest_id: str
    event_time: dt.datetime
    actor_id: str | None
    """Who of the hotel did it; None for what owners, guests and the clock did."""


FIRST_PLACE = LockPlace("", dt.datetime(1970, 1, 1, tzinfo=dt.UTC), UUID(int=0))
"""Before the first lock of any list."""


SELECT_LOCK_EVENTS = """
SELECT a.audit_number, a.event, a.reason, coalesce(l.part_of, a.lock_id) AS lock_id,
    a.room_type_id, a.check_in, a.check_out,
    coalesce(nullif(a.guest_id, ''), whole.guest_id) AS guest_id, a.event_time,
    a.actor_id
FROM lock_audit a
LEFT JOIN room_lock l ON l.tenant_id = a.tenant_id AND l.lock_id = a.lock_id
LEFT JOIN room_lock whole ON whole.tenant_id = l.tenant_id AND whole.lock_id = l.part_of
WHERE a.tenant_id = $1 AND a.audit_number > $2
"""


class LockStore(ConflictStore):
    """What is said to Postgres about locks that were granted."""

    async def lock(self, tenant_id: str, lock_id: UUID) -> Lock:
        """The lock as it is now; one whose time is over has ended, swept or not."""
        rows = await self._postgres.of(tenant_id).fetch(SELECT_WITH_PARTS, tenant_id, [lock_id])
        if not rows:
            raise refusal("LOCK_UNKNOWN")
        return locks_of_rows(rows, tenant_id)[0]

    async def owned_lock(self, tenant_id: str, lock_id: UUID, owner_token: str) -> Lock:
        """The lock as it is now, for its owner alone."""
        found = await self.lock(tenant_id, lock_id)
        if found.owner_token != owner_token:
            raise refusal("NOT_LOCK_OWNER")
        return found

    EXTEND_LOCK = """
SELECT reason, metadata, subject_id FROM extend_lock($1, $2, $3, $4, $5, $6)
"""

    async def extend(
        self,
        tenant_id: str,
        request_id: UUID,
        digest: bytes,
        lock_id: UUID,
        owner_token: str,
        fencing_number: int,
    ) -> Lock:
        """Start the hotel's term again; the lock as it was right after that."""
        arguments = (tenant_id, request_id, digest, lock_id, owner_token, fencing_number)
        hotel = self._postgres.of(tenant_id)
        (row,) = await self._persistently(lambda: hotel.fetch(self.EXTEND_LOCK, *arguments))
        self._metrics.decisions.labels("ExtendLock", row["reason"] or "done").inc()
        if row["reason"]:
            raise refusal(row["reason"])
        told = orjson.loads(row["metadata"])["expire_time"]
        found = await self.lock(tenant_id, lock_id)
        # It may have ended since, or have been extended once more.
        expire_time = dt.datetime.fromisoformat(told)
        return replace(found, state=LockState.LIVE, expire_time=expire_time)

    # The indexes on live locks find them; there are never many, and ended ones are not read.
    WITH_LIVE = """
WITH asked AS (
    SELECT l.lock_id, row_number() OVER (ORDER BY room_type_id, expire_time, lock_id) AS number
    FROM room_lock l
    WHERE l.tenant_id = $1 AND l.state = 'LIVE' AND l.expire_time > clock_timestamp()
        AND l.part_of IS NULL AND ($2 = '' OR l.guest_id = $2)
        AND ($3 = '' OR l.room_type_id = $3 OR EXISTS (
            SELECT FROM room_lock p
            WHERE p.tenant_id = $1 AND p.part_of = l.lock_id AND p.room_type_id = $3))
        AND (l.room_type_id, l.expire_time, l.lock_id) > ($4, $5, $6)
    ORDER BY l.room_type_id, l.expire_time, l.lock_id LIMIT $7
)"""
    SELECT_LIVE = WITH_LIVE + SELECT_LOCKS

    async def live_locks(self, wanted: LockFilter, after: LockPlace, size: int) -> list[Lock]:
        """At most `size` live locks by type and expiry, after a place in that order."""
        rows = await self._postgres.of(wanted.tenant_id).fetch(
            self.SELECT_LIVE,
            wanted.tenant_id,
            wanted.guest_id,
            wanted.room_type_id,
            after.room_type_id,
            after.expire_time,
            after.lock_id,
            size,
        )
        return locks_of_rows(rows, wanted.tenant_id)

    # What happened to a part happened to its lock.
    SELECT_EVENTS_OF_HOTEL = SELECT_LOCK_EVENTS + "ORDER BY a.audit_number LIMIT $3"
    OF_LOCK = """
AND a.lock_id IN (SELECT lock_id FROM lock_with_parts($1, $4)) ORDER BY a.audit_number LIMIT $3
"""
    SELECT_EVENTS_OF_LOCK = SELECT_LOCK_EVENTS + OF_LOCK

    async def lock_events(
        self, tenant_id: str, lock_id: UUID | None, after_number: int, size: int
    ) -> list[LockEvent]:
        """What was decided in a hotel, or about one lock of it, oldest first."""
        hotel, page = self._postgres.of(tenant_id), (tenant_id, after_number, size)
        if lock_id is None:
            rows = await hotel.fetch(self.SELECT_EVENTS_OF_HOTEL, *page)
        else:
            rows = await hotel.fetch(self.SELECT_EVENTS_OF_LOCK, *page, lock_id)
        return [_event(row) for row in rows]


def _event(row: asyncpg.Record) -> LockEvent:
    return LockEvent(
        event_number=row["audit_number"],
        event=row["event"],
        reason=row["reason"],
        lock_id=row["lock_id"],
        room_type_id=row["room_type_id"],
        stay=Stay(row["check_in"], row["check_out"]),
        guest_id=row["guest_id"],
        event_time=row["event_time"],
        actor_id=row["actor_id"],
    )
