"""Locks that counters alone cannot decide: one transaction each, and everybody's room with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import orjson
import structlog

from meshkit.errors import FailedPrecondition, MeshError, Unavailable
from services.booking.domain import Lock, LockRequest, LockState, Quote, refusal
from services.booking.reservations.store import ReservationStore
from services.booking.rooms.placing import LOCK, UNDECIDED, claim_key, settle

if TYPE_CHECKING:
    from meshkit.postgres import Connection

NEW_IDS = 9
"""Where the fresh ids are among the columns: a lock under another id was granted before."""

log = structlog.get_logger()


class SettledLockStore(ReservationStore):
    """Locks of room types with pins."""

    ACQUIRE_LOCKS_BY_COUNTERS = """
SELECT item, reason, metadata, lock_id, owner_token, fencing_number, create_time, expire_time,
    nightly_prices, currency_code, split
FROM acquire_locks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ORDER BY item
"""
    LOCK_ROOM_TYPE = "SELECT lock_room_types(ARRAY[$1::text], ARRAY[$2::text])"
    REFUSE_LOCK = """
WITH answered AS (
    INSERT INTO request_answer (tenant_id, request_id, fingerprint, reason, create_time)
    VALUES ($1, $2, $3, $4, clock_timestamp())
)
INSERT INTO lock_audit
    (tenant_id, event, reason, request_id, room_type_id, check_in, check_out, guest_id, event_time)
VALUES ($1, 'REFUSED', $4, $2, $5, $6, $7, $8, clock_timestamp())
"""

    async def acquire_settled(self, request: LockRequest) -> Lock | MeshError:
        """Decide one request by counters and by an assignment of all rooms of its type."""

        async def once() -> Lock | MeshError:
            async with self._postgres.transaction() as connection:
                return await self._acquire_settled(connection, request)

        try:
            return await self._persistently(once)
        except Unavailable as error:
            return error

    async def _acquire_settled(
        self, connection: Connection, request: LockRequest
    ) -> Lock | MeshError:
        await connection.execute(self.LOCK_ROOM_TYPE, request.tenant_id, request.room_type_id)
        try:
            async with connection.transaction():
                columns = lock_columns([request])
                rows = await connection.fetch(self.ACQUIRE_LOCKS_BY_COUNTERS, *columns)
                answer = lock_answer(request, rows[0])
                if isinstance(answer, Lock) and answer.lock_id in columns[NEW_IDS]:
                    fresh = [claim_key(LOCK, answer.lock_id)]
                    await settle(connection, request.tenant_id, request.room_type_id, fresh)
                return answer
        except FailedPrecondition as refused:
            if refused.reason == UNDECIDED:
                self._metrics.undecided.inc()
                log.warning("search for rooms gave up", tenant_id=request.tenant_id)
                return refused
            await connection.execute(
                self.REFUSE_LOCK,
                request.tenant_id,
                request.request_id,
                request.fingerprint(),
                refused.reason,
                request.room_type_id,
                request.stay.check_in,
                request.stay.check_out,
                request.guest_id,
            )
            return refused


def lock_columns(requests: Sequence[LockRequest]) -> tuple[list[Any], ...]:
    """The arguments of the functions that take locks, with fresh ids and tokens."""
    return (
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


def lock_answer(request: LockRequest, row: asyncpg.Record) -> Lock | MeshError:
    """The lock, or why there is none."""
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
