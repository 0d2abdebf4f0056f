"""The RPCs about hotels' own systems: protobuf in, protobuf out."""

from __future__ import annotations

from typing import Any

import grpc
from conserje.booking.v1.pms_service_pb2 import (
    CheckPmsRequest,
    CheckPmsResponse,
    ComparePmsRequest,
    ComparePmsResponse,
    DeletePmsConnectionRequest,
    DeletePmsConnectionResponse,
    GetPmsConnectionRequest,
    GetPmsConnectionResponse,
    ReceivePmsNoticeRequest,
    ReceivePmsNoticeResponse,
    SetPmsConnectionRequest,
    SetPmsConnectionResponse,
)
from conserje.booking.v1.pms_service_pb2_grpc import PmsServiceServicer

from meshkit.errors import FailedPrecondition
from services.booking.pms import wire
from services.booking.pms.connections import Connections
from services.booking.pms.notices import Notice, Notices
from services.booking.pms.reconcile import Reconciler
from services.booking.pms.store import PmsStore

Context = grpc.aio.ServicerContext[Any, Any]


MOST_DIFFERENCES = 1000
"""Of an answer: some 300 kB."""


class PmsServicer(PmsServiceServicer):
    """`conserje.booking.v1.PmsService`."""

    def __init__(
        self,
        store: PmsStore,
        connections: Connections,
        reconciler: Reconciler,
        notices: Notices,
    ) -> None:
        self._reconciler = reconciler
        self._store = store
        self._connections = connections
        self._notices = notices

    async def GetPmsConnection(
        self, request: GetPmsConnectionRequest, context: Context
    ) -> GetPmsConnectionResponse:
        """How a hotel's system is reached."""
        found = await self._store.connection(request.tenant_id)
        return GetPmsConnectionResponse(connection=wire.from_connection(found))

    async def SetPmsConnection(
        self, request: SetPmsConnectionRequest, context: Context
    ) -> SetPmsConnectionResponse:
        """Connect a hotel."""
        wanted = wire.to_connection(request.connection, request.tenant_id)
        wire.check_mapping(wanted, await self._store.room_type_names(request.tenant_id))
        kept = await self._store.set_connection(wanted)
        self._connections.outdate()
        return SetPmsConnectionResponse(connection=wire.from_connection(kept))

    async def DeletePmsConnection(
        self, request: DeletePmsConnectionRequest, context: Context
    ) -> DeletePmsConnectionResponse:
        """Disconnect a hotel."""
        await self._store.connection(request.tenant_id)
        if not await self._store.delete_connection(request.tenant_id):
            raise FailedPrecondition(
                "PMS_WORK_OPEN", "A booking still waits for the hotel's system."
            )
        self._connections.outdate()
        return DeletePmsConnectionResponse()

    async def CheckPms(self, request: CheckPmsRequest, context: Context) -> CheckPmsResponse:
        """What a hotel's system says of itself."""
        connection = await self._store.connection(request.tenant_id)
        pms = (await self._connections.connect(connection)).pms
        capabilities = await pms.capabilities()
        theirs = await pms.room_types()
        ours = await self._store.room_type_names(request.tenant_id)
        room_types, unmapped = wire.mapped(theirs, connection.room_types, ours)
        return CheckPmsResponse(
            connection=wire.from_connection(connection),
            capabilities=wire.from_capabilities(capabilities),
            room_types=room_types,
            unmapped_room_type_ids=unmapped,
            currency_code=await self._store.currency_code(request.tenant_id),
        )

    async def ComparePms(self, request: ComparePmsRequest, context: Context) -> ComparePmsResponse:
        """Every difference between both sides."""
        connection = await self._store.connection(request.tenant_id)
        found = await self._reconciler.compare(await self._connections.connect(connection))
        return ComparePmsResponse(
            differences=[wire.from_difference(one) for one in found[:MOST_DIFFERENCES]],
            difference_count=len(found),
        )

    async def ReceivePmsNotice(
        self, request: ReceivePmsNoticeRequest, context: Context
    ) -> ReceivePmsNoticeResponse:
        """Take in that something has changed in a hotel's system."""
        notice = Notice(
            tenant_id=request.tenant_id,
            notice_id=request.notice_id,
            timestamp=request.timestamp,
            signature=request.signature,
            body=request.body,
        )
        return ReceivePmsNoticeResponse(duplicate=not await self._notices.receive(notice))
