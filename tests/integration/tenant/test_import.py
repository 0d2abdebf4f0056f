"""Many hotels from one file: all of them or none, whatever is killed or cut in the middle."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from conserje.tenant.v1 import tenant_service_pb2 as pb
from conserje.tenant.v1.identifier_pb2 import IDENTIFIER_KIND_EMAIL
from conserje.tenant.v1.tenant_pb2 import Tenant
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from cli import hotel_file
from meshkit.errors import AlreadyExists, InvalidArgument
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from services.tenant.hotels import wire
from services.tenant.hotels.import_store import ImportStore
from services.tenant.hotels.imports import Wanted
from tests.integration.tenant.conftest import Conserje
from tests.integration.tenant.test_hotels import (
    EVERYTHING,
    LUNA,
    MIRADOR,
    MIRADORS_NUMBER,
    get,
    hotel,
    refused,
)
from tests.integration.tenant.test_process import ports_of, start
from tests.integration.tenant.test_serving import serving
from tests.unit.tenant.settings import everything
from tests.waiting import eventually

HOTELS = 1000
WAITS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%whatsapp_number%'
"""
COUNT = "SELECT count(*) FROM tenant WHERE tenant_id LIKE 'many-%'"


def many(count: int = HOTELS) -> list[Tenant]:
    """So many hotels with every setting and a number each."""
    hotels = []
    for number in range(count):
        tenant = everything()
        tenant.tenant_id = f"many-{number:04}"
        tenant.display_name = f"Hotel número {number}"
        tenant.numbers.add(phone_number_id=f"55{number:06}", whatsapp_business_account_id="77")
        tenant.identifiers.add(kind=IDENTIFIER_KIND_EMAIL, value=f"hotel{number}@many.example")
        hotels.append(tenant)
    return hotels


def importing(tenants: list[Tenant], **more: Any) -> pb.ImportTenantsRequest:
    items = [pb.ImportTenantsItem(tenant=tenant) for tenant in tenants]
    return pb.ImportTenantsRequest(request_id=str(uuid.uuid4()), items=items, **more)


@pytest.fixture
async def stub(urls: DatabaseUrls) -> AsyncIterator[Any]:
    async with serving(urls.app_url) as running:
        yield running.stub


@asynccontextmanager
async def half_way(admin: asyncpg.Connection) -> AsyncIterator[None]:
    """Imports stop after their hotels and before their numbers."""
    async with admin.transaction():
        await admin.execute("LOCK TABLE whatsapp_number IN SHARE MODE")
        yield


@pytest.fixture
async def app(urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    """A session of the service's role, which sees and ends the others of it."""
    connection = await asyncpg.connect(urls.app_url)
    yield connection
    await connection.close()


async def waiting(app: asyncpg.Connection) -> int:
    """The backend of an import that has come half-way."""
    found: list[int] = []

    async def there() -> bool:
        found[:] = [row["pid"] for row in await app.fetch(WAITS)]
        return bool(found)

    await eventually(there)
    return found[0]


async def test_a_thousand_hotels_are_all_there_or_none_of_them(
    urls: DatabaseUrls, admin: asyncpg.Connection, app: asyncpg.Connection
) -> None:
    request = importing(many())
    before = await admin.fetchrow(EVERYTHING)
    service = await start(urls)
    async with channel(service) as stub:
        async with half_way(admin):
            under_way = asyncio.create_task(refused(stub.ImportTenants(request)))
            # The connection to the database is cut.
            await app.execute("SELECT pg_terminate_backend($1)", await waiting(app))
            assert (await under_way).reason
        assert await admin.fetchrow(EVERYTHING) == before
        async with half_way(admin):
            under_way = asyncio.create_task(refused(stub.ImportTenants(request)))
            await waiting(app)
            service.kill()
            await under_way
            await service.communicate()
        assert await admin.fetchrow(EVERYTHING) == before
    service = await start(urls)
    try:
        async with channel(service) as stub:
            answer = await stub.ImportTenants(request)
            assert set(answer.actions) == {pb.IMPORT_ACTION_CREATED}
            assert len(answer.actions) == await admin.fetchval(COUNT) == HOTELS
            after = await admin.fetchrow(EVERYTHING)
            again = await stub.ImportTenants(request)
            assert set(again.actions) == {pb.IMPORT_ACTION_UNCHANGED}
            assert await admin.fetchrow(EVERYTHING) == after
    finally:
        service.terminate()
        await service.communicate()


@asynccontextmanager
async def channel(service: asyncio.subprocess.Process) -> AsyncIterator[Any]:
    ports = await ports_of(service)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['grpc']}") as opened:
        yield TenantServiceStub(opened)


