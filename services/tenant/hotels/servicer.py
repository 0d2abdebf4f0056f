"""The RPCs about hotels: protobuf in, protobuf out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import grpc
from conserje.tenant.v1.tenant_pb2 import TenantProfile
from conserje.tenant.v1.tenant_service_pb2 import (
    ActivateTenantRequest,
    ActivateTenantResponse,
    AddNumberRequest,
    AddNumberResponse,
    BatchGetTenantProfilesRequest,
    BatchGetTenantProfilesResponse,
    CreateTenantRequest,
    CreateTenantResponse,
    DeleteTenantRequest,
    DeleteTenantResponse,
    GetTenantProfileRequest,
    GetTenantProfileResult,
    GetTenantRequest,
    GetTenantResponse,
    ImportAction,
    ImportTenantsRequest,
    ImportTenantsResponse,
    ListTenantsRequest,
    ListTenantsResponse,
    MoveNumberRequest,
    MoveNumberResponse,
    RemoveNumberRequest,
    RemoveNumberResponse,
    SuspendTenantRequest,
    SuspendTenantResponse,
    UpdateNumberRequest,
    UpdateNumberResponse,
    UpdateTenantRequest,
    UpdateTenantResponse,
)

from meshkit import pages
from meshkit.batch import serve_batch, to_results
from meshkit.errors import MeshError
from services.tenant.domain import DOMAIN, TenantState
from services.tenant.hotels import wire
from services.tenant.hotels.domain import Hotel, HotelNumber, number_check, unknown
from services.tenant.hotels.import_store import ImportStore
from services.tenant.hotels.profiles import profile_of
from services.tenant.hotels.store import HotelStore
from services.tenant.identifiers.servicer import IdentifierServicer, is_operator
from services.tenant.identifiers.store import IdentifierStore

Context = grpc.aio.ServicerContext[Any, Any]


class HotelServicer(IdentifierServicer):
    """The part of `TenantService` that reads and changes hotels."""

    def __init__(
        self, hotels: HotelStore, identifiers: IdentifierStore, imports: ImportStore
    ) -> None:
        super().__init__(hotels, identifiers)
        self._imports = imports

    async def BatchGetTenantProfiles(
        self, request: BatchGetTenantProfilesRequest, context: Context
    ) -> BatchGetTenantProfilesResponse:
        """What guests may know of many hotels."""
        outcomes = await serve_batch(request, self._profiles, DOMAIN)
        return BatchGetTenantProfilesResponse(results=to_results(GetTenantProfileResult, outcomes))

    async def _profiles(
        self, items: Sequence[GetTenantProfileRequest]
    ) -> list[TenantProfile | MeshError]:
        found = await self._hotels.get_many({item.tenant_id for item in items})
        return [
            profile_of(found[item.tenant_id], item.language_code)
            if item.tenant_id in found
            else unknown(item.tenant_id)
            for item in items
        ]

    async def GetTenant(self, request: GetTenantRequest, context: Context) -> GetTenantResponse:
        """One hotel."""
        return GetTenantResponse(tenant=wire.from_hotel(await self._hotels.get(request.tenant_id)))

    async def ListTenants(
        self, request: ListTenantsRequest, context: Context
    ) -> ListTenantsResponse:
        """A page of hotels; one more is read, to know whether there is another page."""
        size = pages.page_size(request.page_size)
        after = pages.text_from_token(request.page_token)
        found = await self._hotels.list(after, size + 1)
        response = ListTenantsResponse(tenants=wire.page(found, size))
        if len(found) > len(response.tenants):
            response.next_page_token = pages.to_token(response.tenants[-1].tenant_id)
        return response

    async def CreateTenant(
        self, request: CreateTenantRequest, context: Context
    ) -> CreateTenantResponse:
        """A new hotel."""
        draft = wire.to_draft(request.tenant)
        draft.check()
        hotel = await self._hotels.create(
            UUID(request.request_id), draft, tell_owner=is_operator(context)
        )
        return CreateTenantResponse(tenant=wire.from_hotel(hotel))

    async def UpdateTenant(
        self, request: UpdateTenantRequest, context: Context
    ) -> UpdateTenantResponse:
        """Other values for what the mask names."""

        def change(hotel: Hotel) -> Hotel:
            hotel.need(request.etag)
            return hotel.with_draft(wire.merged(request, hotel.draft))

        hotel = await self._hotels.change(request.tenant_id, change)
        return UpdateTenantResponse(tenant=wire.from_hotel(hotel))

    async def ImportTenants(
        self, request: ImportTenantsRequest, context: Context
    ) -> ImportTenantsResponse:
        """Many hotels as a file has them, or none."""
        actions = await self._imports.write(
            UUID(request.request_id),
            await wire.to_wanted(request),
            validate_only=request.validate_only,
            tell_owner=is_operator(context),
        )
        return ImportTenantsResponse(
            actions=[ImportAction.Value(f"IMPORT_ACTION_{action}") for action in actions]
        )

    async def SuspendTenant(
        self, request: SuspendTenantRequest, context: Context
    ) -> SuspendTenantResponse:
        """Off for now."""
        hotel = await self._into(request.tenant_id, TenantState.SUSPENDED)
        return SuspendTenantResponse(tenant=wire.from_hotel(hotel))

    async def ActivateTenant(
        self, request: ActivateTenantRequest, context: Context
    ) -> ActivateTenantResponse:
        """On."""
        hotel = await self._into(request.tenant_id, TenantState.ACTIVE)
        return ActivateTenantResponse(tenant=wire.from_hotel(hotel))

    async def DeleteTenant(
        self, request: DeleteTenantRequest, context: Context
    ) -> DeleteTenantResponse:
        """Gone, until it is switched on again."""
        hotel = await self._into(request.tenant_id, TenantState.DELETED)
        return DeleteTenantResponse(tenant=wire.from_hotel(hotel))

    async def AddNumber(self, request: AddNumberRequest, context: Context) -> AddNumberResponse:
        """One more number."""
        number = wire.to_number(request.number)
        number_check(number)
        hotel = await self._hotels.add_number(
            request.tenant_id, number, tell_owner=is_operator(context)
        )
        return AddNumberResponse(tenant=wire.from_hotel(hotel))

    async def UpdateNumber(
        self, request: UpdateNumberRequest, context: Context
    ) -> UpdateNumberResponse:
        """Other values for what the mask names of a number."""

        def change(hotel: Hotel, before: HotelNumber) -> HotelNumber:
            hotel.need(request.etag)
            return wire.merged_number(request, before)

        hotel = await self._hotels.change_number(request.tenant_id, request.phone_number_id, change)
        return UpdateNumberResponse(tenant=wire.from_hotel(hotel))

    async def MoveNumber(self, request: MoveNumberRequest, context: Context) -> MoveNumberResponse:
        """A number from one hotel to another."""
        hotel = await self._hotels.move_number(
            request.tenant_id,
            request.phone_number_id,
            request.to_tenant_id,
            request.whatsapp_business_account_id,
        )
        return MoveNumberResponse(tenant=wire.from_hotel(hotel))

    async def RemoveNumber(
        self, request: RemoveNumberRequest, context: Context
    ) -> RemoveNumberResponse:
        """One number less."""
        hotel = await self._hotels.remove_number(request.tenant_id, request.phone_number_id)
        return RemoveNumberResponse(tenant=wire.from_hotel(hotel))

    async def _into(self, tenant_id: str, state: TenantState) -> Hotel:
        return await self._hotels.change(tenant_id, lambda hotel: hotel.in_state(state))
