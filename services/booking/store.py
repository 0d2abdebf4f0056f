"""Everything the service says to Postgres, which decides alone.

A decision is one call of a function in the migrations: it takes the row of the
room type first, so decisions about a type follow each other, and stores its
answer with what it did.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import structlog

from meshkit.errors import MeshError, Unavailable
from meshkit.postgres import Postgres
from services.booking.domain import (
    Lock,
    LockRequest,
    LockState,
    Quote,
    Reservation,
    ReservationState,
    Stay,
    new_code,
    refusal,
)
from services.booking.metrics import BookingMetrics

ATTEMPTS = 3
"""A decision broken off by a deadlock or a lost connection is sent this often in all."""
BROKEN_OFF = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.UniqueViolationError,
    ConnectionError,
)
"""What says nothing about the request. A unique violation is the same request id
under way for another type, or a confirmation code that is taken: the next attempt
finds the stored answer, or draws another code."""

ANSWER_DAYS = 8
"""WhatsApp repeats a webhook for seven days, and the mesh its commands as long."""

log = structlog.get_logger()


class BookingStore:
    """Locks and reservations of all hotels."""

    def __init__(self, postgres: Postgres, metrics: BookingMetrics) -> None:
        self._postgres = postgres
        self._metrics = metrics

    ACQUIRE_LOCKS = """
SELECT item, reason, metadata, lock_id, owner_token, fencing_number, create_time, expire_time,
    nightly_prices, currency_code, split
FROM acquire_locks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ORDER BY item
"""

    async def acquire(self, requests: Sequence[LockRequest]) -> list[Lock | MeshError]:
        """Decide all requests together; the answers in their order."""
        self._metrics.batch.observe(len(requests))
        columns = (
            [one.tenant_id for one in requests],
            [one.request_id for one in requests],
            [one.fingerprint() for one in requests],
            [one.room_type_id for one in requests],
            [one.stay.check_in for one in requests],
            [one.stay.check_out for one in requests],
            [one.guests.adult_count for one in requests],
            [one.guests.child_count for one in requests],
            [one.guest_id for one in requests],
            [uuid4() for _ in requests],
            [uuid4() for _ in requests],
        )
        rows = await self._decide(self.ACQUIRE_LOCKS, lambda: columns)
        if rows[0]["split"]:
            self._metrics.splits.inc()
            log.warning("lock batch split", cause=rows[0]["split"], size=len(rows))
        answers = [_answer(*pair) for pair in zip(requests, rows, strict=True)]
        for row in rows:
            self._metrics.locks.labels(row["reason"] or "granted").inc()
        return answers

    RELEASE_LOCK = """
SELECT reason, metadata, subject_id FROM release_lock($1, $2, $3, $4, $5)
"""

    async def release(
        self, tenant_id: str, request_id: UUID, digest: bytes, lock_id: UUID, owner_token: str
    ) -> Lock:
        """Give a lock back; the lock as it is now."""
        await self._decide_one(
            "ReleaseLock",
            self.RELEASE_LOCK,
            lambda: (tenant_id, request_id, digest, lock_id, owner_token),
        )
        return await self._lock(tenant_id, lock_id)

    CONFIRM_RESERVATION = """
SELECT reason, metadata, subject_id FROM confirm_reservation($1, $2, $3, $4, $5, $6, $7, $8)
"""

    async def confirm(
        self,
        tenant_id: str,
        request_id: UUID,
        digest: bytes,
        lock_id: UUID,
        owner_token: str,
        fencing_number: int,
    ) -> Reservation:
        """Turn a lock into a reservation; the reservation as it was confirmed."""
        lock = (tenant_id, request_id, digest, lock_id, owner_token, fencing_number)
        reservation_id = await self._decide_one(
            "ConfirmReservation", self.CONFIRM_RESERVATION, lambda: (*lock, uuid4(), new_code())
        )
        reservation = await self.reservation(tenant_id, reservation_id)
        # Also when it was cancelled since: the same id, the same answer.
        return replace(reservation, state=ReservationState.CONFIRMED, cancel_time=None)

    CANCEL_RESERVATION = """
SELECT reason, metadata, subject_id FROM cancel_reservation($1, $2, $3, $4)
"""

    async def cancel(
        self, tenant_id: str, request_id: UUID, digest: bytes, reservation_id: UUID
    ) -> Reservation:
        """Cancel a reservation; the reservation as it is now."""
        await self._decide_one(
            "CancelReservation",
            self.CANCEL_RESERVATION,
            lambda: (tenant_id, request_id, digest, reservation_id),
        )
        return await self.reservation(tenant_id, reservation_id)

    SELECT_LOCK = """
SELECT lock_id, room_type_id, check_in, check_out, state, owner_token, fencing_number,
    create_time, expire_time, nightly_prices, currency_code
FROM room_lock WHERE tenant_id = $1 AND lock_id = $2
"""

    async def _lock(self, tenant_id: str, lock_id: UUID) -> Lock:
        row = await self._postgres.fetchrow(self.SELECT_LOCK, tenant_id, lock_id)
        if row is None:
            raise refusal("LOCK_UNKNOWN")
        stay = Stay(row["check_in"], row["check_out"])
        return _lock(row, tenant_id, row["room_type_id"], stay, LockState(row["state"]))

    SELECT_RESERVATION = """