async def test_a_caller_who_goes_away_half_way_leaves_nothing(
    stub: Any, admin: asyncpg.Connection, app: asyncpg.Connection
) -> None:
    before = await admin.fetchrow(EVERYTHING)
    async with half_way(admin):
        call = stub.ImportTenants(importing(many(10)))
        backend = await waiting(app)
        call.cancel()

        async def gone() -> bool:
            query = "SELECT state FROM pg_stat_activity WHERE pid = $1"
            return await app.fetchval(query, backend) in (None, "idle")

        await eventually(gone)
    assert await admin.fetchrow(EVERYTHING) == before


async def test_it_creates_changes_and_leaves_alone(stub: Any) -> None:
    mirador = await get(stub)
    mirador.address.locality = "Toledo"
    luna = await get(stub, LUNA)
    new = hotel("casa-azul", "31")
    answer = await stub.ImportTenants(importing([mirador, luna, new]))
    assert list(answer.actions) == [
        pb.IMPORT_ACTION_CHANGED,
        pb.IMPORT_ACTION_UNCHANGED,
        pb.IMPORT_ACTION_CREATED,
    ]
    assert (await get(stub)).address.locality == "Toledo"
    assert (await get(stub, LUNA)).etag == luna.etag
    assert [one.phone_number_id for one in (await get(stub, "casa-azul")).numbers] == ["31"]


async def test_a_state_is_no_matter_of_a_file(stub: Any) -> None:
    await stub.SuspendTenant(pb.SuspendTenantRequest(tenant_id=MIRADOR))
    mirador = await get(stub)
    mirador.display_name = "Mirador"
    await stub.ImportTenants(importing([mirador]))
    assert (await get(stub)).state == mirador.state


def _changed_since(request: pb.ImportTenantsRequest) -> None:
    request.items[1].tenant.display_name = "Mine"
    request.items[1].etag = "0"


def _taken(request: pb.ImportTenantsRequest) -> None:
    request.items[0].tenant.numbers[0].phone_number_id = MIRADORS_NUMBER


def _without_numbers(request: pb.ImportTenantsRequest) -> None:
    del request.items[1].tenant.numbers[:]


def _under_another_account(request: pb.ImportTenantsRequest) -> None:
    request.items[1].tenant.numbers[0].whatsapp_business_account_id = "5"


@pytest.mark.parametrize(
    ("spoil", "reason", "tenant_id"),
    [
        (_changed_since, "ETAG_MISMATCH", MIRADOR),
        (_taken, "NUMBER_TAKEN", "casa-azul"),
        (_without_numbers, "WOULD_TAKE_AWAY", MIRADOR),
        (_under_another_account, "WOULD_TAKE_AWAY", MIRADOR),
    ],
)
async def test_one_hotel_that_cannot_be_undoes_the_whole(
    stub: Any,
    admin: asyncpg.Connection,
    spoil: Callable[[pb.ImportTenantsRequest], None],
    reason: str,
    tenant_id: str,
) -> None:
    request = importing([hotel("casa-azul", "31"), await get(stub)])
    spoil(request)
    if spoil is _taken:
        del request.items[1]
    before = await admin.fetchrow(EVERYTHING)
    for request.validate_only in (True, False):
        error = await refused(stub.ImportTenants(request))
        assert (error.reason, error.metadata["tenant_id"]) == (reason, tenant_id)
    assert await admin.fetchrow(EVERYTHING) == before


