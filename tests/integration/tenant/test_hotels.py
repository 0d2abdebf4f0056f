"""Hotels created and changed by their operators, over the wire and in a real database."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import asyncpg
import grpc
import pytest
from conserje.tenant.v1 import tenant_service_pb2 as pb
from conserje.tenant.v1.identifier_pb2 import IDENTIFIER_KIND_EMAIL
from conserje.tenant.v1.identifier_pb2 import Identifier as IdentifierMessage
from conserje.tenant.v1.tenant_pb2 import (
    TENANT_STATE_ACTIVE,
    TENANT_STATE_DELETED,
    TENANT_STATE_SUSPENDED,
    THROUGHPUT_TIER_COEXISTENCE,
    THROUGHPUT_TIER_HIGH,
    Tenant,
    WhatsAppNumber,
)
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from meshkit import contract
from meshkit.errors import InvalidArgument, MeshError
from meshkit.postgres import Postgres
from meshkit.status import from_rpc_error, from_status
from sandbox.databases import DatabaseUrls
from services.tenant.hotels.domain import HotelNumber
from services.tenant.hotels.store import HotelStore
from services.tenant.identifiers.domain import Identifier, Kind
from services.tenant.identifiers.store import IdentifierStore
from tests.integration.tenant.test_serving import serving
from tests.unit.tenant.settings import everything
from tests.waiting import eventually

SERVICE = "conserje.tenant.v1.TenantService"
MIRADOR, LUNA = "hotel-mirador", "posada-luna"
MIRADORS_NUMBER = "100000000000001"
EVERYTHING = (
    "SELECT (SELECT array_agg(t) FROM tenant t), (SELECT array_agg(w) FROM whatsapp_number w),"
    " (SELECT array_agg(i) FROM identifier i)"
)


@pytest.fixture
async def stub(urls: DatabaseUrls) -> AsyncIterator[Any]:
    async with serving(urls.app_url) as running:
        yield running.stub


@pytest.fixture
def hotels(postgres: Postgres) -> HotelStore:
    return HotelStore(postgres)


def hotel(tenant_id: str = "casa-azul", *numbers: str) -> Tenant:
    return Tenant(
        tenant_id=tenant_id,
        display_name="Casa Azul",
        time_zone="America/Mexico_City",
        default_language_code="es",
        language_codes=["es", "pt-BR"],
        currency_code="MXN",
        numbers=[number(one) for one in numbers],
    )


def number(phone_number_id: str) -> WhatsAppNumber:
    return WhatsAppNumber(
        phone_number_id=phone_number_id,
        whatsapp_business_account_id="77",
        display_phone_number="+52 55 1234 5678",
    )


def creation(tenant: Tenant) -> pb.CreateTenantRequest:
    return pb.CreateTenantRequest(request_id=str(uuid.uuid4()), tenant=tenant)


async def refused(call: Any) -> MeshError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def get(stub: Any, tenant_id: str = MIRADOR) -> Tenant:
    found: Tenant = (await stub.GetTenant(pb.GetTenantRequest(tenant_id=tenant_id))).tenant
    return found


async def test_a_new_hotel_is_told_as_it_was_given_and_found_by_its_numbers(stub: Any) -> None:
    given = hotel("casa-azul", "31", "32")
    made = (await stub.CreateTenant(creation(given))).tenant
    assert made.state == TENANT_STATE_ACTIVE
    assert made.etag
    assert made == await get(stub, "casa-azul")
    for output_only in ("state", "etag", "create_time", "update_time"):
        made.ClearField(output_only)
    assert made == given

    async def found() -> bool:
        try:
            answer = await stub.ResolveTenant(pb.ResolveTenantRequest(phone_number_id="32"))
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.routing_record.tenant_id == "casa-azul")

    await eventually(found)


async def test_the_same_creation_twice_is_one_hotel_and_another_one_is_refused(stub: Any) -> None:
    first = creation(hotel("casa-azul", "31"))
    made, again = await asyncio.gather(stub.CreateTenant(first), stub.CreateTenant(first))
    assert made.tenant == again.tenant
    assert (await refused(stub.CreateTenant(creation(hotel())))).reason == "TENANT_EXISTS"


async def test_a_taken_number_undoes_the_whole_creation_and_does_not_say_whose_it_is(
    stub: Any, admin: asyncpg.Connection
) -> None:
    before = await admin.fetchrow(EVERYTHING)
    error = await refused(stub.CreateTenant(creation(hotel("casa-azul", "31", MIRADORS_NUMBER))))
    assert (error.reason, error.metadata) == (
        "NUMBER_TAKEN",
        {"phone_number_id": MIRADORS_NUMBER},
    )
    assert "mirador" not in str(error).lower()
    assert await admin.fetchrow(EVERYTHING) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tenant_id", "Casa Azul"),
        ("display_name", ""),
        ("display_name", "a\0b"),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "../etc/passwd"),
        ("default_language_code", "fr"),
        ("currency_code", "mxn"),
    ],
)
async def test_what_a_hotel_cannot_be_is_refused_with_the_field_named(
    stub: Any, field: str, value: str
) -> None:
    bad = hotel()
    setattr(bad, field, value)
    error = await refused(stub.CreateTenant(creation(bad)))
    assert isinstance(error, InvalidArgument)
    assert [one.field for one in error.violations] == [f"tenant.{field}"]
    if field != "tenant_id":
        change = pb.UpdateTenantRequest(
            tenant_id=MIRADOR, tenant=bad, update_mask=FieldMask(paths=[field])
        )
        error = await refused(stub.UpdateTenant(change))
        assert isinstance(error, InvalidArgument)
        assert [one.field for one in error.violations] == [f"tenant.{field}"]


async def test_only_what_the_mask_names_is_changed(stub: Any) -> None:
    before = await get(stub)
    mask = FieldMask(paths=["display_name", "language_codes"])
    wanted = Tenant(display_name="Mirador", language_codes=["es"], currency_code="USD")
    request = pb.UpdateTenantRequest(tenant_id=MIRADOR, tenant=wanted, update_mask=mask)
    after = (await stub.UpdateTenant(request)).tenant
    assert (after.display_name, list(after.language_codes)) == ("Mirador", ["es"])
    assert after.etag != before.etag
    for changed in ("display_name", "language_codes", "etag", "update_time"):
        before.ClearField(changed)
        after.ClearField(changed)
    assert after == before


async def test_settings_are_told_as_given_and_changed_by_path_and_etag(stub: Any) -> None:
    given = everything()
    made = (await stub.CreateTenant(creation(given))).tenant
    assert made.info_texts == given.info_texts
    assert made.business_hours == given.business_hours
    change = pb.UpdateTenantRequest(
        tenant_id="casa-verde",
        tenant=Tenant(display_name="Casa Roja"),
        update_mask=FieldMask(paths=["display_name", "address.locality"]),
        etag=made.etag,
    )
    after = (await stub.UpdateTenant(change)).tenant
    assert (await refused(stub.UpdateTenant(change))).reason == "ETAG_MISMATCH"
    assert (after.display_name, after.address.locality) == ("Casa Roja", "")
    given.display_name, given.address.locality = "Casa Roja", ""
    for output_only in ("state", "etag", "create_time", "update_time"):
        after.ClearField(output_only)
    assert after == given


@pytest.mark.parametrize(
    ("settings", "wall"),
    [
        ("[]", "tenant_settings_object"),
        (f'{{"info_texts": "{"a" * 300_000}"}}', "tenant_settings_size"),
    ],
)
async def test_the_database_is_the_second_wall(
    admin: asyncpg.Connection, settings: str, wall: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await admin.execute("UPDATE tenant SET settings = $1::jsonb", settings)
    assert caught.value.constraint_name == wall


@pytest.mark.parametrize("paths", [[], ["tenant_id"], ["state"], ["numbers"], ["display_nam"]])
async def test_a_mask_of_anything_else_is_refused(stub: Any, paths: list[str]) -> None:
    request = pb.UpdateTenantRequest(
        tenant_id=MIRADOR, tenant=hotel(), update_mask=FieldMask(paths=paths)
    )
    assert isinstance(await refused(stub.UpdateTenant(request)), InvalidArgument)


def rename(name: str, etag: str) -> pb.UpdateTenantRequest:
    return pb.UpdateTenantRequest(
        tenant_id=MIRADOR,
        tenant=Tenant(display_name=name),
        update_mask=FieldMask(paths=["display_name"]),
        etag=etag,
    )


async def outcome(call: Any) -> str:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error).reason
    return "done"


async def test_of_a_hundred_changes_of_the_same_reading_one_is_made(stub: Any) -> None:
    etag = (await get(stub)).etag
    names = [f"Hotel {n}" for n in range(100)]
    outcomes = await asyncio.gather(
        *(outcome(stub.UpdateTenant(rename(name, etag))) for name in names)
    )
    assert sorted(outcomes) == ["ETAG_MISMATCH"] * 99 + ["done"]
    assert (await get(stub)).display_name == names[outcomes.index("done")]


async def test_changes_by_etag_from_many_hands_lose_none(stub: Any) -> None:
    async def add_ten_marks() -> None:
        added = 0
        while added < 10:
            read = await get(stub)
            answer = await outcome(stub.UpdateTenant(rename(read.display_name + "!", read.etag)))
            assert answer in ("done", "ETAG_MISMATCH")
            added += answer == "done"

    before = (await get(stub)).display_name
    await asyncio.gather(*(add_ten_marks() for _ in range(10)))
    assert (await get(stub)).display_name == before + "!" * 100


async def test_a_hotel_is_suspended_deleted_and_brought_back(stub: Any) -> None:
    one = {"tenant_id": MIRADOR}
    numbers = (await get(stub)).numbers
    suspended = (await stub.SuspendTenant(pb.SuspendTenantRequest(**one))).tenant
    assert suspended.state == TENANT_STATE_SUSPENDED
    assert (await stub.SuspendTenant(pb.SuspendTenantRequest(**one))).tenant == suspended
    deleted = (await stub.DeleteTenant(pb.DeleteTenantRequest(**one))).tenant
    assert deleted.state == TENANT_STATE_DELETED
    error = await refused(stub.SuspendTenant(pb.SuspendTenantRequest(**one)))
    assert error.reason == "TENANT_DELETED"
    active = (await stub.ActivateTenant(pb.ActivateTenantRequest(**one))).tenant
    assert (active.state, active.numbers) == (TENANT_STATE_ACTIVE, numbers)


async def test_hotels_in_every_state_are_loaded(stub: Any) -> None:
    await stub.CreateTenant(
        creation(everything("numbers { phone_number_id: '41' whatsapp_business_account_id: '77' }"))
    )
    await stub.SuspendTenant(pb.SuspendTenantRequest(tenant_id=LUNA))
    await stub.DeleteTenant(pb.DeleteTenantRequest(tenant_id=MIRADOR))
    wanted = {
        "41": TENANT_STATE_ACTIVE,
        "100000000000002": TENANT_STATE_SUSPENDED,
        MIRADORS_NUMBER: TENANT_STATE_DELETED,
    }

    async def told() -> bool:
        request = pb.BatchResolveTenantsRequest(
            items=[pb.ResolveTenantRequest(phone_number_id=one) for one in wanted]
        )
        results = (await stub.BatchResolveTenants(request)).results
        states = [result.value.routing_record.state for result in results]
        return states == list(wanted.values())

    await eventually(told)


async def test_a_number_comes_and_goes_and_is_never_two_hotels(stub: Any) -> None:
    adding = pb.AddNumberRequest(tenant_id=LUNA, number=number("31"))
    added = (await stub.AddNumber(adding)).tenant
    assert "31" in {one.phone_number_id for one in added.numbers}
    assert (await stub.AddNumber(adding)).tenant == added
    adding.tenant_id = MIRADOR
    assert (await refused(stub.AddNumber(adding))).reason == "NUMBER_TAKEN"
    removing = pb.RemoveNumberRequest(tenant_id=LUNA, phone_number_id="31")
    await stub.RemoveNumber(removing)
    assert (await refused(stub.RemoveNumber(removing))).reason == "NUMBER_UNKNOWN"
    assert (await stub.AddNumber(adding)).tenant.tenant_id == MIRADOR


def edit(*paths: str, etag: str = "", **values: Any) -> pb.UpdateNumberRequest:
    return pb.UpdateNumberRequest(
        tenant_id="casa-azul",
        phone_number_id="31",
        number=WhatsAppNumber(**values),
        update_mask=FieldMask(paths=paths or list(values)),
        etag=etag,
    )


async def test_how_is_sent_from_a_number_is_changed_and_told(
    stub: Any, admin: asyncpg.Connection
) -> None:
    given = hotel("casa-azul", "31", "32")
    given.numbers[0].throughput_tier = THROUGHPUT_TIER_COEXISTENCE
    given.numbers[0].graph_version = "v24.0"
    made = (await stub.CreateTenant(creation(given))).tenant
    assert list(made.numbers) == list(given.numbers)
    changed = (await stub.UpdateNumber(edit(throughput_tier=THROUGHPUT_TIER_HIGH))).tenant
    given.numbers[0].throughput_tier = THROUGHPUT_TIER_HIGH
    assert list(changed.numbers) == list(given.numbers)
    assert changed.etag != made.etag
    again = edit(throughput_tier=THROUGHPUT_TIER_HIGH, etag=changed.etag)
    assert (await stub.UpdateNumber(again)).tenant == changed
    again.etag = made.etag
    assert (await refused(stub.UpdateNumber(again))).reason == "ETAG_MISMATCH"
    unset = await stub.UpdateNumber(edit("graph_version", "display_phone_number"))
    given.numbers[0].graph_version = given.numbers[0].display_phone_number = ""
    assert list(unset.tenant.numbers) == list(given.numbers)
    await stub.UpdateNumber(edit(graph_version="v9.1"))

    async def told() -> bool:
        try:
            answer = await stub.ResolveTenant(pb.ResolveTenantRequest(phone_number_id="31"))
        except grpc.aio.AioRpcError:
            return False
        record = answer.routing_record
        return (record.throughput_tier, record.graph_version) == (THROUGHPUT_TIER_HIGH, "v9.1")

    await eventually(told)
    # It has been the hotel's all the time: no past begins.
    assert await admin.fetchval("SELECT count(*) FROM past_number") == 0


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (edit(graph_version="24.0"), "number.graph_version"),
        (edit(graph_version="v24.0\n"), "number.graph_version"),
        (edit(graph_version="v24.0/../v1.0"), "number.graph_version"),
        (edit(throughput_tier=9), "number.throughput_tier"),
        (edit(display_phone_number="\n"), "number.display_phone_number"),
        (edit(shared=True), "update_mask"),
        (edit("throughput_tier.a"), "update_mask"),
    ],
)
async def test_what_a_number_cannot_be_is_refused_and_nothing_changes(
    stub: Any, admin: asyncpg.Connection, request_: pb.UpdateNumberRequest, field: str
) -> None:
    await stub.CreateTenant(creation(hotel("casa-azul", "31")))
    before = await admin.fetchrow(EVERYTHING)
    error = await refused(stub.UpdateNumber(request_))
    assert isinstance(error, InvalidArgument)
    assert [one.field for one in error.violations] == [field]
    assert await admin.fetchrow(EVERYTHING) == before


@pytest.mark.parametrize(
    "change",
    [
        "throughput_tier = 'FAST'",
        "throughput_tier = NULL",
        "graph_version = 'v24'",
        "graph_version = E'v24.0\\n'",
    ],
)
async def test_the_database_knows_what_a_tier_and_a_version_are(
    admin: asyncpg.Connection, change: str
) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await admin.execute(f"UPDATE whatsapp_number SET {change}")


async def resolved(stub: Any, at: datetime | None = None, account: str = "") -> str:
    """Whose the number is, or was when something came."""
    request = pb.ResolveTenantRequest(
        phone_number_id=MIRADORS_NUMBER, whatsapp_business_account_id=account
    )
    if at is not None:
        request.arrive_time.FromDatetime(at)
    try:
        return str((await stub.ResolveTenant(request)).routing_record.tenant_id)
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error).reason


async def test_a_number_moves_and_what_came_before_stays(
    stub: Any, admin: asyncpg.Connection
) -> None:
    async def is_lunas() -> bool:
        return await resolved(stub) == LUNA

    before = await admin.fetchval("SELECT clock_timestamp()")
    request = pb.MoveNumberRequest(
        tenant_id=MIRADOR,
        phone_number_id=MIRADORS_NUMBER,
        to_tenant_id=LUNA,
        whatsapp_business_account_id="77",
    )
    moved = (await stub.MoveNumber(request)).tenant
    assert moved.tenant_id == LUNA
    assert MIRADORS_NUMBER in {one.phone_number_id for one in moved.numbers}
    assert (await stub.MoveNumber(request)).tenant == moved
    assert MIRADORS_NUMBER not in str(await get(stub))
    await eventually(is_lunas)
    after = await admin.fetchval("SELECT clock_timestamp()")
    assert await resolved(stub, before) == MIRADOR
    # As when Meta moves a number first, and we are told later.
    assert await resolved(stub, before, "77") == LUNA
    assert await resolved(stub, before, "78") == "WABA_MISMATCH"
    assert await resolved(stub, before, "200000000000001") == MIRADOR
    assert await resolved(stub, after, "77") == await resolved(stub, None, "77") == LUNA
    assert await resolved(stub, after, "200000000000001") == "WABA_MISMATCH"


async def test_a_number_that_was_taken_away_keeps_what_came_before(
    stub: Any, admin: asyncpg.Connection
) -> None:
    async def is_gone() -> bool:
        return await resolved(stub) == "NUMBER_UNKNOWN"

    async def is_lunas() -> bool:
        return await resolved(stub) == LUNA

    before = await admin.fetchval("SELECT clock_timestamp()")
    removing = pb.RemoveNumberRequest(tenant_id=MIRADOR, phone_number_id=MIRADORS_NUMBER)
    await stub.RemoveNumber(removing)
    await eventually(is_gone)
    between = await admin.fetchval("SELECT clock_timestamp()")
    assert await resolved(stub, before) == MIRADOR
    assert await resolved(stub, between) == "NUMBER_UNKNOWN"
    await stub.AddNumber(pb.AddNumberRequest(tenant_id=LUNA, number=number(MIRADORS_NUMBER)))
    await eventually(is_lunas)
    assert await resolved(stub, before) == MIRADOR
    assert await resolved(stub, between) == LUNA


async def test_a_number_moves_to_no_hotel_that_has_a_hundred_or_is_none(stub: Any) -> None:
    await stub.CreateTenant(creation(hotel("casa-azul", *map(str, range(1, 101)))))
    for to, reason in (("casa-azul", "TOO_MANY_NUMBERS"), ("nobody", "TENANT_UNKNOWN")):
        request = pb.MoveNumberRequest(
            tenant_id=MIRADOR, phone_number_id=MIRADORS_NUMBER, to_tenant_id=to
        )
        error = await refused(stub.MoveNumber(request))
        assert error.reason == reason
        assert error.metadata.get("tenant_id", "nobody") == "nobody"
    assert await resolved(stub) == MIRADOR


async def test_a_hotel_has_a_hundred_numbers_at_most(stub: Any) -> None:
    await stub.CreateTenant(creation(hotel("casa-azul", *map(str, range(1, 101)))))
    request = pb.AddNumberRequest(tenant_id="casa-azul", number=number("999"))
    assert (await refused(stub.AddNumber(request))).reason == "TOO_MANY_NUMBERS"


async def test_two_hotels_that_want_the_same_numbers_do_not_wait_for_each_other_for_ever(
    stub: Any,
) -> None:
    async def create(name: str, *numbers: str) -> str:
        return await outcome(stub.CreateTenant(creation(hotel(name, *numbers))))

    for turn in range(5):
        one, other = f"{turn}1", f"{turn}2"
        outcomes = await asyncio.gather(
            create(f"one-{turn}", one, other), create(f"other-{turn}", other, one)
        )
        assert sorted(outcomes) == ["NUMBER_TAKEN", "done"]


async def test_a_list_has_every_hotel_once_whatever_its_pages(stub: Any) -> None:
    for name in "abc":
        await stub.CreateTenant(creation(hotel(name)))
    seen: list[str] = []
    request = pb.ListTenantsRequest(page_size=2)
    while True:
        page = await stub.ListTenants(request)
        assert len(page.tenants) <= 2
        seen += [one.tenant_id for one in page.tenants]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == ["a", "b", "c", MIRADOR, LUNA]
    request.page_token = "AA=="
    assert isinstance(await refused(stub.ListTenants(request)), InvalidArgument)


async def test_profiles_come_in_the_order_of_the_items_and_fail_alone(stub: Any) -> None:
    made = (await stub.CreateTenant(creation(everything()))).tenant
    asked = [("casa-verde", "en"), ("nobody", "es"), ("Not An Id", "es"), ("casa-verde", "es")]
    request = pb.BatchGetTenantProfilesRequest(
        items=[pb.GetTenantProfileRequest(tenant_id=one, language_code=code) for one, code in asked]
    )
    results = (await stub.BatchGetTenantProfiles(request)).results
    texts = [result.value.info_texts[0].text for result in (results[0], results[3])]
    assert texts == ["Network CasaVerde", "Red CasaVerde.\nClave: 1234"]
    assert str(results[0].value.version) == made.etag
    errors = [from_status(results[number].error) for number in (1, 2)]
    assert [error.reason for error in errors] == ["TENANT_UNKNOWN", "INVALID_REQUEST"]


MIRADORS_EMAIL = IdentifierMessage(kind=IDENTIFIER_KIND_EMAIL, value="Front@Mirador.example")
GIVE_MIRADOR_ITS_EMAIL = """
INSERT INTO identifier (tenant_id, kind, value)
VALUES ('hotel-mirador', 'EMAIL', 'front@mirador.example');
INSERT INTO tenant
  (tenant_id, display_name, time_zone, default_language_code, language_codes, currency_code)
