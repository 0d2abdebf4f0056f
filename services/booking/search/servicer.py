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
from services.booking.search.domain import search
from services.booking.search.wire import from_availability

Context = grpc.aio.ServicerContext[Any, Any]


class SearchServicer(BookingServiceServicer):
    """The part of `conserje.booking.v1.BookingService` that changes nothing."""

    def __init__(self, cache: AvailabilityCache, metrics: BookingMetrics) -> None:
        self._cache = cache
        self._metrics = metrics

    async def SearchAvailability(
        self, request: SearchAvailabilityRequest, context: Context
    ) -> SearchAvailabilityResponse:
        """Say what is free, from the cache when it is fresh."""
        storable([("tenant_id", request.tenant_id)])
        stay = wire.to_stay(request)
        inventory, cached = await self._cache.inventory(request.tenant_id, stay)
        self._metrics.searches.labels("cached" if cached else "live").inc()
        availability = search(inventory, stay, wire.to_guests(request))
        return from_availability(availability, inventory.as_of, cached=cached)
