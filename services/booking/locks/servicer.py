"""The RPCs about locks that were granted: protobuf in, protobuf out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from conserje.booking.v1.booking_service_pb2 import (
    CheckConflictsRequest,
    CheckConflictsResponse,
    ExtendLockRequest,
    ExtendLockResponse,
    GetLockRequest,
    GetLockResponse,
    ListLockEventsRequest,
    ListLockEventsResponse,
    ListLocksRequest,
    ListLocksResponse,
)
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceServicer

from meshkit import pages
from meshkit.dates import from_date
from services.booking.cache import AvailabilityCache
from services.booking.domain import fingerprint
from services.booking.locks import wire
from services.booking.locks.conflicts import FIRST_CONFLICT, ConflictFilter
from services.booking.locks.store import FIRST_PLACE, LockFilter
from services.booking.store import BookingStore
from services.booking.wire import from_lock, to_id, to_stay

Context = grpc.aio.ServicerContext[Any, Any]


class LockServicer(BookingServiceServicer):
    """The part of `conserje.booking.v1.BookingService` that is about granted locks."""

    _store: BookingStore
    _cache: AvailabilityCache

    async def ExtendLock(self, request: ExtendLockRequest, context: Context) -> ExtendLockResponse:
        """Give a guest more time."""
        lock_id = to_id(request.lock_id, "LOCK_UNKNOWN")
        held = (lock_id, request.owner_token, request.fencing_number)
        digest = fingerprint("ExtendLock", request.tenant_id, *held)
        request_id = UUID(request.request_id)
        lock = await self._store.extend(request.tenant_id, request_id, digest, *held)
        # A cached answer believes in the old expiry.
        await self._cache.outdate([request.tenant_id])
        return ExtendLockResponse(lock=from_lock(lock))

    async def GetLock(self, request: GetLockRequest, context: Context) -> GetLockResponse:
        """Look a lock up, as its owner."""
        lock_id = to_id(request.lock_id, "LOCK_UNKNOWN")
        lock = await self._store.owned_lock(request.tenant_id, lock_id, request.owner_token)
        return GetLockResponse(lock=from_lock(lock))

    async def ListLocks(self, request: ListLocksRequest, context: Context) -> ListLocksResponse:
        """The live locks of a hotel."""
        wanted = LockFilter(request.tenant_id, request.guest_id, request.room_type_id)
        size = pages.page_size(request.page_size)
        after = wire.to_lock_place(request.page_token) if request.page_token else FIRST_PLACE
        found = await self._store.live_locks(wanted, after, size)
        response = ListLocksResponse(locks=[from_lock(one) for one in found])
        if len(found) == size:
            response.next_page_token = wire.from_lock_place(found[-1])
        return response

    async def ListLockEvents(
        self, request: ListLockEventsRequest, context: Context
    ) -> ListLockEventsResponse:
        """What was decided about locks."""
        size = pages.page_size(request.page_size)
        after = pages.number_from_token(request.page_token)
        lock_id = to_id(request.lock_id, "LOCK_UNKNOWN") if request.lock_id else None
        found = await self._store.lock_events(request.tenant_id, lock_id, after, size)
        response = ListLockEventsResponse(events=[wire.from_lock_event(one) for one in found])
        if len(found) == size:
            response.next_page_token = pages.to_token(found[-1].event_number)
        return response

    async def CheckConflicts(
        self, request: CheckConflictsRequest, context: Context
    ) -> CheckConflictsResponse:
        """Who stands in the way of a stay."""
        wanted = ConflictFilter(
            request.tenant_id, request.room_type_id, request.room_id, to_stay(request)
        )
        size = pages.page_size(request.page_size)
        after = wire.to_conflict_place(request.page_token) if request.page_token else FIRST_CONFLICT
        nights, found = await self._store.conflicts(wanted, after, size)
        response = CheckConflictsResponse(
            taken_nights=[from_date(night) for night in nights],
            conflicts=[wire.from_conflict(one) for one in found],
        )
        if len(found) == size:
            response.next_page_token = pages.to_token(*found[-1].place)
        return response