SELECT r.reservation_id, r.confirmation_code, r.guest_id, r.state, r.create_time, r.cancel_time,
    s.room_type_id, lower(s.nights) AS check_in, upper(s.nights) AS check_out,
    s.nightly_prices, s.currency_code, m.room_number
FROM reservation r
JOIN stay s ON s.tenant_id = r.tenant_id AND s.reservation_id = r.reservation_id
    AND s.stay_number = 1
LEFT JOIN room m ON m.room_key = s.room_key
WHERE r.tenant_id = $1 AND
"""
    BY_ID = SELECT_RESERVATION + "r.reservation_id = $2"
    BY_CODE = SELECT_RESERVATION + "r.confirmation_code = $2"

    async def reservation(self, tenant_id: str, key: UUID | str) -> Reservation:
        """The reservation with this id (UUID) or this confirmation code (str)."""
        sql = self.BY_ID if isinstance(key, UUID) else self.BY_CODE
        row = await self._postgres.fetchrow(sql, tenant_id, key)
        if row is None:
            raise refusal("RESERVATION_UNKNOWN")
        return _reservation(row, tenant_id)

    SWEEP_LOCKS = "SELECT sweep_lapsed_locks($1)"
    SWEEP_BATCH = 500

    async def sweep_locks(self) -> int:
        """End some lapsed locks; how many."""
        swept: int = await self._postgres.fetchval(self.SWEEP_LOCKS, self.SWEEP_BATCH)
        self._metrics.reaped.inc(swept)
        return swept

    # By place and skipping locked rows: small, and in nobody's way.
    SWEEP_ANSWERS = """
WITH swept AS (
    DELETE FROM request_answer WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM request_answer WHERE create_time < clock_timestamp() - $1::interval
        LIMIT $2 FOR UPDATE SKIP LOCKED
    )) RETURNING 1
)
SELECT count(*) FROM swept
"""

    async def sweep_answers(self) -> int:
        """Forget some stored answers that nobody asks for any more; how many."""
        age = dt.timedelta(days=ANSWER_DAYS)
        swept: int = await self._postgres.fetchval(self.SWEEP_ANSWERS, age, self.SWEEP_BATCH)
        self._metrics.forgotten.inc(swept)
        return swept

    async def _decide_one(
        self, method: str, sql: str, arguments: Callable[[], Sequence[object]]
    ) -> UUID:
        """The subject of a decision; a refusal raises."""
        (row,) = await self._decide(sql, arguments)
        reason: str = row["reason"]
        self._metrics.decisions.labels(method, reason or "done").inc()
        if reason:
            raise refusal(reason, orjson.loads(row["metadata"]))
        subject: UUID = row["subject_id"]
        return subject

    async def _decide(
        self, sql: str, arguments: Callable[[], Sequence[object]]
    ) -> list[asyncpg.Record]:
        """One statement; sent again when it was broken off, which its request id makes safe."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._postgres.fetch(sql, *arguments())
            except (Unavailable, asyncpg.UniqueViolationError) as error:
                cause = error.__cause__ if isinstance(error, Unavailable) else error
                if not isinstance(cause, BROKEN_OFF) or attempt == ATTEMPTS:
                    raise
                self._metrics.retries.inc()
        raise AssertionError("the last attempt returns or raises")


def _answer(request: LockRequest, row: asyncpg.Record) -> Lock | MeshError:
    if not row["reason"]:
        # As it was granted, also when it has ended since: the same id, the same answer.
        return _lock(row, request.tenant_id, request.room_type_id, request.stay, LockState.LIVE)
    facts: Mapping[str, Any] = orjson.loads(row["metadata"])
    if row["reason"] == "DECISION_FAILED":
        log.error("lock not decided", tenant_id=request.tenant_id, **facts)
        facts = {}
    return refusal(row["reason"], facts)


def _lock(
    row: asyncpg.Record, tenant_id: str, room_type_id: str, stay: Stay, state: LockState
) -> Lock:
    return Lock(
        lock_id=row["lock_id"],
        tenant_id=tenant_id,
        room_type_id=room_type_id,
        stay=stay,
        state=state,
        owner_token=str(row["owner_token"]),
        fencing_number=row["fencing_number"],
        create_time=row["create_time"],
        expire_time=row["expire_time"],
        quote=Quote(tuple(row["nightly_prices"]), row["currency_code"]),
    )


def _reservation(row: asyncpg.Record, tenant_id: str) -> Reservation:
    return Reservation(
        reservation_id=row["reservation_id"],
        tenant_id=tenant_id,
        confirmation_code=row["confirmation_code"],
        room_type_id=row["room_type_id"],
        stay=Stay(row["check_in"], row["check_out"]),
        state=ReservationState(row["state"]),
        quote=Quote(tuple(row["nightly_prices"]), row["currency_code"]),
        room_number=row["room_number"] or "",
        guest_id=row["guest_id"],
        create_time=row["create_time"],
        cancel_time=row["cancel_time"],
    )
