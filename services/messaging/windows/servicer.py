"""The RPCs about windows: until when guests may be written to, and what waits for them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
import orjson
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceServicer,
)

from meshkit.errors import FailedPrecondition, InvalidArgument, NotFound
from meshkit.pages import number_from_token, page_size, to_token
from meshkit.phones import whatsapp_key
from services.messaging.operations.wire import timestamp
from services.messaging.refusals import conversation_unknown
from services.messaging.store.templates import TemplateStore
from services.messaging.store.window import HeldRow, WindowRow, WindowStore, WindowTemplate
from services.messaging.templates.model import Needs, needs_of, template_unknown
from services.messaging.wake import Wake
from services.messaging.windows.forms import TEXT

Context = grpc.aio.ServicerContext[Any, Any]


class WindowRpcs(MessagingOperationsServiceServicer):
    """Part of `conserje.messaging.v1.MessagingOperationsService`."""

    _windows: WindowStore
    _templates: TemplateStore
    _messages: Wake

    async def GetWindow(
        self, request: pb.GetWindowRequest, context: Context
    ) -> pb.GetWindowResponse:
        """Until when a guest may be written to freely."""
        row = await self._window(request)
        if row is None:
            raise conversation_unknown()
        return pb.GetWindowResponse(window=_window(row))

    async def _window(
        self, request: pb.GetWindowRequest | pb.EraseGuestRequest
    ) -> WindowRow | None:
        tenant = request.tenant_id
        if request.WhichOneof("guest") == "conversation_id":
            return await self._windows.of_conversation(tenant, request.conversation_id)
        return await self._windows.of_guest(tenant, request.phone_number_id, guest_name(request))

    async def ListHeldSends(
        self, request: pb.ListHeldSendsRequest, context: Context
    ) -> pb.ListHeldSendsResponse:
        """One page of what waits for guests to write."""
        size = page_size(request.page_size)
        rows = await self._windows.held(
            request.tenant_id, after=number_from_token(request.page_token), limit=size + 1
        )
        token = to_token(rows[size - 1].outbox_number) if len(rows) > size else ""
        sends = [_held(row) for row in rows[:size]]
        return pb.ListHeldSendsResponse(sends=sends, next_page_token=token)

    async def DropHeldSend(
        self, request: pb.DropHeldSendRequest, context: Context
    ) -> pb.DropHeldSendResponse:
        """A held message is given up."""
        key = (request.tenant_id, UUID(request.send_id))
        if not await self._windows.drop_held(*key):
            state = await self._windows.state(*key)
            if state is None:
                raise NotFound(
                    "SEND_NOT_FOUND", "The hotel has no such message.", send_id=request.send_id
                )
            if state != "REJECTED":
                raise FailedPrecondition("SEND_NOT_HELD", "It does not wait.", state=state)
        return pb.DropHeldSendResponse()

    async def GetWindowTemplate(
        self, request: pb.GetWindowTemplateRequest, context: Context
    ) -> pb.GetWindowTemplateResponse:
        """What messages leave as when the window is shut."""
        row = await self._windows.template(request.tenant_id)
        return pb.GetWindowTemplateResponse(template=_template(row) if row else None)

    async def SetWindowTemplate(
        self, request: pb.SetWindowTemplateRequest, context: Context
    ) -> pb.SetWindowTemplateResponse:
        """Choose it, or none."""
        template = None
        if request.HasField("template"):
            template = await self._chosen(request.tenant_id, request.template)
        await self._windows.set_template(request.tenant_id, template)
        self._messages.set()
        return pb.SetWindowTemplateResponse()

    async def _chosen(self, tenant_id: str, template: pb.WindowTemplate) -> WindowTemplate:
        """A template as it is stored; it has to tell what the message says."""
        name, language = template.template_name, template.language_code
        known = await self._templates.find(tenant_id, name, language)
        if known is None:
            raise template_unknown(name, language)
        _check_fills(template, needs_of(known.row.components, known.row.parameter_format))
        return WindowTemplate(name, language, orjson.dumps(list(template.parameters)))


def guest_name(
    request: pb.GetWindowRequest | pb.EraseGuestRequest | pb.ListConversationsRequest,
) -> bytes:
    """The guest of a request as mailboxes name him; raises `InvalidArgument` without a number."""
    if not request.phone_number_id:
        raise InvalidArgument.field(
            "phone_number_id", "needed to find a guest by number or user id"
        )
    key = whatsapp_key(request.whatsapp_id)
    return (f"p:{key}" if key else f"u:{request.user_id}").encode()


def _check_fills(template: pb.WindowTemplate, needs: Needs) -> None:
    """The parameters fill the template, and one of them has the words of the message."""
    if needs.header or needs.buttons:
        raise InvalidArgument.field(
            "template.template_name", "its header or a button needs what a message does not have"
        )
    if len(template.parameters) != len(needs.body):
        raise InvalidArgument.field(
            "template.parameters",
            f"{len(needs.body)} are needed, {len(template.parameters)} were given",
        )
    if sum(value.count(TEXT) for value in template.parameters) != 1:
        raise InvalidArgument.field(
            "template.parameters", f"one of them must hold {TEXT}, for the words of the message"
        )


def _template(row: WindowTemplate) -> pb.WindowTemplate:
    return pb.WindowTemplate(
        template_name=row.name,
        language_code=row.language_code,
        parameters=orjson.loads(row.parameters),
    )


def _window(row: WindowRow) -> pb.GuestWindow:
    times = {
        "last_inbound_time": row.inbound_time,
        "close_time": row.close_time,
        "refuse_time": row.refused_time,
    }
    return pb.GuestWindow(
        conversation_id=row.mailbox_id,
        phone_number_id=row.phone_number_id,
        open=row.open,
        **{name: timestamp(time) for name, time in times.items() if time is not None},
    )


def _held(row: HeldRow) -> pb.HeldSend:
    return pb.HeldSend(
        send_id=str(row.outbox_id),
        conversation_id=row.mailbox_id,
        kind=row.kind,
        create_time=timestamp(row.create_time),
        reason=row.reason,
        error_code=row.error_code,
    )
