"""The RPCs about what a hotel sells: protobuf in, protobuf out."""

from __future__ import annotations

from typing import Any

import grpc
from conserje.booking.v1.inventory_service_pb2 import (
    GetInventoryRequest,
    GetInventoryResponse,
    ImportInventoryRequest,
    ImportInventoryResponse,
)
from conserje.booking.v1.inventory_service_pb2_grpc import InventoryServiceServicer

from services.booking.cache import AvailabilityCache
from services.booking.inventory import wire
from services.booking.inventory.store import InventoryStore

Context = grpc.aio.ServicerContext[Any, Any]


class InventoryServicer(InventoryServiceServicer):
    """`conserje.booking.v1.InventoryService`."""

    def __init__(self, store: InventoryStore, cache: AvailabilityCache) -> None:
        self._store = store
        self._cache = cache

    async def GetInventory(
        self, request: GetInventoryRequest, context: Context
    ) -> GetInventoryResponse:
        """What a hotel sells."""
        stored = await self._store.inventory(request.tenant_id)
        return GetInventoryResponse(inventory=wire.from_stored(stored))

    async def ImportInventory(
        self, request: ImportInventoryRequest, context: Context
    ) -> ImportInventoryResponse:
        """Replace what a hotel sells."""
        draft = wire.to_draft(request.inventory)
        draft.check()
        stored = await self._store.replace(
            request.tenant_id, draft, validate_only=request.validate_only
        )
        if not request.validate_only:
            await self._cache.outdate([request.tenant_id])
        return ImportInventoryResponse(inventory=wire.from_stored(stored))
