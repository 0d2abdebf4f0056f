"""Everything the service says to Postgres, which decides alone.

A decision is one call of a function in the migrations: it takes the row of the
room type first, so decisions about a type follow each other, and stores its
answer with what it did.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import structlog

from meshkit.errors import MeshError
from services.booking.domain import (
    Lock,
    LockRequest,
    LockState,
    Quote,
    refusal,
)
from services.booking.locks.store import LockStore
from services.booking.reservations.taking import TakingStore

ANSWER_DAYS = 8
"""WhatsApp repeats a webhook for seven days, and the mesh its commands as long."""

log = structlog.get_logger()


class BookingStore(LockStore, TakingStore):
    """Locks and reservations of all hotels."""

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
        return await self.lock(tenant_id, lock_id)

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
        """One statement, which is its own transaction."""
        return await self._persistently(lambda: self._postgres.fetch(sql, *arguments()))


def _answer(request: LockRequest, row: asyncpg.Record) -> Lock | MeshError:
    if not row["reason"]:
        # As it was granted, also when it has ended since: the same id, the same answer.
        return _granted(row, request)
    facts: Mapping[str, Any] = orjson.loads(row["metadata"])
    if row["reason"] == "DECISION_FAILED":
        log.error("lock not decided", tenant_id=request.tenant_id, **facts)
        facts = {}
    return refusal(row["reason"], facts)


def _granted(row: asyncpg.Record, request: LockRequest) -> Lock:
    return Lock(
        lock_id=row["lock_id"],
        tenant_id=request.tenant_id,
        room_type_id=request.room_type_id,
        stay=request.stay,
        guest_id=request.guest_id,
        state=LockState.LIVE,
        owner_token=str(row["owner_token"]),
        fencing_number=row["fencing_number"],
        create_time=row["create_time"],
        expire_time=row["expire_time"],
        quote=Quote(tuple(row["nightly_prices"]), row["currency_code"]),
    )
