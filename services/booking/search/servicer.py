"""The RPCs that search: protobuf in, protobuf out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from conserje.booking.v1.booking_service_pb2 import (
    BatchSearchAvailabilityRequest,
    BatchSearchAvailabilityResponse,
    SearchAvailabilityRequest,
    SearchAvailabilityResponse,
    SearchAvailabilityResult,
)
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceServicer

from meshkit.batch import serve_batch
from meshkit.errors import Internal, MeshError
from meshkit.parts import BatchOf, sent_as
from meshkit.server import fault
from services.booking import wire
from services.booking.cache import AvailabilityCache
from services.booking.domain import Guests, Stay
from services.booking.metrics import BookingMetrics
from services.booking.pms.nights import Freshness
from services.booking.pms.overlay import PmsOverlay, Seen
from services.booking.recent import Recent
from services.booking.search.domain import Inventory, search
from services.booking.search.store import Asked
from services.booking.search.wire import from_availability

DOMAIN = "booking.conserje"
_BATCH = BatchOf(BatchSearchAvailabilityResponse, SearchAvailabilityResult)
MOST_ANSWERS = 4096
"""An answer about five room types is about 3 kB, without the counters that it was built from."""

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked for."""

    tenant_id: str
    stay: Stay
    guests: Guests


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer, and what it is of."""

    inventory: Inventory
    response: bytes


class SearchServicer(BookingServiceServicer):
    """The part of `conserje.booking.v1.BookingService` that changes nothing."""

    def __init__(
        self, cache: AvailabilityCache, metrics: BookingMetrics, overlay: PmsOverlay
    ) -> None:
        self._overlay = overlay
        self._cache = cache
        self._metrics = metrics
        self._answers: Recent[_Question, _Answer] = Recent(MOST_ANSWERS)

    async def SearchAvailability(
        self, request: SearchAvailabilityRequest, context: Context
    ) -> SearchAvailabilityResponse:
        """Say what is free, from the cache when it is fresh."""
        (answer,) = await self._search([request])
        if isinstance(answer, MeshError):
            raise answer
        return sent_as(SearchAvailabilityResponse, answer)

    async def BatchSearchAvailability(
        self, request: BatchSearchAvailabilityRequest, context: Context
    ) -> BatchSearchAvailabilityResponse:
        """The same for many stays, read together."""
        return _BATCH.response(await serve_batch(request, self._results, DOMAIN))

    async def _results(
        self, requests: Sequence[SearchAvailabilityRequest]
    ) -> list[bytes | MeshError]:
        answers = await self._search(requests)
        return [_result(one) for one in answers]

    async def _search(
        self, requests: Sequence[SearchAvailabilityRequest]
    ) -> list[bytes | MeshError]:
        """An answer for each request, in order; bad ones never reach the database."""
        asked = [_read(request) for request in requests]
        good = [(one.tenant_id, one.stay) for one in asked if isinstance(one, _Question)]
        found = await self._cache.inventories(good) if good else []
        seen = iter(await self._all_seen(good, found))
        return [
            one if isinstance(one, MeshError) else self._answer(one, next(seen)) for one in asked
        ]

    async def _all_seen(
        self, asked: Sequence[Asked], found: Sequence[tuple[Inventory | MeshError, bool]]
    ) -> list[tuple[Seen, bool] | MeshError]:
        """Each inventory in turn; at once only where hotels' own systems may have to be asked."""
        if await self._overlay.concerns(tenant_id for tenant_id, _ in asked):
            return list(await asyncio.gather(*map(self._seen, asked, found)))
        return [await self._seen(*pair) for pair in zip(asked, found, strict=True)]

    async def _seen(
        self, asked: Asked, found: tuple[Inventory | MeshError, bool]
    ) -> tuple[Seen, bool] | MeshError:
        """The inventory as the hotel's own system sees it, where it has one."""
        inventory, cached = found
        if isinstance(inventory, MeshError):
            return inventory
        self._metrics.searches.labels("cached" if cached else "live").inc()
        return await self._overlay.seen(*asked, inventory), cached

    def _answer(self, asked: _Question, found: tuple[Seen, bool] | MeshError) -> bytes | MeshError:
        if isinstance(found, MeshError):
            return found
        seen, cached = found
        if not cached or seen.freshness is not None:
            return _built(asked, seen, cached=cached)
        # The very same counters and prices: the same answer, and building it is most of the work.
        known = self._answers.get(asked)
        if known is not None and _same(known.inventory, seen.inventory):
            self._metrics.answers_reused.inc()
            return known.response
        answer = _built(asked, seen, cached=True)
        if not isinstance(answer, MeshError):
            inventory = seen.inventory
            self._answers.keep(asked, _Answer(inventory, answer), inventory.counters.weight)
            self._metrics.answers.set(len(self._answers))
        return answer


def _same(one: Inventory, other: Inventory) -> bool:
    return one.page is other.page and one.counters is other.counters


def _result(answer: bytes | MeshError) -> bytes | MeshError:
    """The result of one item; the log has what is our fault."""
    if isinstance(answer, Internal):
        return fault(answer, "BatchSearchAvailability")
    return answer if isinstance(answer, MeshError) else _BATCH.result(answer)


def _built(asked: _Question, seen: Seen, *, cached: bool) -> bytes | MeshError:
    try:
        availability = search(seen.inventory, asked.stay, asked.guests)
        return from_availability(
            availability,
            seen.inventory,
            cached=cached or seen.freshness is not None,
            unconfirmed=seen.freshness is Freshness.ASK,
        )
    except MeshError as refused:
        return refused
    except ValueError as error:
        # An amount that fits no message is one hotel's, and no reason to fail those beside it.
        return Internal("ANSWER_NOT_WRITTEN", f"{asked.tenant_id}: {error}")


def _read(request: SearchAvailabilityRequest) -> _Question | MeshError:
    try:
        return _Question(request.tenant_id, wire.to_stay(request), wire.to_guests(request))
    except MeshError as error:
        return error
