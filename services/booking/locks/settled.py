"""Locks that counters alone cannot decide: one transaction each, and everybody's room with it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import structlog

from meshkit.errors import (
    FailedPrecondition,
    InvalidArgument,
    MeshError,
    NotFound,
    Unavailable,
)
from services.booking import quotes
from services.booking.domain import Lock, LockRequest, LockState, Quote, refusal
from services.booking.locks import ids
from services.booking.locks.pricing import Priced, price_columns, priced, refuse_dearer
from services.booking.locks.rows import SELECT_WITH_PARTS, locks_of_rows
from services.booking.reservations.store import INVENTORY_MOVED, ReservationStore
from services.booking.rooms.placing import LOCK, UNDECIDED, claim_key, particular_room, settle

if TYPE_CHECKING:
    from meshkit.postgres import Connection

FINGERPRINTS = 2
"""Where they are among the columns."""
TAKE_LOCKS = """
SELECT item, reason, metadata, lock_id, owner_token, fencing_number, create_time, expire_time,
    nightly_prices, currency_code, quote, split
FROM take_locks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
    $19, $20, $21)
ORDER BY item
"""

log = structlog.get_logger()


class SettledLockStore(ReservationStore):
    """Locks of room types with pins."""

    LOCK_ROOM_TYPES = """
SELECT lock_room_types(array_fill($1::text, ARRAY[cardinality($2::text[])]), $2)
"""
    KNOWN_ANSWER = "SELECT reason, metadata, subject_id FROM known_answer($1, $2, $3)"
    PIN_LOCK = """
WITH pinned AS (
    UPDATE room_lock SET pinned = true, room_key = $3 WHERE tenant_id = $1 AND lock_id = $2
    RETURNING tenant_id, room_type_id, check_out
)
SELECT pin_type(tenant_id, room_type_id, check_out) FROM pinned
"""
    JOIN_LOCKS = "SELECT join_locks($1, $2, $3, $4)"
    REFUSE_LOCK = """
WITH answered AS (
    INSERT INTO request_answer (tenant_id, request_id, fingerprint, reason, metadata, create_time)
    VALUES ($1, $2, $3, $4, $9, clock_timestamp())
)
INSERT INTO lock_audit
    (tenant_id, event, reason, request_id, room_type_id, check_in, check_out, guest_id, event_time)
