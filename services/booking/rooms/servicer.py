"""The RPCs about particular rooms: protobuf in, protobuf out."""

from __future__ import annotations

import datetime as dt
from typing import Any

import grpc
from conserje.booking.v1.room_service_pb2 import (
    AssignRoomsRequest,
    AssignRoomsResponse,
    ListDebtsRequest,
    ListDebtsResponse,
    ListRoomClosuresRequest,
    ListRoomClosuresResponse,
    ReopenRoomRequest,
    ReopenRoomResponse,
    ShutRoomRequest,
    ShutRoomResponse,
)
from conserje.booking.v1.room_service_pb2_grpc import RoomServiceServicer

from meshkit import pages
from services.booking.cache import AvailabilityCache
from services.booking.reservations.domain import by_staff
from services.booking.reservations.wire import to_order
from services.booking.rooms import wire
from services.booking.rooms.domain import FIRST
from services.booking.rooms.store import RoomStore
from services.booking.wire import to_id

Context = grpc.aio.ServicerContext[Any, Any]
FIRST_DEBT = (dt.date(1, 1, 1), "")
"""Before the first debt of any list."""


class RoomServicer(RoomServiceServicer):
    """`conserje.booking.v1.RoomService`."""

    def __init__(self, store: RoomStore, cache: AvailabilityCache) -> None:
        self._store = store
        self._cache = cache

    async def ShutRoom(self, request: ShutRoomRequest, context: Context) -> ShutRoomResponse:
        """Take a room out of order."""
        nights = wire.to_span(request)
        order = to_order(request, request.room_id, nights, request.forced)
        by_staff(order.actor)
        shut = await self._store.shut(order, request.room_id, nights, forced=request.forced)
        await self._cache.outdate([request.tenant_id])
        return ShutRoomResponse(
            closure=wire.from_closure(shut.closure), reservation_ids=shut.reservation_ids
        )

    async def ReopenRoom(self, request: ReopenRoomRequest, context: Context) -> ReopenRoomResponse:
        """Sell a room again."""
        closure_id = to_id(request.closure_id, "CLOSURE_UNKNOWN")
        order = to_order(request, closure_id)
        by_staff(order.actor)
        closure = await self._store.reopen(order, closure_id)
        await self._cache.outdate([request.tenant_id])
        return ReopenRoomResponse(closure=wire.from_closure(closure))

    async def ListRoomClosures(
        self, request: ListRoomClosuresRequest, context: Context
    ) -> ListRoomClosuresResponse:
        """What is shut."""
        size = pages.page_size(request.page_size)
        after = wire.to_closure_place(request.page_token) if request.page_token else FIRST
        found = await self._store.closures(request.tenant_id, request.room_type_id, after, size)
        response = ListRoomClosuresResponse(closures=[wire.from_closure(one) for one in found])
        if len(found) == size:
            response.next_page_token = pages.to_token(*found[-1].place)
        return response

    async def ListDebts(self, request: ListDebtsRequest, context: Context) -> ListDebtsResponse:
        """Who has no room, and when."""
        size = pages.page_size(request.page_size)
        after = wire.to_debt_place(request.page_token) if request.page_token else FIRST_DEBT
        found = await self._store.debts(request.tenant_id, after, size)
        response = ListDebtsResponse(debts=[wire.from_debt(one) for one in found])
        if len(found) == size:
            response.next_page_token = pages.to_token(found[-1].night, found[-1].room_type_id)
        return response

    async def AssignRooms(
        self, request: AssignRoomsRequest, context: Context
    ) -> AssignRoomsResponse:
        """Rooms for everybody."""
        wishes = wire.to_assignments(request)
        order = to_order(request, wishes)
        by_staff(order.actor)
        return wire.from_assigned(await self._store.assign_rooms(order, wishes))
