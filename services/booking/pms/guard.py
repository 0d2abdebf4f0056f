"""Around every adapter: a hotel's breaker, its rate limit, its turn to write, and the counting.

What is raised before a call left is `Unavailable` PMS_BREAKER_OPEN,
`ResourceExhausted` PMS_LIMITED or PMS_WRITING: nothing was sent. The key of all
of it is our hotel, so two hotels on one host share nothing but its connections.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

from meshkit import deadlines
from meshkit.errors import MeshError, ResourceExhausted, Unavailable
from meshkit.rate_limit import Bucket, Limit, RateLimiter
from services.booking.pms.breaker import READ, WRITE, Breakers
from services.booking.pms.http import READ_SECONDS
from services.booking.pms.metrics import PmsMetrics
from services.booking.pms.port import (
    Capabilities,
    Changes,
    Outcome,
    Pms,
    PmsAvailability,
    PmsBooking,
    PmsOrder,
    PmsQuote,
    PmsRoomType,
    Verdict,
)

T = TypeVar("T")

BURST_SECONDS = 1.0
"""So much of the limit may be used at once."""
LONGEST_TURN = 15.0
"""Seconds that a writer may keep a system that takes one at a time; more than any write."""
TURN_PAUSE = 0.05


class Turns(Protocol):
    """Who writes to a system that cannot be written to in parallel; decided by Postgres."""

    async def take_turn(self, tenant_id: str, owner: UUID, seconds: float) -> bool:
        """Whether it is ours now."""
        ...

    async def end_turn(self, tenant_id: str, owner: UUID) -> None:
        """Somebody else may."""
        ...


class GuardedPms:
    """One hotel's system, asked no more than is good for it."""

    def __init__(
        self,
        inner: Pms,
        tenant_id: str,
        *,
        requests_per_second: float,
        parallel_writes: bool,
        breakers: Breakers,
        limiter: RateLimiter,
        turns: Turns,
        metrics: PmsMetrics,
    ) -> None:
        burst = max(1.0, requests_per_second * BURST_SECONDS)
        self._inner = inner
        self._tenant_id = tenant_id
        self._bucket = Bucket("calls", Limit(requests_per_second, burst))
        self._parallel_writes = parallel_writes
        self._breakers = breakers
        self._limiter = limiter
        self._turns = turns
        self._metrics = metrics

    async def capabilities(self) -> Capabilities:
        """What it can do."""
        return await self._read("capabilities", self._inner.capabilities)

    async def room_types(self) -> list[PmsRoomType]:
        """What it sells."""
        return await self._read("room_types", self._inner.room_types)

    async def availability(self, first_night: dt.date, departure: dt.date) -> PmsAvailability:
        """What is free."""
        return await self._read(
            "availability", lambda: self._inner.availability(first_night, departure)
        )

    async def quote(self, order: PmsOrder) -> PmsQuote:
        """What it would cost."""
        return await self._read("quote", lambda: self._inner.quote(order))

    async def find(self, key: str) -> list[PmsBooking]:
        """Bookings with our key."""
        return await self._read("find", lambda: self._inner.find(key))

    async def changes(self, cursor: str) -> Changes:
        """What changed."""
        return await self._read("changes", lambda: self._inner.changes(cursor))

    async def create(self, order: PmsOrder) -> Outcome:
        """Book."""
        return await self._write("create", lambda: self._inner.create(order))

    async def modify(self, booking_id: str, order: PmsOrder) -> Outcome:
        """Other dates or rooms."""
        return await self._write("modify", lambda: self._inner.modify(booking_id, order))

    async def cancel(self, booking_id: str) -> Outcome:
        """Cancel."""
        return await self._write("cancel", lambda: self._inner.cancel(booking_id))

    async def _read(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        await self._admit(operation, READ)
        began = time.monotonic()
        try:
            with self._metrics.seconds.labels(operation).time():
                answer = await call()
        except Unavailable:
            self._count(operation, "away")
            await self._breakers.failed(self._tenant_id, READ, time.monotonic() - began)
            raise
        except ResourceExhausted as busy:
            self._count(operation, "busy")
            await self._breakers.worked(self._tenant_id, READ)
            await self._limiter.hold(self._tenant_id, self._bucket, busy.retry_after or 1.0)
            raise
        except MeshError:
            # It is there and said no: a wrong secret or a wrong question opens nothing.
            self._count(operation, "refused")
            await self._breakers.worked(self._tenant_id, READ)
            raise
        except BaseException:
            # Cut short: nobody knows whether it works, and the next one may try.
            await self._breakers.failed(self._tenant_id, READ, time.monotonic() - began)
            raise
        self._count(operation, "ok")
        await self._breakers.worked(self._tenant_id, READ)
        return answer

    async def _write(self, operation: str, call: Callable[[], Awaitable[Outcome]]) -> Outcome:
        async with self._turn():
            await self._admit(operation, WRITE)
            began = time.monotonic()
            with self._metrics.seconds.labels(operation).time():
                outcome = await call()
        self._count(operation, _OUTCOMES[outcome.verdict])
        if outcome.verdict is Verdict.UNKNOWN and not outcome.reason.startswith("HTTP 4"):
            await self._breakers.failed(self._tenant_id, WRITE, time.monotonic() - began)
        else:
            await self._breakers.worked(self._tenant_id, WRITE)
        return outcome

    async def _admit(self, operation: str, kind: str) -> None:
        """Wait for our own limit, then ask the breaker; raises when there is no time for it."""
        while True:
            (wait,) = await self._limiter.take(self._tenant_id, [[self._bucket]])
            if wait <= 0:
                break
            if wait >= deadlines.bounded(READ_SECONDS):
                self._count(operation, "limited")
                raise ResourceExhausted(
                    "PMS_LIMITED", "The hotel's system is asked often enough.", retry_after=wait
                )
            await asyncio.sleep(wait)
        try:
            await self._breakers.ask(self._tenant_id, kind)
        except Unavailable:
            self._count(operation, "stopped")
            raise

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._parallel_writes:
            yield
            return
        owner = uuid4()
        until = time.monotonic() + deadlines.bounded(READ_SECONDS)
        while not await self._turns.take_turn(self._tenant_id, owner, LONGEST_TURN):
            if time.monotonic() >= until:
                raise ResourceExhausted(
                    "PMS_WRITING", "Another booking is being written.", retry_after=0.5
                )
            await asyncio.sleep(TURN_PAUSE)
        try:
            yield
        finally:
            await self._turns.end_turn(self._tenant_id, owner)

    def _count(self, operation: str, outcome: str) -> None:
        self._metrics.calls.labels(operation, outcome).inc()


_OUTCOMES = {
    Verdict.CONFIRMED: "ok",
    Verdict.REJECTED: "rejected",
    Verdict.UNKNOWN: "unknown",
}
