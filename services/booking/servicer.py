"""The RPCs: protobuf in, protobuf out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import grpc
from conserje.booking.v1.booking_service_pb2 import (
    AcquireLockRequest,
    AcquireLockResponse,
    AcquireLockResult,
    BatchAcquireLocksRequest,
    BatchAcquireLocksResponse,
    ReleaseLockRequest,
    ReleaseLockResponse,
    RevokeLockRequest,
    RevokeLockResponse,
)

from meshkit import deadlines, operators
from meshkit.batch import serve_batch
from meshkit.coalesce import Coalescer, CoalescerMetrics, Limits, Ticket
from meshkit.errors import MeshError
from meshkit.parts import BatchOf, sent_as
from services.booking import wire
from services.booking.cache import AvailabilityCache
from services.booking.domain import Lock, LockRequest, fingerprint
from services.booking.locks.servicer import LockServicer
from services.booking.metrics import BookingMetrics
from services.booking.pms.overlay import PmsOverlay
from services.booking.pms.worker import PmsWorker
from services.booking.reservations.domain import by_staff
from services.booking.reservations.servicer import ReservationServicer
from services.booking.reservations.stream import ReservationStream
from services.booking.reservations.wire import to_order
from services.booking.search.servicer import SearchServicer
from services.booking.store import BookingStore

DOMAIN = "booking.conserje"
_BATCH = BatchOf(BatchAcquireLocksResponse, AcquireLockResult)
TOGETHER = Limits(in_flight=2, batch_items=64)
"""More than two batches at once, or bigger ones, only wait for each other in the database."""
LOCK_BYTES = 512
"""About what a request that waits to be decided takes."""

Context = grpc.aio.ServicerContext[Any, Any]


class BookingServicer(SearchServicer, LockServicer, ReservationServicer):
    """`conserje.booking.v1.BookingService`."""

    def __init__(
        self,
        store: BookingStore,
        cache: AvailabilityCache,
        metrics: BookingMetrics,
        stream: ReservationStream,
        pms: PmsWorker,
        overlay: PmsOverlay,
        coalescing: CoalescerMetrics,
    ) -> None:
        SearchServicer.__init__(self, cache, metrics, overlay)
        ReservationServicer.__init__(self, store, cache, stream, pms)
        self._together: Coalescer[LockRequest, Lock] = Coalescer(
            self._decide_together,
            name="acquire",
            size_of=lambda _: LOCK_BYTES,
            tenant_of=lambda request: request.tenant_id,
            metrics=coalescing,
            limits=TOGETHER,
        )

    async def AcquireLock(
        self, request: AcquireLockRequest, context: Context
    ) -> AcquireLockResponse:
        """Decide one lock, in one call of the database with what else is asked meanwhile."""
        (wanted,) = await self._not_refused([wire.to_lock_request(request)])
        if isinstance(wanted, MeshError):
            raise wanted
        # What takes long, and what an operator is named with, is nobody else's batch.
        if wanted.by_counters and operators.current() is None:
            lock = await self._together.submit(wanted, deadlines.bounded())
            return sent_as(AcquireLockResponse, wire.from_granted(lock))
        (outcome,) = await self._decide([wanted])
        if isinstance(outcome, MeshError):
            raise outcome
        return sent_as(AcquireLockResponse, wire.from_granted(outcome))

    async def BatchAcquireLocks(
        self, request: BatchAcquireLocksRequest, context: Context
    ) -> BatchAcquireLocksResponse:
        """Decide many locks in one call of the database."""
        return _BATCH.response(await serve_batch(request, self._acquire, DOMAIN))

    async def ReleaseLock(
        self, request: ReleaseLockRequest, context: Context
    ) -> ReleaseLockResponse:
        """Give a lock back."""
        lock_id = wire.to_id(request.lock_id, "LOCK_UNKNOWN")
        digest = fingerprint("ReleaseLock", request.tenant_id, lock_id, request.owner_token)
        lock = await self._store.release(
            request.tenant_id, UUID(request.request_id), digest, lock_id, request.owner_token
        )
        await self._cache.outdate([request.tenant_id])
        return ReleaseLockResponse(lock=wire.from_lock(lock))

    async def RevokeLock(self, request: RevokeLockRequest, context: Context) -> RevokeLockResponse:
        """Take a lock from its owner."""
        lock_id = wire.to_id(request.lock_id, "LOCK_UNKNOWN")
        order = to_order(request, lock_id)
        by_staff(order.actor)
        lock = await self._store.revoke(order, lock_id)
        await self._cache.outdate([request.tenant_id])
        return RevokeLockResponse(lock=wire.from_lock(lock))

    async def _acquire(self, requests: Sequence[AcquireLockRequest]) -> list[bytes | MeshError]:
        """An answer for each request, in order; bad ones never reach the database."""
        asked = await self._not_refused([_read(request) for request in requests])
        wanted = [one for one in asked if isinstance(one, LockRequest)]
        decided = iter(await self._decide(wanted) if wanted else ())
        answers = [one if isinstance(one, MeshError) else next(decided) for one in asked]
        return [
            one if isinstance(one, MeshError) else _BATCH.result(wire.from_granted(one))
            for one in answers
        ]

    async def _decide_together(
        self, tickets: Sequence[Ticket[LockRequest, Lock]], seconds: float
    ) -> list[Lock | MeshError]:
        deadlines.start(seconds)
        return await self._decide([one.item for one in tickets])

    async def _decide(self, wanted: Sequence[LockRequest]) -> list[Lock | MeshError]:
        """A lock or a refusal for each; whoever searches from now on sees what was granted."""
        answers = await self._store.acquire(wanted)
        await self._cache.outdate({one.tenant_id for one in answers if isinstance(one, Lock)})
        return answers

    async def _not_refused(
        self, asked: Sequence[LockRequest | MeshError]
    ) -> list[LockRequest | MeshError]:
        """What hotels' own systems have no room for is refused before it is decided."""
        wanted = [one for one in asked if isinstance(one, LockRequest)]
        refusals = iter(await self._overlay.refused(wanted))
        return [one if isinstance(one, MeshError) else next(refusals) or one for one in asked]


def _read(request: AcquireLockRequest) -> LockRequest | MeshError:
    try:
        return wire.to_lock_request(request)
    except MeshError as error:
        return error
