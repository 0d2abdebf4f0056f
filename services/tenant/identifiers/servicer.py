"""The RPCs about what hotels are found by: protobuf in, protobuf out."""

from __future__ import annotations

from typing import Any

import grpc
from conserje.tenant.v1 import tenant_service_pb2 as pb
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceServicer

from meshkit import pages
from meshkit.identity import OPERATOR, identity_of
from services.tenant.hotels import wire
from services.tenant.hotels.store import HotelStore
from services.tenant.identifiers.store import IdentifierStore

Context = grpc.aio.ServicerContext[Any, Any]


class IdentifierServicer(TenantServiceServicer):
    """The part of `TenantService` that changes what hotels are found by."""

    def __init__(self, hotels: HotelStore, identifiers: IdentifierStore) -> None:
        self._hotels = hotels
        self._identifiers = identifiers

    async def AddIdentifier(
        self, request: pb.AddIdentifierRequest, context: Context
    ) -> pb.AddIdentifierResponse:
        """One more."""
        hotel = await self._identifiers.add(
            request.tenant_id,
            wire.to_identifier(request.identifier),
            tell_owner=is_operator(context),
        )
        return pb.AddIdentifierResponse(tenant=wire.from_hotel(hotel))

    async def MoveIdentifier(
        self, request: pb.MoveIdentifierRequest, context: Context
    ) -> pb.MoveIdentifierResponse:
        """From one hotel to another."""
        identifier = wire.to_identifier(request.identifier)
        hotel = await self._identifiers.move(request.tenant_id, identifier, request.to_tenant_id)
        return pb.MoveIdentifierResponse(tenant=wire.from_hotel(hotel))

    async def RemoveIdentifier(
        self, request: pb.RemoveIdentifierRequest, context: Context
    ) -> pb.RemoveIdentifierResponse:
        """One less."""
        identifier = wire.to_identifier(request.identifier)
        hotel = await self._identifiers.remove(request.tenant_id, identifier)
        return pb.RemoveIdentifierResponse(tenant=wire.from_hotel(hotel))

    async def ListIdentifiers(
        self, request: pb.ListIdentifiersRequest, context: Context
    ) -> pb.ListIdentifiersResponse:
        """A page; one more is read, to know whether there is another page."""
        size = pages.page_size(request.page_size)
        after = pages.from_token(request.page_token, 2) if request.page_token else ["", ""]
        await self._hotels.get(request.tenant_id)
        found = await self._identifiers.list(request.tenant_id, (after[0], after[1]), size + 1)
        response = pb.ListIdentifiersResponse(identifiers=map(wire.from_identifier, found[:size]))
        if len(found) > size:
            last = found[size - 1]
            response.next_page_token = pages.to_token(last.kind, last.value)
        return response


def is_operator(context: Context) -> bool:
    """Whether the caller runs the platform, and may know which hotel has what."""
    return identity_of(context.auth_context()) == OPERATOR
