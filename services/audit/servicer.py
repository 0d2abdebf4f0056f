"""`AuditService` of whichever service it is part of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conserje.audit.v1 import audit_service_pb2 as pb
from conserje.audit.v1.audit_service_pb2_grpc import AuditServiceServicer

from meshkit import pages
from meshkit.access import Access
from meshkit.identity import OPERATOR, READER
from services.audit.store import NEWEST, AuditStore, Change

if TYPE_CHECKING:
    from meshkit.server import Context

SERVICE = "conserje.audit.v1.AuditService"
ACCESS: Access = {SERVICE: {"ListOperatorChanges": (OPERATOR, READER)}}


class AuditServicer(AuditServiceServicer):
    """Tells what people have changed by hand."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    async def ListOperatorChanges(
        self, request: pb.ListOperatorChangesRequest, context: Context
    ) -> pb.ListOperatorChangesResponse:
        """One page, the latest first."""
        size = pages.page_size(request.page_size)
        before = pages.number_from_token(request.page_token) or NEWEST
        found = await self._store.changes(request.tenant_id, before, size + 1)
        response = pb.ListOperatorChangesResponse(changes=map(_to_message, found[:size]))
        if len(found) > size:
            response.next_page_token = pages.to_token(found[size - 1].change_number)
        return response


def _to_message(change: Change) -> pb.OperatorChange:
    message = pb.OperatorChange(
        change_number=change.change_number,
        actor=change.actor,
        method=change.method,
        tenant_id=change.tenant_id,
        table_name=change.table_name,
        before_json=change.before or "",
        after_json=change.after or "",
    )
    message.change_time.FromDatetime(change.change_time)
    return message
