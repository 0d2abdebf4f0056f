"""What hotels are found by, over the wire and in a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from conserje.tenant.v1 import tenant_service_pb2 as pb
from conserje.tenant.v1.identifier_pb2 import (
    IDENTIFIER_KIND_EMAIL,
    IDENTIFIER_KIND_GUEST_PHONE,
    IDENTIFIER_KIND_WHATSAPP_BUSINESS_ACCOUNT,
    IDENTIFIER_KIND_WHATSAPP_PHONE,
    Identifier,
    IdentifierKind,
)
from conserje.tenant.v1.tenant_pb2 import WhatsAppNumber

from meshkit.errors import AlreadyExists, InvalidArgument
from meshkit.identity import OPERATOR, READER
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from services.tenant.hotels.import_store import ImportStore
from services.tenant.hotels.servicer import HotelServicer
from services.tenant.hotels.store import HotelStore
from services.tenant.identifiers import domain
from services.tenant.identifiers.store import IdentifierStore
from services.tenant.store import TenantStore
from tests.integration.tenant.test_hotels import (
    LUNA,
    MIRADOR,
    MIRADORS_NUMBER,
    creation,
    get,
    hotel,
    refused,
)
from tests.integration.tenant.test_serving import serving
from tests.waiting import eventually

PHONE = Identifier(kind=IDENTIFIER_KIND_WHATSAPP_PHONE, value="+52 1 55 1234 5678")
ACCOUNT = Identifier(kind=IDENTIFIER_KIND_WHATSAPP_BUSINESS_ACCOUNT, value="77")
EMAIL = Identifier(kind=IDENTIFIER_KIND_EMAIL, value="Front.Desk@Luna.example")
GUEST = Identifier(kind=IDENTIFIER_KIND_GUEST_PHONE, value="551182345678")


@pytest.fixture
async def stub(urls: DatabaseUrls) -> AsyncIterator[Any]:
    async with serving(urls.app_url) as running:
        yield running.stub


async def add(stub: Any, identifier: Identifier, tenant_id: str = LUNA) -> Any:
    request = pb.AddIdentifierRequest(tenant_id=tenant_id, identifier=identifier)
    return (await stub.AddIdentifier(request)).tenant


async def found(stub: Any, **asked: Any) -> str:
    """The hotel, or why there is none."""
    batch = pb.BatchResolveTenantsRequest(items=[pb.ResolveTenantRequest(**asked)])
    (result,) = (await stub.BatchResolveTenants(batch)).results
    return str(result.value.routing_record.tenant_id)


async def becomes(stub: Any, tenant_id: str, **asked: Any) -> None:
    async def is_so() -> bool:
        return await found(stub, **asked) == tenant_id

    await eventually(is_so)


async def test_each_kind_is_given_found_in_any_spelling_moved_and_taken(stub: Any) -> None:
    for identifier, form, asked in (
        (PHONE, "+525512345678", {"whatsapp_phone": "52 55 1234 5678".replace(" ", "")}),
        (ACCOUNT, "77", {"whatsapp_business_account_id": "77"}),
        (EMAIL, "front.desk@luna.example", {"email": "FRONT.desk@luna.EXAMPLE"}),
        (GUEST, "+5511982345678", {"guest_phone": "+55 11 98234-5678"}),
    ):
        one = Identifier(kind=identifier.kind, value=form)
        listed = [] if identifier is GUEST else [one]
        assert list((await add(stub, identifier)).identifiers) == listed
        await add(stub, one)
        await becomes(stub, LUNA, **asked)
        moving = pb.MoveIdentifierRequest(
            tenant_id=LUNA, identifier=identifier, to_tenant_id=MIRADOR
        )
        moved = (await stub.MoveIdentifier(moving)).tenant
        assert (moved.tenant_id, list(moved.identifiers)) == (MIRADOR, listed)
        assert (await stub.MoveIdentifier(moving)).tenant == moved
        await becomes(stub, MIRADOR, **asked)
        removing = pb.RemoveIdentifierRequest(tenant_id=MIRADOR, identifier=identifier)
        assert list((await stub.RemoveIdentifier(removing)).tenant.identifiers) == []
        await becomes(stub, "", **asked)
        assert (await refused(stub.RemoveIdentifier(removing))).reason == "IDENTIFIER_UNKNOWN"
        assert (await refused(stub.MoveIdentifier(moving))).reason == "IDENTIFIER_UNKNOWN"


async def test_a_new_hotel_comes_with_what_it_is_found_by_or_not_at_all(stub: Any) -> None:
    given = hotel("casa-azul", "31")
    given.identifiers.extend((EMAIL, PHONE))
    made = (await stub.CreateTenant(creation(given))).tenant
    assert [one.value for one in made.identifiers] == ["front.desk@luna.example", "+525512345678"]
    assert (await get(stub, "casa-azul")).identifiers == made.identifiers
    again = hotel("casa-roja", "32")
    again.identifiers.add(kind=IDENTIFIER_KIND_WHATSAPP_PHONE, value="525512345678")
    error = await refused(stub.CreateTenant(creation(again)))
    assert (error.reason, error.metadata) == ("IDENTIFIER_TAKEN", {"kind": "WHATSAPP_PHONE"})
    assert (await refused(get(stub, "casa-roja"))).reason == "TENANT_UNKNOWN"


async def test_what_does_not_parse_is_refused_with_the_field_named(stub: Any) -> None:
    for kind, value in (
        (IDENTIFIER_KIND_WHATSAPP_PHONE, "55 1234 5678"),
        (IDENTIFIER_KIND_GUEST_PHONE, "front desk"),
        (IDENTIFIER_KIND_WHATSAPP_BUSINESS_ACCOUNT, "+7"),
        (IDENTIFIER_KIND_EMAIL, "front desk"),
    ):
        await _is_refused(stub, kind, value)


async def _is_refused(stub: Any, kind: IdentifierKind.ValueType, value: str) -> None:
    bad = Identifier(kind=kind, value=value)
    one: dict[str, Any] = {"tenant_id": LUNA, "identifier": bad}
    for call in (
        stub.AddIdentifier(pb.AddIdentifierRequest(**one)),
        stub.MoveIdentifier(pb.MoveIdentifierRequest(**one, to_tenant_id=MIRADOR)),
        stub.RemoveIdentifier(pb.RemoveIdentifierRequest(**one)),
    ):
        error = await refused(call)
        assert isinstance(error, InvalidArgument)
        assert [each.field for each in error.violations] == ["identifier.value"]
    given = hotel("casa-azul")
    given.identifiers.append(bad)
    error = await refused(stub.CreateTenant(creation(given)))
    assert isinstance(error, InvalidArgument)
    assert [each.field for each in error.violations] == ["tenant.identifiers[0].value"]


class Caller:
    """As much of a call's context as says who calls."""

    def __init__(self, identity: str) -> None:
        self._identity = identity

    def auth_context(self) -> dict[str, list[bytes]]:
        return {"x509_subject_alternative_name": [f"conserje://{self._identity}".encode()]}


