"""Locks after they were granted: extended, looked up, listed, and their history."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg
import orjson

from services.booking.domain import Lock, LockState, Quote, Stay, refusal
from services.booking.locks.conflicts import ConflictStore


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


FIRST_PLACE = LockPlace("", dt.datetime(1970, 1, 1, tzinfo=dt.UTC), UUID(int=0))
"""Before the first lock of any list."""


class LockStore(ConflictStore):
    """What is said to Postgres about locks that were granted."""

    SELECT_LOCK = """
SELECT lock_id, room_type_id, check_in, check_out, guest_id, owner_token, fencing_number,
    create_time, expire_time, nightly_prices, currency_code,
    CASE WHEN state = 'LIVE' AND expire_time <= clock_timestamp() THEN 'EXPIRED' ELSE state END
        AS state
FROM room_lock WHERE tenant_id = $1 AND lock_id = $2
"""

    async def lock(self, tenant_id: str, lock_id: UUID) -> Lock:
        """The lock as it is now; one whose time is over has ended, swept or not."""
        row = await self._postgres.fetchrow(self.SELECT_LOCK, tenant_id, lock_id)
        if row is None:
            raise refusal("LOCK_UNKNOWN")
        return lock_of_row(row, tenant_id)

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
        (row,) = await self._persistently(
            lambda: self._postgres.fetch(self.EXTEND_LOCK, *arguments)
        )
        self._metrics.decisions.labels("ExtendLock", row["reason"] or "done").inc()
        if row["reason"]:
            raise refusal(row["reason"])
        told = orjson.loads(row["metadata"])["expire_time"]
        found = await self.lock(tenant_id, lock_id)
        # It may have ended since, or have been extended once more.
        expire_time = dt.datetime.fromisoformat(told)
        return replace(found, state=LockState.LIVE, expire_time=expire_time)

    # The indexes on live locks find them; there are never many, and ended ones are not read.
    SELECT_LIVE = """
SELECT lock_id, room_type_id, check_in, check_out, guest_id, state, owner_token, fencing_number,
    create_time, expire_time, nightly_prices, currency_code
FROM room_lock
WHERE tenant_id = $1 AND state = 'LIVE' AND expire_time > clock_timestamp()
    AND ($2 = '' OR guest_id = $2) AND ($3 = '' OR room_type_id = $3)
    AND (room_type_id, expire_time, lock_id) > ($4, $5, $6)
ORDER BY room_type_id, expire_time, lock_id LIMIT $7
"""

    async def live_locks(self, wanted: LockFilter, after: LockPlace, size: int) -> list[Lock]:
        """At most `size` live locks by type and expiry, after a place in that order."""
        rows = await self._postgres.fetch(
            self.SELECT_LIVE,
            wanted.tenant_id,
            wanted.guest_id,
            wanted.room_type_id,
            after.room_type_id,
            after.expire_time,
            after.lock_id,
            size,
        )
        return [lock_of_row(row, wanted.tenant_id) for row in rows]

    SELECT_EVENTS_OF_HOTEL = """
SELECT audit_number, event, reason, lock_id, room_type_id, check_in, check_out, guest_id, event_time
FROM lock_audit WHERE tenant_id = $1 AND audit_number > $2 ORDER BY audit_number LIMIT $3
"""
    SELECT_EVENTS_OF_LOCK = """
SELECT audit_number, event, reason, lock_id, room_type_id, check_in, check_out, guest_id, event_time
FROM lock_audit WHERE tenant_id = $1 AND audit_number > $2 AND lock_id = $4
ORDER BY audit_number LIMIT $3
"""

    async def lock_events(
        self, tenant_id: str, lock_id: UUID | None, after_number: int, size: int
    ) -> list[LockEvent]:
        """What was decided in a hotel, or about one lock of it, oldest first."""
        if lock_id is None:
            rows = await self._postgres.fetch(
                self.SELECT_EVENTS_OF_HOTEL, tenant_id, after_number, size
            )
        else:
            rows = await self._postgres.fetch(
                self.SELECT_EVENTS_OF_LOCK, tenant_id, after_number, size, lock_id
            )
        return [_event(row) for row in rows]


def lock_of_row(row: asyncpg.Record, tenant_id: str) -> Lock:
    """A lock from all its columns."""
    return Lock(
        lock_id=row["lock_id"],
        tenant_id=tenant_id,
        room_type_id=row["room_type_id"],
        stay=Stay(row["check_in"], row["check_out"]),
        guest_id=row["guest_id"],
        state=LockState(row["state"]),
        owner_token=str(row["owner_token"]),
        fencing_number=row["fencing_number"],
        create_time=row["create_time"],
        expire_time=row["expire_time"],
        quote=Quote(tuple(row["nightly_prices"]), row["currency_code"]),
    )


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
    )
