"""One transaction a decision about reservations, sent again when it was broken off.

Its answer is stored under its request id, so that a request that is repeated gets
the same one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import asyncpg
import orjson

from meshkit.errors import MeshError, Unavailable
from services.booking.domain import Reservation, refusal
from services.booking.reservations.domain import Order
from services.booking.reservations.reading import ReservationReads
from services.booking.reservations.snapshot import reservation_from_json

if TYPE_CHECKING:
    from meshkit.postgres import Connection

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

T = TypeVar("T")


class DecidingStore(ReservationReads):
    """Carries decisions out, and remembers what was answered."""

    SELECT_ANSWER = """
SELECT fingerprint, reason, metadata, subject_id FROM request_answer
WHERE tenant_id = $1 AND request_id = $2
"""

    async def _known(self, connection: Connection, order: Order) -> Reservation | MeshError | None:
        """The answer that was given to the request; None when it is new."""
        row = await connection.fetchrow(self.SELECT_ANSWER, order.tenant_id, order.request_id)
        if row is None:
            return None
        if row["fingerprint"] != order.fingerprint:
            return refusal("REQUEST_ID_REUSED")
        facts = orjson.loads(row["metadata"])
        if row["reason"]:
            return refusal(row["reason"], facts)
        now = await self._read(connection, order.tenant_id, row["subject_id"])
        return await self._as_of(connection, now, facts.get("version", now.version))

    SELECT_VERSION = """
SELECT reservation FROM reservation_event
WHERE tenant_id = $1 AND reservation_id = $2 AND version = $3
"""

    async def _as_of(self, connection: Connection, now: Reservation, version: int) -> Reservation:
        """The reservation as it was right after one of its changes."""
        key = (now.tenant_id, now.reservation_id, version)
        written = await connection.fetchval(self.SELECT_VERSION, *key)
        # Without an event: booked by the release before, and never changed since.
        return reservation_from_json(written) if written else now

    INSERT_ANSWER = """
INSERT INTO request_answer
    (tenant_id, request_id, fingerprint, reason, metadata, subject_id, create_time)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
"""

    async def _store_answer(
        self,
        connection: Connection,
        order: Order,
        refused: MeshError | None,
        after: Reservation | None,
    ) -> None:
        facts = refused.metadata if refused else {"version": after.version} if after else {}
        await connection.execute(
            self.INSERT_ANSWER,
            order.tenant_id,
            order.request_id,
            order.fingerprint,
            refused.reason if refused else "",
            orjson.dumps(facts).decode(),
            after and after.reservation_id,
        )

    async def _carry_out(
        self, method: str, order: Order, work: Callable[[Connection], Awaitable[T | MeshError]]
    ) -> T:
        """One transaction; what it answers is committed before a refusal is raised."""

        async def once() -> T | MeshError:
            async with self._postgres.of(order.tenant_id).acquire() as connection:
                return await work(connection)

        answer = await self._persistently(once)
        outcome = answer.reason if isinstance(answer, MeshError) else "done"
        self._metrics.decisions.labels(method, outcome).inc()
        if isinstance(answer, MeshError):
            raise answer
        return answer

    async def _persistently(self, once: Callable[[], Awaitable[T]]) -> T:
        """Sent again when it was broken off, which its request id makes safe."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await once()
            except (Unavailable, asyncpg.UniqueViolationError) as error:
                cause = error.__cause__ if isinstance(error, Unavailable) else error
                if not isinstance(cause, BROKEN_OFF) or attempt == ATTEMPTS:
                    raise
                self._metrics.retries.inc()
        raise AssertionError("the last attempt returns or raises")
