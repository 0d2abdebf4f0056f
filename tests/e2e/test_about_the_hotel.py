"""A guest asks about the hotel; what its operator changes is told. Through every process."""

from __future__ import annotations

import grpc
import pytest
from conserje.tenant.v1 import tenant_service_pb2 as pb
from conserje.tenant.v1.settings_pb2 import INFO_TOPIC_PARKING
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from sandbox.mesh import Mesh
from tests.e2e.guests import LUNA, Guest

pytestmark = pytest.mark.e2e


async def test_a_guest_asks_and_a_change_of_the_hotel_is_told(mesh: Mesh) -> None:
    guest = Guest(mesh, LUNA)
    assert "No tenemos estacionamiento" in (await guest.say("¿hay estacionamiento?")).text
    assert "3:00 PM" in (await guest.say("what time is check-in?")).text
    async with grpc.aio.insecure_channel(mesh.address("tenant").grpc) as channel:
        stub = TenantServiceStub(channel)
        one = pb.GetTenantRequest(tenant_id="posada-luna")
        before = (await stub.GetTenant(one)).tenant
        wanted = pb.UpdateTenantRequest(
            tenant_id="posada-luna",
            update_mask=FieldMask(paths=["info_texts"]),
            etag=before.etag,
        )
        wanted.tenant.info_texts.add(
            topic=INFO_TOPIC_PARKING, language_code="en", text="Parking is free now."
        )
        await stub.UpdateTenant(wanted)
        try:
            while "free now" not in (await guest.say("is there parking?")).text:
                assert "no parking" in guest.last.text
        finally:
            wanted.tenant.CopyFrom(before)
            wanted.etag = ""
            await stub.UpdateTenant(wanted)