async def test_only_operators_are_told_whose_it_is(postgres: Postgres) -> None:
    await _is_told(postgres, OPERATOR, {"owner_tenant_id": MIRADOR})
    await _is_told(postgres, READER, {})


async def _is_told(postgres: Postgres, identity: str, told: dict[str, str]) -> None:
    part: Any = HotelServicer
    stores = HotelStore(postgres), IdentifierStore(postgres), ImportStore(postgres)
    servicer, caller = part(*stores), Caller(identity)
    number = WhatsAppNumber(phone_number_id=MIRADORS_NUMBER, whatsapp_business_account_id="1")
    given = hotel("casa-azul", MIRADORS_NUMBER)
    await servicer.AddIdentifier(
        pb.AddIdentifierRequest(tenant_id=MIRADOR, identifier=EMAIL), caller
    )
    for call in (
        servicer.AddIdentifier(pb.AddIdentifierRequest(tenant_id=LUNA, identifier=EMAIL), caller),
        servicer.AddNumber(pb.AddNumberRequest(tenant_id=LUNA, number=number), caller),
        servicer.CreateTenant(creation(given), caller),
    ):
        with pytest.raises(AlreadyExists) as caught:
            await call
        metadata = caught.value.metadata
        assert {name: metadata[name] for name in metadata if "tenant_id" in name} == told
        assert "luna.example" not in str((caught.value, metadata))


