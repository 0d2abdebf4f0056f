"""Everything the service says to Postgres, which decides alone.

A decision is one call of a function in the migrations: it takes the row of the
room type first, so decisions about a type follow each other, and stores its
answer with what it did.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg
import orjson
import structlog

from meshkit.errors import MeshError
from services.booking.domain import (
    Lock,
    LockRequest,
    refusal,
)
from services.booking.locks.pricing import Priced, priced
from services.booking.locks.settled import (
    TAKE_LOCKS,
    SettledLockStore,
    lock_answer,
    lock_columns,
)
from services.booking.locks.store import LockStore
from services.booking.reservations.deciding import ATTEMPTS
from services.booking.reservations.domain import Order
from services.booking.reservations.store import INVENTORY_MOVED
from services.booking.reservations.taking import TakingStore

ANSWER_DAYS = 8
"""WhatsApp repeats a webhook for seven days, and the mesh its commands as long."""

NEAR_PINS = "NEAR_PINS"
"""Counters alone cannot decide it."""

log = structlog.get_logger()


class _Decided(NamedTuple):
    """What a request would cost, and what was decided about it."""

    priced: Priced
    row: asyncpg.Record


class BookingStore(LockStore, SettledLockStore, TakingStore):
    """Locks and reservations of all hotels."""

    async def acquire(self, requests: Sequence[LockRequest]) -> list[Lock | MeshError]:
        """Decide all requests together; the answers in their order.

        Those that counters alone cannot decide come after the others, one by one:
        for several rooms, for this very room, or near rooms that are shut.
        """
        self._metrics.batch.observe(len(requests))
        counted = [one for one in requests if one.by_counters]
        decided = iter(await self._by_counters(counted) if counted else ())
        first = [next(decided) if one.by_counters else None for one in requests]
        answers: list[Lock | MeshError] = []
        for request, known in zip(requests, first, strict=True):
            if known is None or known.row["reason"] == NEAR_PINS:
                answers.append(await self.acquire_settled(request))
            else:
                answers.append(lock_answer(request, known.priced, known.row))
        outcomes = Counter(
            one.reason if isinstance(one, MeshError) else "granted" for one in answers
        )
        for outcome, count in outcomes.items():
            self._metrics.locks.labels(outcome).inc(count)
        return answers

    SELECT_ANSWERED = """
SELECT a.tenant_id, a.request_id FROM unnest($1::text[], $2::uuid[]) AS w (tenant_id, request_id)
JOIN request_answer a USING (tenant_id, request_id)
"""

    async def answered(self, keys: Sequence[tuple[str, UUID]]) -> set[tuple[str, UUID]]:
        """The keys of requests that have been decided: they are given their answers again."""
        tenants, request_ids = zip(*keys, strict=True)
        hotels = self._postgres.of(*set(tenants))
        return set(map(tuple, await hotels.fetch(self.SELECT_ANSWERED, tenants, request_ids)))

    async def _by_counters(self, requests: Sequence[LockRequest]) -> list[_Decided]:
        """Those whose prices had moved since they were read are decided again."""
        found = await self._decided(requests)
        for _ in range(1, ATTEMPTS):
            moved = [
                place for place, one in enumerate(found) if one.row["reason"] == INVENTORY_MOVED
            ]
            if not moved:
                break
            self._metrics.locks.labels(INVENTORY_MOVED).inc(len(moved))
            self._book.forget({requests[place].tenant_id for place in moved})
            again = await self._decided([requests[place] for place in moved])
            for place, one in zip(moved, again, strict=True):
                found[place] = one
        return found

    async def _decided(self, requests: Sequence[LockRequest]) -> list[_Decided]:
        pages = await self._book.pages(one.tenant_id for one in requests)
        found = [priced(one, pages.get(one.tenant_id)) for one in requests]
        columns = lock_columns(requests, found)
        hotels = {one.tenant_id for one in requests}
        rows = await self._decide(hotels, TAKE_LOCKS, (True, *columns))
        split = next((row["split"] for row in rows if row["split"]), None)
        if split:
            self._metrics.splits.inc()
            log.warning("lock batch split", cause=split, size=len(rows))
        return [_Decided(*one) for one in zip(found, rows, strict=True)]

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
            (tenant_id, request_id, digest, lock_id, owner_token),
        )
        return await self.lock(tenant_id, lock_id)

    REVOKE_LOCK = """
SELECT reason, metadata, subject_id FROM revoke_lock($1, $2, $3, $4, $5, $6)
"""

    async def revoke(self, order: Order, lock_id: UUID) -> Lock:
        """Take a live lock from its owner; the lock as it is now."""
        asked = (order.tenant_id, order.request_id, order.fingerprint, lock_id)
        why = (order.actor.actor_id, order.reason)
        await self._decide_one("RevokeLock", self.REVOKE_LOCK, (*asked, *why))
        return await self.lock(order.tenant_id, lock_id)

    SWEEP_LOCKS = "SELECT finder.sweep_lapsed_locks($1)"
    SWEEP_BATCH = 500

    async def sweep_locks(self) -> int:
        """End some lapsed locks; how many."""
        swept: int = await self._postgres.finder.fetchval(self.SWEEP_LOCKS, self.SWEEP_BATCH)
        self._metrics.reaped.inc(swept)
        return swept

    SWEEP_ANSWERS = "SELECT finder.sweep_answers($1, $2)"

    async def sweep_answers(self) -> int:
        """Forget some stored answers that nobody asks for any more; how many."""
        age = dt.timedelta(days=ANSWER_DAYS)
        swept: int = await self._postgres.finder.fetchval(self.SWEEP_ANSWERS, age, self.SWEEP_BATCH)
        self._metrics.forgotten.inc(swept)
        return swept

    async def _decide_one(self, method: str, sql: str, arguments: Sequence[object]) -> UUID:
        """The subject of a decision of the hotel that comes first; a refusal raises."""
        (row,) = await self._decide({str(arguments[0])}, sql, arguments)
        reason: str = row["reason"]
        self._metrics.decisions.labels(method, reason or "done").inc()
        if reason:
            raise refusal(reason, orjson.loads(row["metadata"]))
        subject: UUID = row["subject_id"]
        return subject

    async def _decide(
        self, tenant_ids: Collection[str], sql: str, arguments: Sequence[object]
    ) -> list[asyncpg.Record]:
        """One statement of these hotels, which is its own transaction."""
        hotels = self._postgres.of(*tenant_ids)
        return await self._persistently(lambda: hotels.fetch(sql, *arguments))
