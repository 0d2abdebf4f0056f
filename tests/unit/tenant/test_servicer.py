"""From the directory to messages: every field, every outcome, every count."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any, cast

import pytest
import structlog.testing
from conserje.tenant.v1.tenant_pb2 import TENANT_STATE_ACTIVE, RoutingRecord
from conserje.tenant.v1.tenant_service_pb2 import (
    BatchResolveTenantsRequest,
    BatchResolveTenantsResponse,
    ResolveTenantRequest,
    ResolveTenantResponse,
)
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from prometheus_client import CollectorRegistry

from meshkit.clock import FakeClock
from meshkit.errors import FailedPrecondition, InvalidArgument, MeshError, NotFound, Unavailable
from meshkit.logs import redact_event
from meshkit.postgres import Postgres
from services.tenant.changes import Changes
from services.tenant.domain import Directory
from services.tenant.hotels.import_store import ImportStore
from services.tenant.hotels.store import HotelStore
from services.tenant.identifiers.store import IdentifierStore
from services.tenant.metrics import TenantMetrics
from services.tenant.servicer import TenantServicer
from tests.sent import read
from tests.unit.tenant.numbers import (
    DELETED,
    IDENTIFIERS,
    MIRADOR,
    MOVED,
    READ_TIME,
    SHARED,
    SUSPENDED,
    snapshot,
)

NO_CONTEXT = cast(Any, None)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def directory() -> Directory:
    made = Directory(FakeClock(READ_TIME))
    made.replace(snapshot())
    return made


@pytest.fixture
async def servicer(directory: Directory, registry: CollectorRegistry) -> TenantServicer:
    return servicer_of(directory, registry)


def servicer_of(directory: Directory, registry: CollectorRegistry) -> TenantServicer:
    changes = Changes(directory)
    metrics = TenantMetrics(registry, directory, changes)
    nowhere = Postgres("postgresql://nowhere")
    stores = HotelStore(nowhere), IdentifierStore(nowhere), ImportStore(nowhere)
    return TenantServicer(directory, *stores, metrics, changes, lambda: None)


async def resolve(servicer: TenantServicer, number: str, waba: str = "") -> ResolveTenantResponse:
    request = ResolveTenantRequest(phone_number_id=number, whatsapp_business_account_id=waba)
    return await answered(servicer, request)


async def answered(
    servicer: TenantServicer, request: ResolveTenantRequest
) -> ResolveTenantResponse:
    return read(ResolveTenantResponse, await servicer.ResolveTenant(request, NO_CONTEXT))


async def resolve_all(
    servicer: TenantServicer, *items: ResolveTenantRequest
) -> BatchResolveTenantsResponse:
    request = BatchResolveTenantsRequest(items=items)
    response = await servicer.BatchResolveTenants(request, NO_CONTEXT)
    return read(BatchResolveTenantsResponse, response)


def reason_of(status: Status) -> str:
    info = ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            assert info.domain == "tenant.conserje"
    return info.reason


async def test_every_field_is_told(servicer: TenantServicer) -> None:
    response = await resolve(servicer, MIRADOR.phone_number_id, "200000000000001")
    assert response.routing_record == RoutingRecord(
        tenant_id="hotel-mirador",
        phone_number_id="100000000000001",
        whatsapp_business_account_id="200000000000001",
        state=TENANT_STATE_ACTIVE,
        display_name="Hotel Mirador",
        time_zone="Europe/Madrid",
        default_language_code="es",
        language_codes=["es", "en"],
        currency_code="EUR",
        version=3,
    )
    assert response.as_of.ToDatetime(READ_TIME.tzinfo) == READ_TIME
    # A field added to the contract must be filled.
    response = await resolve(servicer, SHARED.phone_number_id)
    assert len(response.routing_record.ListFields()) == len(RoutingRecord.DESCRIPTOR.fields)


async def resolved_by(servicer: TenantServicer, **asked: Any) -> str:
    """The hotel that is found, or the reason why none is."""
    try:
        response = await answered(servicer, ResolveTenantRequest(**asked))
    except MeshError as error:
        return error.reason
    return response.routing_record.tenant_id


async def test_a_hotel_is_found_by_whatever_it_is_known_by(
    servicer: TenantServicer, registry: CollectorRegistry
) -> None:
    for asked, found in (
        ({"whatsapp_phone": "+52 1 55 1234 5678"}, "hotel-mirador"),
        ({"whatsapp_phone": "525512345678"}, "hotel-mirador"),
        ({"email": "Front@Mirador.example"}, "hotel-mirador"),
        ({"whatsapp_business_account_id": "200000000000001"}, "hotel-mirador"),
        ({"guest_phone": "+55 11 8234 5678"}, "hotel-mirador"),
        ({"whatsapp_phone": "+55 11 8234 5678"}, "IDENTIFIER_UNKNOWN"),
        ({"email": "front@luna.example"}, "IDENTIFIER_UNKNOWN"),
    ):
        assert await resolved_by(servicer, **asked) == found
    counted = {
        result: registry.get_sample_value("tenant_resolution_total", {"result": result})
        for result in ("hit", "guest", "unknown")
    }
    assert counted == {"hit": 4, "guest": 1, "unknown": 2}


async def test_a_shared_number_is_the_hotels_whose_guest_writes(
    servicer: TenantServicer, registry: CollectorRegistry
) -> None:
    shared, own = SHARED.phone_number_id, SUSPENDED.phone_number_id
    for number, guest, found in (
        (shared, "5511982345678", "hotel-mirador"),
        (shared, "551182345678", "hotel-mirador"),
        (shared, "551122345678", "platform"),
        (shared, "", "platform"),
        (own, "5511982345678", "posada-luna"),
    ):
        assert await resolved_by(servicer, phone_number_id=number, guest_phone=guest) == found
    asked = ResolveTenantRequest(phone_number_id=shared, guest_phone="5511982345678")
    response = await answered(servicer, asked)
    assert response.routing_record.phone_number_id == ""
    counted = registry.get_sample_value("tenant_resolution_total", {"result": "guest"})
    assert counted == 3


async def test_a_number_that_moved_is_whose_it_was_when_the_item_came(
    servicer: TenantServicer,
) -> None:
    for at, found in (
        (MOVED - timedelta(days=9), "before"),
        (MOVED - timedelta(microseconds=1), "before"),
        (MOVED, "platform"),
        (MOVED + timedelta(days=9), "platform"),
    ):
        asked = ResolveTenantRequest(phone_number_id=SHARED.phone_number_id)
        asked.arrive_time.FromDatetime(at)
        response = await answered(servicer, asked)
        record, is_over = response.routing_record, response.HasField("until_time")
        assert (record.tenant_id, is_over) == (found, found == "before")
        assert record.HasField("since_time") is not is_over
        told = response.until_time if is_over else record.since_time
        assert told.ToDatetime(UTC) == MOVED


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "phone_number_id"),
        ({"phone_number_id": "1", "email": "a@b.mx"}, "phone_number_id"),
        ({"whatsapp_phone": "+34600112233", "email": "a@b.mx"}, "whatsapp_phone"),
        ({"whatsapp_business_account_id": "1", "guest_phone": "+34600112233"}, "phone_number_id"),
        ({"whatsapp_phone": "600 11 22 33"}, "whatsapp_phone"),
        ({"email": "nobody"}, "email"),
        ({"phone_number_id": "1", "arrive_time": Timestamp(seconds=2**60)}, "arrive_time"),
        ({"phone_number_id": "1", "guest_phone": "1"}, "guest_phone"),
    ],
)
async def test_what_is_not_one_identifier_is_refused_with_the_field_named(
    servicer: TenantServicer, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await servicer.ResolveTenant(ResolveTenantRequest(**asked), NO_CONTEXT)
    assert [one.field for one in caught.value.violations] == [field]


async def test_a_number_under_another_account_is_reported_once_for_each_snapshot(
    servicer: TenantServicer, directory: Directory
) -> None:
    account = "299999999999999"
    with structlog.testing.capture_logs([redact_event]) as logs:
        for _ in range(3):
            with pytest.raises(FailedPrecondition):
                await resolve(servicer, MIRADOR.phone_number_id, account)
        with pytest.raises(NotFound):
            await resolve(servicer, "404", account)
        directory.replace(snapshot(version=8))
        with pytest.raises(FailedPrecondition):
            await resolve(servicer, MIRADOR.phone_number_id, account)
    told = [(one["phone_number_id"], one["whatsapp_business_account_id"]) for one in logs]
    assert told == [(MIRADOR.phone_number_id, account)] * 2


async def test_an_unknown_number_is_not_found(servicer: TenantServicer) -> None:
    with pytest.raises(NotFound) as caught:
        await resolve(servicer, "404")
    assert caught.value.reason == "NUMBER_UNKNOWN"


async def test_items_fail_alone_and_keep_their_order(
    servicer: TenantServicer, registry: CollectorRegistry
) -> None:
    late = ResolveTenantRequest(phone_number_id=MIRADOR.phone_number_id)
    late.time_remaining.FromMilliseconds(1)
    response = await resolve_all(
        servicer,
        ResolveTenantRequest(phone_number_id=MIRADOR.phone_number_id),
        ResolveTenantRequest(phone_number_id="not digits"),
        ResolveTenantRequest(phone_number_id=SUSPENDED.phone_number_id),
        ResolveTenantRequest(phone_number_id="404"),
        late,
        ResolveTenantRequest(
            phone_number_id=MIRADOR.phone_number_id, whatsapp_business_account_id="9"
        ),
        ResolveTenantRequest(phone_number_id=DELETED.phone_number_id),
    )
    told = [one.value.routing_record.tenant_id or reason_of(one.error) for one in response.results]
    assert told == [
        "hotel-mirador",
        "INVALID_REQUEST",
        "posada-luna",
        "NUMBER_UNKNOWN",
        "TIME_OVER",
        "WABA_MISMATCH",
        "gone",
    ]
    counted = {
        result: registry.get_sample_value("tenant_resolution_total", {"result": result})
        for result in ("hit", "unknown", "suspended", "waba_mismatch")
    }
    assert counted == {"hit": 1, "unknown": 1, "suspended": 2, "waba_mismatch": 1}
    assert registry.get_sample_value("tenant_resolution_latency_seconds_count") == 1


async def test_a_batch_of_nothing_or_too_much_fails_whole(servicer: TenantServicer) -> None:
    item = ResolveTenantRequest(phone_number_id=MIRADOR.phone_number_id)
    for items in ([], [item] * 257):
        with pytest.raises(InvalidArgument):
            await resolve_all(servicer, *items)
    assert len((await resolve_all(servicer, *[item] * 256)).results) == 256


async def test_before_the_first_snapshot_everything_is_unavailable(
    registry: CollectorRegistry,
) -> None:
    directory = Directory(FakeClock(READ_TIME))
    servicer = servicer_of(directory, registry)
    item = ResolveTenantRequest(phone_number_id=MIRADOR.phone_number_id)
    with pytest.raises(Unavailable, match="DIRECTORY_NOT_LOADED"):
        await resolve(servicer, MIRADOR.phone_number_id)
    with pytest.raises(Unavailable, match="DIRECTORY_NOT_LOADED"):
        await resolve_all(servicer, item)
    assert registry.get_sample_value("tenant_directory_version") == 0


async def test_a_new_snapshot_answers_from_then_on(
    servicer: TenantServicer, directory: Directory, registry: CollectorRegistry
) -> None:
    await resolve(servicer, MIRADOR.phone_number_id)
    directory.replace(snapshot([DELETED], version=8))
    with pytest.raises(NotFound):
        await resolve(servicer, MIRADOR.phone_number_id)
    gauges = ("tenants_active", "tenant_identifiers_cached", "tenant_directory_version")
    assert [registry.get_sample_value(name) for name in gauges] == [0, 1 + len(IDENTIFIERS), 8]
    bytes_told = registry.get_sample_value("tenant_directory_bytes")
    assert bytes_told == directory.snapshot.memory > DELETED.memory()


async def test_answers_are_made_once_for_each_number(servicer: TenantServicer) -> None:
    item = ResolveTenantRequest(phone_number_id=MIRADOR.phone_number_id)
    for _ in range(3):
        await resolve_all(servicer, *[item] * 100)
    assert servicer._answers is not None
    assert len(servicer._answers._made) == 1