async def test_the_guests_of_a_hotel_are_listed_page_by_page_and_shown_nowhere_else(
    stub: Any,
) -> None:
    for n in range(5):
        guest = Identifier(kind=IDENTIFIER_KIND_GUEST_PHONE, value=f"+3460011220{n}")
        await add(stub, guest)
    await add(stub, EMAIL)
    assert [one.kind for one in (await get(stub, LUNA)).identifiers] == [IDENTIFIER_KIND_EMAIL]
    request = pb.ListIdentifiersRequest(tenant_id=LUNA, page_size=2)
    listed: list[str] = []
    while True:
        page = await stub.ListIdentifiers(request)
        listed += [one.value for one in page.identifiers]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert listed == ["front.desk@luna.example", *(f"+3460011220{n}" for n in range(5))]


async def test_a_hotel_has_so_many_at_most(stub: Any, admin: asyncpg.Connection) -> None:
    fill = "INSERT INTO identifier SELECT $1, $2, $3::text || n FROM generate_series(1000, $4) n"
    await admin.execute("ALTER TABLE identifier DISABLE TRIGGER USER")
    await admin.execute(fill, LUNA, "WHATSAPP_BUSINESS_ACCOUNT", "", 1099)
    await admin.execute(fill, LUNA, "GUEST_PHONE", "+3460011", 10999)
    await admin.execute("ALTER TABLE identifier ENABLE TRIGGER USER")
    for one in (EMAIL, GUEST):
        call = stub.AddIdentifier(pb.AddIdentifierRequest(tenant_id=LUNA, identifier=one))
        assert (await refused(call)).reason == "TOO_MANY_IDENTIFIERS"
        await add(stub, one, MIRADOR)
        moving = pb.MoveIdentifierRequest(tenant_id=MIRADOR, identifier=one, to_tenant_id=LUNA)
        assert (await refused(stub.MoveIdentifier(moving))).reason == "TOO_MANY_IDENTIFIERS"


async def test_of_two_hotels_that_want_the_same_one_gets_it(stub: Any) -> None:
    calls = [add(stub, EMAIL, tenant_id) for tenant_id in (LUNA, MIRADOR) * 5]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    given = [one for one in outcomes if not isinstance(one, BaseException)]
    assert len(given) == 5
    assert len({one.tenant_id for one in given}) == 1


async def test_they_are_read_with_the_numbers_in_one_statement_and_shared(
    postgres: Postgres, admin: asyncpg.Connection
) -> None:
    await admin.execute(
        "INSERT INTO identifier"
        " SELECT 'posada-luna', 'GUEST_PHONE', '+34600' || n FROM generate_series(100000, 100999) n"
    )
    store = TenantStore(postgres)
    before = postgres.finder.statements
    snapshot = await store.read_directory()
    assert postgres.finder.statements - before == 3  # BEGIN, the one, COMMIT
    assert len(snapshot.identifiers) == 1000
    assert len({id(one) for one in snapshot.identifiers.values()}) == 1
    guest = domain.Identifier(domain.Kind.GUEST_PHONE, "+34600100500")
    assert snapshot.find(guest).tenant_id == LUNA
    again = await store.read_directory(snapshot)
    assert again.find(guest) is snapshot.find(guest)
    assert again.memory == snapshot.memory


async def test_the_database_keeps_the_form_and_the_one_owner(admin: asyncpg.Connection) -> None:
    insert = "INSERT INTO identifier VALUES ($1, $2, $3)"
    for kind, value in (
        ("EMAIL", "A@b.mx"),
        ("WHATSAPP_PHONE", "34600112233"),
        ("GUEST_PHONE", "+34 600"),
        ("WHATSAPP_BUSINESS_ACCOUNT", "x"),
        ("FAX", "+34600112233"),
    ):
        with pytest.raises(asyncpg.CheckViolationError, match="identifier_format"):
            await admin.execute(insert, LUNA, kind, value)
    await admin.execute(insert, LUNA, "EMAIL", "a@b.mx")
    with pytest.raises(asyncpg.UniqueViolationError, match="identifier_has_one_owner"):
        await admin.execute(insert, MIRADOR, "EMAIL", "a@b.mx")