VALUES ('third', 'Third', 'UTC', 'es', '{es}', 'EUR')
"""
REFUSALS = (
    *("TENANT_UNKNOWN", "NUMBER_TAKEN", "NUMBER_UNKNOWN"),
    *("IDENTIFIER_TAKEN", "IDENTIFIER_UNKNOWN"),
)
OTHERS: dict[str, Message] = {
    "ImportTenants": pb.ImportTenantsRequest(
        request_id=str(uuid.uuid4()),
        items=[pb.ImportTenantsItem(tenant=hotel("casa-azul", MIRADORS_NUMBER))],
    ),
    "GetTenant": pb.GetTenantRequest(tenant_id="nobody"),
    "UpdateTenant": pb.UpdateTenantRequest(
        tenant_id="nobody",
        tenant=Tenant(tenant_id=MIRADOR, display_name="Mine"),
        update_mask=FieldMask(paths=["display_name"]),
    ),
    "SuspendTenant": pb.SuspendTenantRequest(tenant_id="nobody"),
    "ActivateTenant": pb.ActivateTenantRequest(tenant_id="nobody"),
    "DeleteTenant": pb.DeleteTenantRequest(tenant_id="nobody"),
    "AddNumber": pb.AddNumberRequest(tenant_id=LUNA, number=number(MIRADORS_NUMBER)),
    "UpdateNumber": pb.UpdateNumberRequest(
        tenant_id=LUNA,
        phone_number_id=MIRADORS_NUMBER,
        number=WhatsAppNumber(graph_version="v1.0"),
        update_mask=FieldMask(paths=["graph_version"]),
    ),
    "MoveNumber": pb.MoveNumberRequest(
        tenant_id=LUNA, phone_number_id=MIRADORS_NUMBER, to_tenant_id="third"
    ),
    "RemoveNumber": pb.RemoveNumberRequest(tenant_id=LUNA, phone_number_id=MIRADORS_NUMBER),
    "AddIdentifier": pb.AddIdentifierRequest(tenant_id=LUNA, identifier=MIRADORS_EMAIL),
    "MoveIdentifier": pb.MoveIdentifierRequest(
        tenant_id=LUNA, identifier=MIRADORS_EMAIL, to_tenant_id="third"
    ),
    "RemoveIdentifier": pb.RemoveIdentifierRequest(tenant_id=LUNA, identifier=MIRADORS_EMAIL),
    "ListIdentifiers": pb.ListIdentifiersRequest(tenant_id="nobody"),
}
OF_NO_TENANT = {
    "ResolveTenant",
    "BatchResolveTenants",
    "WatchTenants",
    "ListTenants",
    "CreateTenant",
}
OF_MANY_TENANTS = {"BatchGetTenantProfiles"}


def test_no_method_was_left_out_of_the_walk() -> None:
    offered = {path.rpartition("/")[2] for path in contract.methods(SERVICE)}
    assert offered == set(OTHERS) | OF_NO_TENANT | OF_MANY_TENANTS


@pytest.mark.parametrize("method", sorted(OTHERS))
async def test_no_method_gives_or_changes_what_is_another_hotels(
    stub: Any, admin: asyncpg.Connection, method: str
) -> None:
    await admin.execute(GIVE_MIRADOR_ITS_EMAIL)
    before = await admin.fetchrow(EVERYTHING)
    error = await refused(getattr(stub, method)(OTHERS[method]))
    assert error.reason in REFUSALS
    assert await admin.fetchrow(EVERYTHING) == before


async def test_no_batch_gives_what_is_another_hotels(hotels: HotelStore) -> None:
    assert await hotels.get_many({"nobody", "hotel-mirado"}) == {}
    assert set(await hotels.get_many({LUNA, "nobody"})) == {LUNA}


STORE: dict[str, Callable[[HotelStore], Any]] = {
    "get": lambda store: store.get("nobody"),
    "change": lambda store: store.change("nobody", _never),
    "add_number": lambda store: store.add_number(LUNA, HotelNumber(MIRADORS_NUMBER, "1", "")),
    "change_number": lambda store: store.change_number(LUNA, MIRADORS_NUMBER, _never),
    "move_number": lambda store: store.move_number(LUNA, MIRADORS_NUMBER, "third"),
    "remove_number": lambda store: store.remove_number(LUNA, MIRADORS_NUMBER),
}
ITS_EMAIL = Identifier(Kind.EMAIL, "front@mirador.example")
IDENTIFIERS: dict[str, Callable[[IdentifierStore], Any]] = {
    "add": lambda store: store.add(LUNA, ITS_EMAIL),
    "move": lambda store: store.move(LUNA, ITS_EMAIL, "third"),
    "remove": lambda store: store.remove(LUNA, ITS_EMAIL),
}


def _never(*hotel: Any) -> Any:
    raise AssertionError(hotel)


def test_no_store_method_was_left_out_of_the_walk() -> None:
    offered = {name for name in vars(HotelStore) if not name.startswith("_")}
    assert offered == set(STORE) | {"list", "create", "get_many"}
    offered = {name for name in vars(IdentifierStore) if not name.startswith("_")}
    assert offered == set(IDENTIFIERS) | {"list"}


@pytest.mark.parametrize("method", [*sorted(STORE), *sorted(IDENTIFIERS)])
async def test_no_store_method_gives_or_changes_what_is_another_hotels(
    postgres: Postgres, hotels: HotelStore, admin: asyncpg.Connection, method: str
) -> None:
    await admin.execute(GIVE_MIRADOR_ITS_EMAIL)
    before = await admin.fetchrow(EVERYTHING)
    identifiers = IdentifierStore(postgres)
    with pytest.raises(MeshError) as caught:
        await (STORE[method](hotels) if method in STORE else IDENTIFIERS[method](identifiers))
    assert caught.value.reason in REFUSALS
    assert "mirador" not in str(caught.value.metadata)
    assert await admin.fetchrow(EVERYTHING) == before
    assert await identifiers.list(LUNA, ("", ""), 9) == []