async def test_bad_input_names_the_item_and_its_field(stub: Any) -> None:
    for field, value in (("time_zone", "Mars"), ("currency_code", "mxn"), ("tenant_id", "A B")):
        bad = hotel("casa-azul")
        setattr(bad, field, value)
        error = await refused(stub.ImportTenants(importing([hotel("casa-roja"), bad])))
        assert isinstance(error, InvalidArgument)
        assert error.violations[0].field == f"items[1].tenant.{field}"
        # What is no id is not repeated: it may be anything.
        known = {} if field == "tenant_id" else {"tenant_id": "casa-azul"}
        assert error.metadata == known
    for twice, field in (
        ([hotel("casa-roja"), hotel("casa-roja")], "tenant_id"),
        ([hotel("casa-azul", "31"), hotel("casa-roja", "31")], "numbers"),
    ):
        error = await refused(stub.ImportTenants(importing(twice)))
        assert isinstance(error, InvalidArgument)
        assert error.violations[0].field == f"items[1].tenant.{field}"
        assert error.metadata == {"tenant_id": "casa-roja"}


def test_no_method_of_the_store_of_imports_was_left_out() -> None:
    assert {name for name in vars(ImportStore) if not name.startswith("_")} == {"write"}


async def test_the_store_gives_an_import_nothing_that_is_another_hotels(
    postgres: Postgres, admin: asyncpg.Connection
) -> None:
    before = await admin.fetchrow(EVERYTHING)
    draft = wire.to_draft(hotel("casa-azul", MIRADORS_NUMBER))
    with pytest.raises(AlreadyExists) as caught:
        await ImportStore(postgres).write(uuid.uuid4(), [Wanted(draft, "")], validate_only=False)
    assert "mirador" not in str((caught.value, caught.value.metadata))
    assert await admin.fetchrow(EVERYTHING) == before


@pytest.mark.parametrize("count", [40, pytest.param(HOTELS, marks=pytest.mark.soak)])
async def test_the_command_imports_many_and_what_is_exported_changes_nothing(
    conserje: Conserje, tmp_path: Path, admin: asyncpg.Connection, count: int
) -> None:
    file = tmp_path / "hotels.yaml"
    file.write_text(hotel_file.write_many(many(count)))
    code, out, _ = await conserje("tenant", "import", str(file), "--dry-run")
    assert (code, out.splitlines()[-1]) == (0, f"{count} hotels would be new, 0 would be changed")
    assert "many-0009: new" in out
    assert await admin.fetchval(COUNT) == 0
    code, out, _ = await conserje("tenant", "import", str(file))
    assert (code, out.splitlines()[-1]) == (0, f"{count} hotels are new, 0 are changed")
    assert await admin.fetchval(COUNT) == count
    _, exported, _ = await conserje("tenant", "export")
    file.write_text(exported)
    assert len(hotel_file.read_many(str(file))) == count + 2
    before = await admin.fetchrow(EVERYTHING)
    assert await conserje("tenant", "import", str(file)) == (0, "nothing differs\n", "")
    assert await admin.fetchrow(EVERYTHING) == before
    file.write_text(exported.replace("Hotel número 7\n", "Hotel siete\n"))
    code, out, _ = await conserje("tenant", "import", str(file))
    assert out == (
        "many-0007: changed\n"
        "display_name: Hotel número 7 -> Hotel siete\n"
        "0 hotels are new, 1 are changed\n"
    )


async def test_a_file_that_cannot_be_says_where(conserje: Conserje, tmp_path: Path) -> None:
    file = tmp_path / "hotels.yaml"
    file.write_text("- {tenant_id: casa-azul, display_name: A}\n- {tenant_id: b, sauna: hot}\n")
    code, out, err = await conserje("tenant", "import", str(file))
    assert (code, out) == (2, "")
    assert "hotel 2: sauna" in err
    file.write_text("- {tenant_id: casa-azul, display_name: Azul}\n")
    code, _, err = await conserje("tenant", "import", str(file))
    assert code == 1
    assert "items[0].tenant" in err
    # Of many hotels only those go along that change: it is the third in the file.
    file.write_text(hotel_file.write_many(many(2)))
    await conserje("tenant", "import", str(file))
    bad = hotel("casa-azul")
    bad.time_zone = "Mars"
    file.write_text(hotel_file.write_many([*many(2), bad]))
    code, _, err = await conserje("tenant", "import", str(file))
    assert (code, "  tenant_id: casa-azul\n" in err) == (1, True)
