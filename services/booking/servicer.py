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
)

from meshkit.batch import serve_batch, to_results
from meshkit.errors import MeshError
from services.booking import wire
from services.booking.cache import AvailabilityCache
from services.booking.domain import (
    LockRequest,
    fingerprint,
    storable,
)
from services.booking.locks.servicer import LockServicer
from services.booking.metrics import BookingMetrics
from services.booking.pms.overlay import PmsOverlay
from services.booking.pms.worker import PmsWorker
from services.booking.reservations.servicer import ReservationServicer
from services.booking.reservations.stream import ReservationStream
from services.booking.search.servicer import SearchServicer
from services.booking.store import BookingStore

DOMAIN = "booking.conserje"

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
    ) -> None:
        SearchServicer.__init__(self, cache, metrics, overlay)
        ReservationServicer.__init__(self, store, cache, stream, pms)

    async def AcquireLock(
        self, request: AcquireLockRequest, context: Context
    ) -> AcquireLockResponse:
        """Decide one lock."""
        (outcome,) = await self._acquire([request])
        if isinstance(outcome, MeshError):
            raise outcome
        return outcome

    async def BatchAcquireLocks(
        self, request: BatchAcquireLocksRequest, context: Context
    ) -> BatchAcquireLocksResponse:
        """Decide many locks in one call of the database."""
        outcomes = await serve_batch(request, self._acquire, DOMAIN)
        return BatchAcquireLocksResponse(results=to_results(AcquireLockResult, outcomes))

    async def ReleaseLock(
        self, request: ReleaseLockRequest, context: Context
    ) -> ReleaseLockResponse:
        """Give a lock back."""
        storable([("tenant_id", request.tenant_id), ("owner_token", request.owner_token)])
        lock_id = wire.to_id(request.lock_id, "LOCK_UNKNOWN")
        digest = fingerprint("ReleaseLock", request.tenant_id, lock_id, request.owner_token)
        lock = await self._store.release(
            request.tenant_id, UUID(request.request_id), digest, lock_id, request.owner_token
        )
        await self._cache.outdate([request.tenant_id])
        return ReleaseLockResponse(lock=wire.from_lock(lock))

    async def _acquire(
        self, requests: Sequence[AcquireLockRequest]
    ) -> list[AcquireLockResponse | MeshError]:
        """An answer for each request, in order; bad ones never reach the database."""
        asked = await self._not_refused([_read(request) for request in requests])
        wanted = [one for one in asked if isinstance(one, LockRequest)]
        decided = iter(await self._store.acquire(wanted) if wanted else ())
        answers = [one if isinstance(one, MeshError) else next(decided) for one in asked]
        granted = {one.tenant_id for one in answers if not isinstance(one, MeshError)}
        await self._cache.outdate(granted)
        return [one if isinstance(one, MeshError) else wire.from_granted(one) for one in answers]

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
