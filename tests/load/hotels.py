"""Ten hotels for the guests of a load test: the two of the demo and eight like the first."""

from __future__ import annotations

from uuid import uuid4

import grpc
from conserje.booking.v1.inventory_service_pb2 import GetInventoryRequest, ImportInventoryRequest
from conserje.booking.v1.inventory_service_pb2_grpc import InventoryServiceStub
from conserje.tenant.v1.tenant_pb2 import Tenant, WhatsAppNumber
from conserje.tenant.v1.tenant_service_pb2 import CreateTenantRequest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from sandbox.demo import HOTELS, DemoHotel
from sandbox.mesh import Mesh

COUNT = 10


async def open_hotels(mesh: Mesh) -> list[WhatsAppNumber]:
    """The numbers of ten hotels that answer; each hotel sells what the first one sells."""
    copies = [_like(HOTELS[0], number) for number in range(len(HOTELS), COUNT)]
    async with (
        grpc.aio.insecure_channel(mesh.address("tenant").grpc) as to_tenant,
        grpc.aio.insecure_channel(mesh.address("booking").grpc) as to_booking,
    ):
        inventory = InventoryServiceStub(to_booking)
        sold = await inventory.GetInventory(GetInventoryRequest(tenant_id=HOTELS[0].tenant_id))
        sold.inventory.etag = ""
        for hotel in copies:
            await TenantServiceStub(to_tenant).CreateTenant(
                CreateTenantRequest(request_id=str(uuid4()), tenant=hotel)
            )
            await inventory.ImportInventory(
                ImportInventoryRequest(tenant_id=hotel.tenant_id, inventory=sold.inventory)
            )
    numbers = [*map(_number, HOTELS), *(hotel.numbers[0] for hotel in copies)]
    await mesh.graph.set_numbers([_as_meta_knows(number) for number in numbers])
    return numbers


def _like(hotel: DemoHotel, number: int) -> Tenant:
    return Tenant(
        tenant_id=f"load-{number}",
        display_name=f"Hotel {number}",
        time_zone=hotel.time_zone,
        default_language_code=hotel.language_codes[0],
        language_codes=hotel.language_codes,
        currency_code=hotel.currency_code,
        numbers=[
            WhatsAppNumber(
                phone_number_id=f"3000000000000{number:02}",
                whatsapp_business_account_id=f"4000000000000{number:02}",
                display_phone_number=f"+34 910 000 1{number:02}",
            )
        ],
    )


def _number(hotel: DemoHotel) -> WhatsAppNumber:
    return WhatsAppNumber(
        phone_number_id=hotel.phone_number_id,
        whatsapp_business_account_id=hotel.whatsapp_business_account_id,
        display_phone_number=hotel.display_phone_number,
    )


def _as_meta_knows(number: WhatsAppNumber) -> dict[str, str]:
    return {
        "phone_number_id": number.phone_number_id,
        "waba_id": number.whatsapp_business_account_id,
        "display_phone_number": number.display_phone_number,
    }
