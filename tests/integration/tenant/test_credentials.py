"""Secrets over the wire and in a real database: who has them, who does not, and that none leaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from conserje.tenant.v1 import credential_service_pb2 as pb
from conserje.tenant.v1 import tenant_service_pb2 as tenants
from conserje.tenant.v1.credential_pb2 import CREDENTIAL_KIND_ACCESS_TOKEN
from google.protobuf.message import Message
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from meshkit import contract
from meshkit.errors import InvalidArgument, MeshError
from meshkit.keyring import Sealed
from meshkit.postgres import Postgres
from meshkit.telemetry import Tracing
from sandbox.databases import DatabaseUrls
from services.tenant.credentials.domain import Kind, Ref
from services.tenant.credentials.store import CredentialStore
from tests.integration.tenant.keys import (
    LUNA,
    LUNAS_NUMBER,
    MIRADOR,
    MIRADORS_ACCOUNT,
    MIRADORS_NUMBER,
    add_key,
    app_secret,
    apps_of,
    pms,
    removal,
    token,
    token_of,
    verify_token,
)
from tests.integration.tenant.test_hotels import refused
from tests.integration.tenant.test_serving import Service, serving
from tests.unit.meshkit.test_redaction import logged
from tests.waiting import eventually

SERVICE = "conserje.tenant.v1.CredentialService"
CANARY = "CanaryCanaryCanary"
EVERYTHING = "SELECT (SELECT array_agg(c) FROM credential c), (SELECT array_agg(a) FROM meta_app a)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return add_key(tmp_path / "keys", "2026-01")


@pytest.fixture
async def service(urls: DatabaseUrls, folder: Path) -> AsyncIterator[Service]:
    async with serving(urls.app_url, keys_folder=str(folder)) as running:
        yield running


@pytest.fixture
def stub(service: Service) -> Any:
    return service.credentials


async def test_a_number_is_sent_from_with_its_own_token_its_accounts_or_its_hotels(
    stub: Any, admin: asyncpg.Connection
) -> None:
    await admin.execute(
        "INSERT INTO whatsapp_number VALUES ($1, '31', $2), ($1, '32', '77')",
        MIRADOR,
        MIRADORS_ACCOUNT,
    )
    await stub.SetCredential(token(MIRADOR, "of-the-hotel"))
    await stub.SetCredential(token(MIRADOR, "of-the-account", MIRADORS_ACCOUNT))
    await stub.SetCredential(token(MIRADOR, "of-the-number", MIRADORS_NUMBER))
    assert await token_of(stub, MIRADOR, MIRADORS_NUMBER) == "of-the-number"
    assert await token_of(stub, MIRADOR, "31") == "of-the-account"
    assert await token_of(stub, MIRADOR, "32") == "of-the-hotel"
    await stub.SetCredential(token(MIRADOR, "the-next", MIRADORS_NUMBER))
    assert await token_of(stub, MIRADOR, MIRADORS_NUMBER) == "the-next"
    await stub.RemoveCredential(removal(token(MIRADOR, "", MIRADORS_NUMBER)))
    assert await token_of(stub, MIRADOR, MIRADORS_NUMBER) == "of-the-account"


async def test_an_app_has_several_secrets_while_it_changes_them(stub: Any) -> None:
    await stub.SetApp(pb.SetAppRequest(app_name="norte", app_id="4711"))
    await stub.SetApp(pb.SetAppRequest(app_name="sur"))
    for request in (app_secret("norte", "old"), app_secret("norte", "new", "second")):
        await stub.SetCredential(request)
    await stub.SetCredential(verify_token("norte", "word"))
    assert await apps_of(stub, "norte", "oeste") == {"norte": (["old", "new"], "word")}
    await stub.RemoveCredential(removal(app_secret("norte", "")))
    assert await apps_of(stub) == {"norte": (["new"], "word"), "sur": ([], "")}
    await stub.RemoveApp(pb.RemoveAppRequest(app_name="norte"))
    assert await apps_of(stub) == {"sur": ([], "")}
    # Made anew it does not come back with its old secrets.
    await stub.SetApp(pb.SetAppRequest(app_name="norte"))
    assert await apps_of(stub, "norte") == {"norte": ([], "")}


async def test_an_app_has_four_secrets_at_most(stub: Any) -> None:
    await stub.SetApp(pb.SetAppRequest(app_name="norte"))
    for number in range(4):
        await stub.SetCredential(app_secret("norte", "s", str(number)))
    await stub.SetCredential(app_secret("norte", "t", "3"))
    await stub.SetCredential(verify_token("norte", "word"))
    error = await refused(stub.SetCredential(app_secret("norte", "s", "4")))
    assert error.reason == "TOO_MANY_SECRETS"


async def test_a_pms_has_what_it_was_given(stub: Any) -> None:
    secret = '{"user": "peña", "password": "a b\\nc"}'
    await stub.SetCredential(pms(MIRADOR, secret))
    request = pb.ReadPmsCredentialRequest(tenant_id=MIRADOR, name="main")
    assert (await stub.ReadPmsCredential(request)).value == secret
    request.name = "other"
    assert (await refused(stub.ReadPmsCredential(request))).reason == "CREDENTIAL_UNKNOWN"


async def test_a_list_tells_names_keys_and_times_and_no_secret(stub: Any) -> None:
    await stub.SetApp(pb.SetAppRequest(app_name="norte"))
    given = (token(MIRADOR, "canary-1"), pms(LUNA, "canary-2"), app_secret("norte", "canary-3"))
    for request in given:
        await stub.SetCredential(request)
    seen: list[Any] = []
    page = pb.ListCredentialsRequest(page_size=2)
    while True:
        answer = await stub.ListCredentials(page)
        assert b"canary" not in answer.SerializeToString()
        seen += answer.credentials
        page.page_token = answer.next_page_token
        if not page.page_token:
            break
    assert [(one.tenant_id, one.app_name, one.kind, one.name) for one in seen] == [
        (one.tenant_id, one.app_name, one.kind, one.name) for one in given
    ]
    assert all(one.key_id == "2026-01" and one.HasField("set_time") for one in seen)
    answer = await stub.ListCredentials(pb.ListCredentialsRequest(tenant_id=LUNA))
    assert [one.tenant_id for one in answer.credentials] == [LUNA]


async def test_what_is_removed_is_erased_and_nothing_else(
    stub: Any, admin: asyncpg.Connection
) -> None:
    await stub.SetApp(pb.SetAppRequest(app_name="norte"))
    gone, stays = token(MIRADOR, "of-mirador"), token(LUNA, "of-luna")
    for request in (gone, stays, pms(MIRADOR, "a"), app_secret("norte", "b")):
        await stub.SetCredential(request)
    await stub.RemoveCredential(removal(gone))
    assert (await refused(token_of(stub, MIRADOR, MIRADORS_NUMBER))).reason == "CREDENTIAL_UNKNOWN"
    assert await token_of(stub, LUNA, LUNAS_NUMBER) == "of-luna"
    left = (await stub.ListCredentials(pb.ListCredentialsRequest())).credentials
    # Its place is remembered, so that followers hear of it; what was in it is not.
    assert len(left) == await admin.fetchval("SELECT count(ciphertext) FROM credential") == 3
    assert (await refused(stub.RemoveCredential(removal(gone)))).reason == "CREDENTIAL_UNKNOWN"


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("tenant_id", pb.SetCredentialRequest(kind=CREDENTIAL_KIND_ACCESS_TOKEN, value="x")),
        ("app_name", app_secret("", "x")),
        ("name", token(MIRADOR, "x", "main")),
        ("name", token(MIRADOR, "x", LUNAS_NUMBER)),
        ("name", pms(MIRADOR, "x", "")),
        ("name", pms(MIRADOR, "x", "mains")),
        ("value", pms(MIRADOR, "canary\0")),
        ("kind", pb.SetCredentialRequest(tenant_id=MIRADOR, value="x")),
        ("value", token(MIRADOR, "")),
        ("value", token(MIRADOR, "canary canary")),
        ("value", token(MIRADOR, "canary" * 400)),
        ("value", pms(MIRADOR, "canary" * 1400)),
    ],
)
async def test_what_makes_no_sense_is_refused_with_the_field_named_and_not_repeated(
    stub: Any, field: str, request_: pb.SetCredentialRequest
) -> None:
    error = await refused(stub.SetCredential(request_))
    assert isinstance(error, InvalidArgument)
    assert [one.field for one in error.violations] == [field]
    assert "canary" not in f"{error} {error.metadata} {error.violations}"
    assert not (await stub.ListCredentials(pb.ListCredentialsRequest())).credentials


async def test_nothing_is_set_for_who_is_not_there(stub: Any) -> None:
    assert (await refused(stub.SetCredential(token("nobody", "x")))).reason == "TENANT_UNKNOWN"
    assert (await refused(stub.SetCredential(app_secret("no", "x")))).reason == "APP_UNKNOWN"


OTHERS: dict[str, Message] = {
    "SetCredential": token(LUNA, "x", MIRADORS_NUMBER),
    "RemoveCredential": removal(token(LUNA, "", MIRADORS_NUMBER)),
    "ReadAccessToken": pb.ReadAccessTokenRequest(tenant_id=LUNA, phone_number_id=MIRADORS_NUMBER),
    "ReadPmsCredential": pb.ReadPmsCredentialRequest(tenant_id=LUNA, name="main"),
}
OF_NO_HOTEL = {
    *("SetApp", "RemoveApp", "ListApps", "ReadAppCredentials"),
    *("ListCredentials", "WatchCredentials", "ListKeys", "RotateKeys"),
    *("SetPortfolio", "RemovePortfolio", "ListPortfolios"),
    *("SetBusinessAccount", "RemoveBusinessAccount", "ListBusinessAccounts"),
}


def test_no_method_was_left_out_of_the_walk() -> None:
    offered = {path.rpartition("/")[2] for path in contract.methods(SERVICE)}
    assert offered == set(OTHERS) | OF_NO_HOTEL


@pytest.mark.parametrize("method", sorted(OTHERS))
async def test_no_method_gives_or_changes_what_is_another_hotels(
    stub: Any, admin: asyncpg.Connection, method: str
) -> None:
    await stub.SetCredential(token(MIRADOR, "miradors", MIRADORS_NUMBER))
    await stub.SetCredential(pms(MIRADOR, "miradors"))
    before = await admin.fetchrow(EVERYTHING)
    error = await refused(getattr(stub, method)(OTHERS[method]))
    assert error.reason in ("CREDENTIAL_UNKNOWN", "INVALID_REQUEST")
    assert await admin.fetchrow(EVERYTHING) == before
    listed = await stub.ListCredentials(pb.ListCredentialsRequest(tenant_id=LUNA))
    assert not listed.credentials


STORE: dict[str, Callable[[CredentialStore], Any]] = {
    "set": lambda store: store.set(
        Ref(Kind.ACCESS_TOKEN, LUNA, name=MIRADORS_NUMBER), Sealed("k", b"x")
    ),
    "remove": lambda store: store.remove(Ref(Kind.ACCESS_TOKEN, LUNA, name=MIRADORS_NUMBER)),
    "token": lambda store: store.token(LUNA, MIRADORS_NUMBER),
    "pms": lambda store: store.pms(LUNA, "main"),
}
OF_NO_HOTELS_STORE = {
    *("page", "set_app", "remove_app", "apps", "named_apps", "of_apps"),
    *("count_by_key", "stale", "renew", "changes"),
}


def test_no_store_method_was_left_out_of_the_walk() -> None:
    offered = {name for name in vars(CredentialStore) if not name.startswith("_")}
    assert offered == set(STORE) | OF_NO_HOTELS_STORE


@pytest.mark.parametrize("method", sorted(STORE))
async def test_no_store_method_gives_or_changes_what_is_another_hotels(
    stub: Any, postgres: Postgres, admin: asyncpg.Connection, method: str
) -> None:
    await stub.SetCredential(token(MIRADOR, "miradors", MIRADORS_NUMBER))
    await stub.SetCredential(pms(MIRADOR, "miradors"))
    before = await admin.fetchrow(EVERYTHING)
    with pytest.raises(MeshError, match=r"CREDENTIAL_UNKNOWN|INVALID_REQUEST"):
        await STORE[method](CredentialStore(postgres))
    assert await admin.fetchrow(EVERYTHING) == before


async def test_a_ciphertext_in_another_place_does_not_open(
    service: Service, stub: Any, admin: asyncpg.Connection
) -> None:
    await stub.SetCredential(token(MIRADOR, "miradors"))
    await stub.SetCredential(token(LUNA, "lunas"))
    await admin.execute(
        "UPDATE credential SET ciphertext = miradors.ciphertext FROM credential AS miradors"
        " WHERE miradors.tenant_id = $1",
        MIRADOR,
    )
    assert await token_of(stub, MIRADOR, MIRADORS_NUMBER) == "miradors"
    assert (await refused(token_of(stub, LUNA, LUNAS_NUMBER))).reason == "INTERNAL"
    assert service.metric("credential_reads_total", kind="access_token", result="failed") == 1


async def test_every_reading_is_counted(service: Service, stub: Any) -> None:
    await stub.SetApp(pb.SetAppRequest(app_name="norte"))
    for request in (app_secret("norte", "a"), app_secret("norte", "b", "c"), token(MIRADOR, "x")):
        await stub.SetCredential(request)
    await apps_of(stub)
    await token_of(stub, MIRADOR, MIRADORS_NUMBER)
    await refused(token_of(stub, LUNA, LUNAS_NUMBER))

    def count(kind: str, result: str) -> float | None:
        return service.metric("credential_reads_total", kind=kind, result=result)

    assert count("app_secret", "read") == 2
    assert count("access_token", "read") == 1
    assert count("access_token", "unknown") == 1
    assert count("pms", "read") == 0


async def test_a_canary_is_nowhere_but_where_it_is_read(
    urls: DatabaseUrls, folder: Path, admin: asyncpg.Connection
) -> None:
    """In no other answer, no error, no log line, no span, no metric, and not in the database."""
    spans = InMemorySpanExporter()
    tracing = Tracing("tenant", ratio=1.0, exporter=spans)
    with logged() as lines:
        async with serving(urls.app_url, tracing, keys_folder=str(folder)) as service:
            told = await _handle_a_canary(service, admin)
    assert "rpc failed" in {line["event"] for line in lines}
    told += [json.dumps(line) for line in lines]
    assert spans.get_finished_spans()
    told += [span.to_json() for span in spans.get_finished_spans()]
    dump = "SELECT array_agg(c::text || encode(c.ciphertext, 'escape'))::text FROM credential c"
    told.append(await admin.fetchval(dump))
    for one in told:
        assert CANARY not in one
        assert CANARY.encode().hex() not in one


async def _handle_a_canary(service: Service, admin: asyncpg.Connection) -> list[str]:
    """Set it, read it, have it refused and found altered; all that was said meanwhile."""
    stub = service.credentials
    await stub.SetApp(pb.SetAppRequest(app_name="norte"))
    given = (token(MIRADOR, CANARY), pms(MIRADOR, CANARY))
    of_app = (app_secret("norte", CANARY), verify_token("norte", CANARY))
    told = [str(await stub.SetCredential(request)) for request in given + of_app]
    assert await token_of(stub, MIRADOR, MIRADORS_NUMBER) == CANARY
    assert await apps_of(stub) == {"norte": ([CANARY], CANARY)}
    for bad in (token(MIRADOR, f"{CANARY} x"), token("nobody", CANARY)):
        told.append(str(await refused(stub.SetCredential(bad))))
    await admin.execute("UPDATE credential SET ciphertext = '\\x00' || ciphertext")
    told.append(str(await refused(token_of(stub, MIRADOR, MIRADORS_NUMBER))))
    told.append(str(await stub.ListCredentials(pb.ListCredentialsRequest())))
    told.append(str(await service.stub.ListTenants(tenants.ListTenantsRequest())))
    told.append(str(await service.readiness()))
    return told


async def test_followers_hear_of_every_change_and_of_no_secret(
    service: Service, admin: asyncpg.Connection
) -> None:
    stub = service.credentials
    watch = stub.WatchCredentials(pb.WatchCredentialsRequest())
    first = await watch.read()
    assert (first.whole, list(first.changes)) == (True, [])
    await stub.SetCredential(token(MIRADOR, "canary"))
    heard = await _next_change(watch)
    assert (heard.changes[0].tenant_id, heard.changes[0].name) == (MIRADOR, "")
    assert b"canary" not in heard.SerializeToString()
    await stub.RemoveCredential(removal(token(MIRADOR, "")))
    removed = await _next_change(watch)
    assert removed.after_version == heard.version
    watch.cancel()
    # Resumed after the first change, the second is all that comes.
    again = stub.WatchCredentials(pb.WatchCredentialsRequest(after_version=heard.version))
    assert await _next_change(again) == removed
    again.cancel()


async def _next_change(watch: Any) -> Any:
    async with asyncio.timeout(10):
        while not (part := await watch.read()).changes:
            assert not part.whole
        return part


async def test_without_keys_the_directory_serves_and_secrets_are_refused(
    urls: DatabaseUrls,
) -> None:
    async with serving(urls.app_url) as service:
        assert (await service.resolve()).routing_record.tenant_id == MIRADOR
        status, body = await service.readiness()
        assert (status, "keys" in body["degraded"]) == (200, False)
        error = await refused(service.credentials.SetCredential(token(MIRADOR, "x")))
        assert error.reason == "KEY_RING_UNUSABLE"
        assert "CONSERJE_TENANT_KEYS_FOLDER" in error.message
        error = await refused(token_of(service.credentials, MIRADOR, MIRADORS_NUMBER))
        assert error.reason == "CREDENTIAL_UNKNOWN"


async def test_a_folder_that_cannot_be_read_is_told_and_heals(
    urls: DatabaseUrls, tmp_path: Path
) -> None:
    folder = tmp_path / "later"
    async with serving(urls.app_url, keys_folder=str(folder)) as service:
        status, body = await service.readiness()
        assert (status, "later" in body["degraded"]["keys"]) == (200, True)
        add_key(folder, "2026-01")
        await service.credentials.ListKeys(pb.ListKeysRequest())
        await service.credentials.SetCredential(token(MIRADOR, "x"))

        async def healthy() -> bool:
            return not (await service.readiness())[1]["degraded"]

        await eventually(healthy)