VALUES ($1, 'REFUSED', $4, $2, $5, $6, $7, $8, clock_timestamp())
"""

    async def acquire_settled(self, request: LockRequest) -> Lock | MeshError:
        """Decide one request by counters and, near pins, by an assignment of all rooms."""

        async def once() -> Lock | MeshError:
            async with self._postgres.of(request.tenant_id).acquire() as connection:
                return await self._acquire_settled(connection, request)

        try:
            return await self._persistently(once)
        except (Unavailable, NotFound, InvalidArgument) as error:
            return error

    async def _acquire_settled(
        self, connection: Connection, request: LockRequest
    ) -> Lock | MeshError:
        types = [one.room_type_id for one in request.rooms]
        await connection.execute(self.LOCK_ROOM_TYPES, request.tenant_id, types)
        known = await self._known_lock(connection, request)
        if known is not None:
            return known
        try:
            async with connection.transaction():
                return await self._grant(connection, request)
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
                orjson.dumps(refused.metadata).decode(),
            )
            return refused

    async def _known_lock(
        self, connection: Connection, request: LockRequest
    ) -> Lock | MeshError | None:
        """What the request was answered before."""
        row = await connection.fetchrow(
            self.KNOWN_ANSWER, request.tenant_id, request.request_id, request.fingerprint()
        )
        if row is None or row["reason"] is None:
            return None
        if row["reason"]:
            return refusal(row["reason"], orjson.loads(row["metadata"]))
        return await self._granted_before(connection, request, row["subject_id"])

    async def _granted_before(
        self, connection: Connection, request: LockRequest, lock_id: UUID
    ) -> Lock:
        rows = await connection.fetch(SELECT_WITH_PARTS, request.tenant_id, [lock_id])
        (found,) = locks_of_rows(rows, request.tenant_id)
        # As it was granted, also when it has ended since.
        return replace(found, state=LockState.LIVE)

    async def _grant(self, connection: Connection, request: LockRequest) -> Lock:
        """All rooms of a lock; raises for the first that cannot be had."""
        parts = [_part(request, number) for number in range(len(request.rooms))]
        # Under the rows of the types: prices do not move any more.
        page = await self._book.current(connection, request.tenant_id)
        found = [priced(part, page) for part in parts]
        columns = lock_columns(parts, found)
        columns[FINGERPRINTS][0] = request.fingerprint()
        rows = await connection.fetch(TAKE_LOCKS, False, *columns)
        locks = []
        for part, one, row in zip(parts, found, rows, strict=True):
            answer = lock_answer(part, one, row)
            if isinstance(answer, MeshError):
                raise answer
            locks.append(answer)
        refuse_dearer(request.accepted_total, [one.quote for one in locks])
        tenant_id, lock_id = request.tenant_id, locks[0].lock_id
        if len(locks) > 1:
            ids = [one.lock_id for one in locks[1:]]
            requests = [one.request_id for one in parts[1:]]
            await connection.execute(self.JOIN_LOCKS, tenant_id, lock_id, ids, requests)
        bound = {}
        for part, lock in zip(parts, locks, strict=True):
            if part.room_id:
                bound[claim_key(LOCK, lock.lock_id)] = await self._pin(connection, part, lock)
        fresh = [claim_key(LOCK, one.lock_id) for one in locks]
        for room_type_id in sorted({one.room_type_id for one in locks}):
            await settle(connection, tenant_id, room_type_id, fresh, bound)
        return await self._granted_before(connection, request, lock_id)

    async def _pin(self, connection: Connection, part: LockRequest, lock: Lock) -> int:
        """Makes it a lock of this very room."""
        room = await particular_room(connection, part.tenant_id, part.room_type_id, part.room_id)
        await connection.execute(self.PIN_LOCK, part.tenant_id, lock.lock_id, room)
        return room


def _part(request: LockRequest, number: int) -> LockRequest:
    """The request for one of the rooms: the first for the guest, the others for nobody yet."""
    room = request.rooms[number]
    only = replace(
        request,
        room_type_id=room.room_type_id,
        guests=room.guests,
        room_id=room.room_id,
        other_rooms=(),
        accepted_total=None,
    )
    if number == 0:
        return only
    return replace(only, request_id=uuid4(), guest_id=uuid4().hex)


def lock_columns(requests: Sequence[LockRequest], found: Sequence[Priced]) -> tuple[list[Any], ...]:
    """The arguments of `take_locks` for requests and what each of them would cost."""
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
        *price_columns(found),
        ids.time_ordered(len(requests)),
        ids.secret(len(requests)),
        _firsts((one.tenant_id, one.room_type_id) for one in requests),
        _firsts((one.tenant_id, one.request_id) for one in requests),
        _firsts((one.tenant_id, one.guest_id) for one in requests),
    )


def _firsts(keys: Iterable[Hashable]) -> list[int]:
    """For each the number of the first that is the same, from 1."""
    first: dict[Hashable, int] = {}
    return [first.setdefault(key, number) for number, key in enumerate(keys, 1)]


def lock_answer(request: LockRequest, found: Priced, row: asyncpg.Record) -> Lock | MeshError:
    """The lock, or why there is none."""
    if not row["reason"]:
        # As it was granted, also when it has ended since: the same id, the same answer.
        return _granted(row, request, _quote(row, found))
    if row["reason"] == INVENTORY_MOVED:
        return Unavailable("INVENTORY_MOVING", "The hotel's prices are being changed.")
    facts: Mapping[str, Any] = orjson.loads(row["metadata"])
    if row["reason"] == "DECISION_FAILED":
        log.error("lock not decided", tenant_id=request.tenant_id, **facts)
        facts = {}
    return refusal(row["reason"], facts)


def _quote(row: asyncpg.Record, found: Priced) -> Quote:
    """What was offered: now, or when the lock was granted."""
    if row["quote"] is not None:
        return quotes.from_row(row["nightly_prices"], row["currency_code"], row["quote"])
    assert found.quote is not None, "what has no price is never granted"
    return found.quote


def _granted(row: asyncpg.Record, request: LockRequest, quote: Quote) -> Lock:
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
        quote=quote,
    )
