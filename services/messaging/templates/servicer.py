"""The RPCs of templates: protobuf in, protobuf out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from conserje.messaging.v1 import template_service_pb2 as pb
from conserje.messaging.v1.template_pb2 import Template
from conserje.messaging.v1.template_service_pb2_grpc import TemplateServiceServicer

from copies.directory import Directory
from meshkit.errors import FailedPrecondition
from meshkit.pages import from_token, page_size, to_token
from meshkit.phones import whatsapp_key
from services.messaging.directory import owned, sending
from services.messaging.opaque import make_opaque
from services.messaging.operations.wire import timestamp
from services.messaging.refusals import check_stored
from services.messaging.store.templates import Account, Guest, KnownTemplate, TemplateStore
from services.messaging.templates.catalogue import Catalogue
from services.messaging.templates.model import (
    APPROVED,
    Given,
    components_of,
    needs_of,
    template_unknown,
)
from services.messaging.wake import Wake
from services.messaging.whatsapp import sends
from services.messaging.whatsapp.build import parts

Context = grpc.aio.ServicerContext[Any, Any]


class TemplateServicer(TemplateServiceServicer):
    """`conserje.messaging.v1.TemplateService`."""

    def __init__(
        self,
        store: TemplateStore,
        catalogue: Catalogue,
        directory: Directory,
        *,
        read_seconds: float,
        messages: Wake,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._directory = directory
        self._read_seconds = read_seconds
        self._messages = messages

    async def ListTemplates(
        self, request: pb.ListTemplatesRequest, context: Context
    ) -> pb.ListTemplatesResponse:
        """One page of a hotel's catalogue."""
        size = page_size(request.page_size)
        name, language, account = ("", "", "")
        if request.page_token:
            name, language, account = from_token(request.page_token, 3)
        rows = await self._store.page(request.tenant_id, (name, language, account), size + 1)
        token = ""
        if len(rows) > size:
            last = rows[size - 1]
            token = to_token(last.row.name, last.row.language_code, last.account_id)
        return pb.ListTemplatesResponse(
            templates=[_template(row) for row in rows[:size]], next_page_token=token
        )

    async def SyncTemplates(
        self, request: pb.SyncTemplatesRequest, context: Context
    ) -> pb.SyncTemplatesResponse:
        """Read an account from Meta now."""
        record = owned(self._directory, request.tenant_id, request.phone_number_id)
        account = Account(
            record.tenant_id, record.whatsapp_business_account_id, record.phone_number_id
        )
        count, removed = await self._catalogue.read(account, self._read_seconds)
        return pb.SyncTemplatesResponse(template_count=count, removed_count=removed)

    async def SendTemplate(
        self, request: pb.SendTemplateRequest, context: Context
    ) -> pb.SendTemplateResponse:
        """Store a send of a template."""
        record = sending(self._directory, request.tenant_id, request.phone_number_id)
        known = await self._store.find(
            request.tenant_id,
            *(request.template_name, request.language_code, record.whatsapp_business_account_id),
        )
        body = _body(request, _approved(request, known))
        stored = await self._store.send(
            *(request.tenant_id, UUID(request.request_id), request.phone_number_id),
            *(_guest(request), body),
        )
        mailbox_id, same = stored or (0, None)
        check_stored(same)
        self._messages.set()
        return pb.SendTemplateResponse(send_id=request.request_id, conversation_id=mailbox_id)


def _approved(request: pb.SendTemplateRequest, known: KnownTemplate | None) -> KnownTemplate:
    if known is None:
        raise template_unknown(request.template_name, request.language_code)
    if known.row.status != APPROVED:
        raise FailedPrecondition(
            "TEMPLATE_NOT_APPROVED",
            "Meta has not approved the template, or not any more.",
            status=known.row.status,
        )
    return known


def _body(request: pb.SendTemplateRequest, known: KnownTemplate) -> bytes:
    """What leaves, with all parameters checked."""
    needs = needs_of(known.row.components, known.row.parameter_format)
    given = Given(
        tuple(request.body_parameters), request.header_parameter, tuple(request.button_parameters)
    )
    components = components_of(needs, given)
    (part,) = parts(sends.Template(request.template_name, request.language_code, components))
    return part.body(make_opaque(request.tenant_id, UUID(request.request_id)))


def _guest(request: pb.SendTemplateRequest) -> Guest:
    who = request.WhichOneof("guest")
    if who == "conversation_id":
        return Guest(mailbox_id=request.conversation_id)
    if who == "whatsapp_id":
        written = request.whatsapp_id
        return Guest(alias=f"p:{whatsapp_key(written)}".encode(), whatsapp_id=written.encode())
    return Guest(alias=f"u:{request.user_id}".encode(), user_id=request.user_id.encode())


def _template(known: KnownTemplate) -> Template:
    row = known.row
    needs = needs_of(row.components, row.parameter_format)
    return Template(
        template_name=row.name,
        language_code=row.language_code,
        whatsapp_template_id=row.template_id,
        whatsapp_business_account_id=known.account_id,
        category=row.category,
        whatsapp_status=row.status,
        reason=row.reason,
        quality=row.quality,
        header_parameter=needs.header,
        body_parameters=needs.body,
        button_parameters=[place for place, _ in needs.buttons],
        body=needs.body_text,
        update_time=timestamp(known.update_time),
    )
