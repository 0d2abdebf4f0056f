"""The RPCs that search: protobuf in, protobuf out."""

from __future__ import annotations

from typing import Any

import grpc
from conserje.booking.v1.booking_service_pb2 import (
    SearchAvailabilityRequest,
    SearchAvailabilityResponse,
)
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceServicer

from services.booking import wire
from services.booking.cache import AvailabilityCache
from services.booking.domain import storable
from services.booking.metrics import BookingMetrics
from services.booking.pms.nights import Freshness
from services.booking.pms.overlay import PmsOverlay
from services.booking.search.domain import search
from services.booking.search.wire import from_availability

Context = grpc.aio.ServicerContext[Any, Any]


class SearchServicer(BookingServiceServicer):
    """The part of `conserje.booking.v1.BookingService` that changes nothing."""

    def __init__(
        self, cache: AvailabilityCache, metrics: BookingMetrics, overlay: PmsOverlay
    ) -> None:
        self._overlay = overlay
        self._cache = cache
        self._metrics = metrics

    async def SearchAvailability(
        self, request: SearchAvailabilityRequest, context: Context
    ) -> SearchAvailabilityResponse:
        """Say what is free, from the cache when it is fresh."""
        storable([("tenant_id", request.tenant_id)])
        stay = wire.to_stay(request)
        inventory, cached = await self._cache.inventory(request.tenant_id, stay)
        seen = await self._overlay.seen(request.tenant_id, stay, inventory)
        self._metrics.searches.labels("cached" if cached else "live").inc()
        availability = search(seen.inventory, stay, wire.to_guests(request))
        unconfirmed = seen.freshness is Freshness.ASK
        return from_availability(
            availability,
            seen.inventory.as_of,
            cached=cached or seen.freshness is not None,
            unconfirmed=unconfirmed,
        )
