"""Apps whose secrets the tenant service keeps: taken over, changed and removed while serving."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from conserje.tenant.v1 import credential_service_pb2 as pb

from gateway import apps
from gateway.webhook import PATH
from sandbox.databases import DatabaseUrls
from tests import bodies
from tests.integration.gateway.conftest import SECRET, Gateway, MakeGateway
from tests.integration.tenant.keys import add_key, app_secret, removal, verify_token
from tests.integration.tenant.test_serving import Service, serving
from tests.waiting import eventually

DATA = bodies.body("text").data
AT_NORTE = f"{PATH}/norte"


class Tenants:
    """The tenant service as it is, which goes away and comes back."""

    def __init__(self, urls: DatabaseUrls, folder: Path) -> None:
        self._urls = urls
        self._folder = folder
        self._stack = AsyncExitStack()
        self._listen = "127.0.0.1:0"
        self.service: Service

    async def start(self) -> None:
        """Serve, again on the same port."""
        running = serving(
            self._urls.app_url, keys_folder=str(self._folder), grpc_listen=self._listen
        )
        self.service = await self._stack.enter_async_context(running)
        self._listen = self.service.target

    async def stop(self) -> None:
        """Go away."""
        await self._stack.aclose()

    @property
    def stub(self) -> Any:
        """The credential service."""
        return self.service.credentials


@pytest.fixture
async def tenants(
    service_database: Callable[[str], Awaitable[DatabaseUrls]], tmp_path: Path
) -> AsyncIterator[Tenants]:
    made = Tenants(await service_database("tenant"), add_key(tmp_path / "keys", "2026-01"))
    await made.start()
    await made.stub.SetApp(pb.SetAppRequest(app_name="norte"))
    yield made
    await made.stop()


async def posted(gateway: Gateway, secret: str, path: str = AT_NORTE) -> int:
    """The answer to a webhook that this secret has signed."""
    return (await gateway.post(DATA, bodies.sign(DATA, secret), path))[0]


async def until_taken(gateway: Gateway, secret: str, status: int = 200) -> None:
    """Wait until that is the answer."""

    async def so() -> bool:
        return await posted(gateway, secret) == status

    await eventually(so)


async def loaded(gateway: Gateway) -> None:
    """Wait until the gateway knows what is stored."""

    async def so() -> bool:
        return "stored_apps" not in gateway.kit.health.report()["degraded"]

    await eventually(so)


async def test_a_stored_app_signs_and_is_registered_at_its_own_address(
    make_gateway: MakeGateway, tenants: Tenants
) -> None:
    await tenants.stub.SetCredential(app_secret("norte", "nortes"))
    await tenants.stub.SetCredential(verify_token("norte", "word"))
    gateway = await make_gateway(
        app_secrets=(), verify_token="", target_tenant=tenants.service.target
    )
    await until_taken(gateway, "nortes")
    assert gateway.kit.health.is_ready()
    assert await posted(gateway, SECRET) == 401
    assert await posted(gateway, "nortes", PATH) == 503
    assert await posted(gateway, "nortes", f"{PATH}/oeste") == 404
    status, _, text = await gateway.get(
        AT_NORTE, mode="subscribe", challenge="4711", verify_token="word"
    )
    assert (status, text) == (200, "4711")


async def test_what_is_changed_is_taken_and_what_is_removed_is_not(
    make_gateway: MakeGateway, tenants: Tenants
) -> None:
    gateway = await make_gateway(target_tenant=tenants.service.target)
    await loaded(gateway)
    assert await posted(gateway, "nortes") == 503, "an app without a secret takes nothing"
    await tenants.stub.SetCredential(app_secret("norte", "nortes"))
    await until_taken(gateway, "nortes")
    await tenants.stub.SetCredential(app_secret("norte", "another"))
    await until_taken(gateway, "another")
    assert await posted(gateway, "nortes") == 401
    await tenants.stub.RemoveApp(pb.RemoveAppRequest(app_name="norte"))
    await until_taken(gateway, "another", 404)
    assert await posted(gateway, SECRET, PATH) == 200, "the environment's is untouched"


async def test_a_secret_is_changed_under_load_without_a_refused_webhook(
    make_gateway: MakeGateway, tenants: Tenants
) -> None:
    """As the recipe says: add the new, change it at Meta, remove the old."""
    await tenants.stub.SetCredential(app_secret("norte", "old"))
    gateway = await make_gateway(target_tenant=tenants.service.target)
    await until_taken(gateway, "old")
    at_meta, going, answers = "old", True, []

    async def post() -> None:
        while going:
            answers.append(await posted(gateway, at_meta))

    posting = [asyncio.create_task(post()) for _ in range(8)]
    await tenants.stub.SetCredential(app_secret("norte", "new", "second"))
    await until_taken(gateway, "new")
    at_meta = "new"
    seen = len(answers)
    while len(answers) < seen + 50:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await tenants.stub.RemoveCredential(removal(app_secret("norte", "old")))
    await until_taken(gateway, "old", 401)
    going = False
    await asyncio.gather(*posting)
    assert set(answers) == {200}


async def test_without_the_tenant_service_the_last_known_go_on(
    make_gateway: MakeGateway, tenants: Tenants
) -> None:
    await tenants.stub.SetCredential(app_secret("norte", "nortes"))
    gateway = await make_gateway(target_tenant=tenants.service.target)
    await until_taken(gateway, "nortes")
    await tenants.stop()
    assert await posted(gateway, "nortes") == 200
    await tenants.start()
    await tenants.stub.SetCredential(app_secret("norte", "another"))
    await until_taken(gateway, "another")


async def test_before_anything_was_known_nothing_is_taken(
    make_gateway: MakeGateway, tenants: Tenants
) -> None:
    await tenants.stub.SetCredential(app_secret("norte", "nortes"))
    target = tenants.service.target
    await tenants.stop()
    gateway = await make_gateway(app_secrets=(), verify_token="", target_tenant=target)
    for secret in ("nortes", ""):
        assert await posted(gateway, secret) == 503
    assert not gateway.kit.health.is_ready()
    assert "have not come" in gateway.kit.health.report()["degraded"]["stored_apps"]
    await tenants.start()
    await until_taken(gateway, "nortes")
    assert gateway.kit.health.is_ready()


async def test_the_environment_holds_over_what_is_stored_under_the_same_name(
    make_gateway: MakeGateway, tenants: Tenants
) -> None:
    await tenants.stub.SetCredential(app_secret("norte", "stored"))
    named = {"name": "norte", "app_secrets": ("said",), "verify_token": "word"}
    gateway = await make_gateway(apps=(named,), target_tenant=tenants.service.target)
    await loaded(gateway)
    assert (await posted(gateway, "said"), await posted(gateway, "stored")) == (200, 401)
    assert "norte" in gateway.kit.health.report()["degraded"]["apps_said_twice"]


async def test_what_was_missed_heals_with_the_next_full_reading(
    make_gateway: MakeGateway, tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apps, "RELOAD_SECONDS", 0.05)
    monkeypatch.setattr(apps.StoredApps, "change", lambda *_: None)
    gateway = await make_gateway(target_tenant=tenants.service.target)
    await loaded(gateway)
    await tenants.stub.SetCredential(app_secret("norte", "nortes"))
    await until_taken(gateway, "nortes")


async def test_a_secret_that_cannot_be_decrypted_leaves_the_known_one_in_force(
    make_gateway: MakeGateway, tenants: Tenants, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    await tenants.stub.SetCredential(app_secret("norte", "nortes"))
    gateway = await make_gateway(target_tenant=tenants.service.target)
    await until_taken(gateway, "nortes")
    add_key(keys, "2026-07")
    (keys / "2026-01").unlink()
    await tenants.stub.ListKeys(pb.ListKeysRequest())
    reads = {"kind": "app_secret", "result": "failed"}
    failed = tenants.service.metric("credential_reads_total", **reads)
    await tenants.stub.SetCredential(verify_token("norte", "word"))

    async def read_again() -> bool:
        return tenants.service.metric("credential_reads_total", **reads) != failed

    await eventually(read_again)
    assert await posted(gateway, "nortes") == 200


async def owns(tenants: Tenants, account: str, app_name: str) -> None:
    """A business account is an app's."""
    await tenants.stub.SetBusinessAccount(
        pb.SetBusinessAccountRequest(whatsapp_business_account_id=account, app_name=app_name)
    )


def under(account: str, *others: str) -> bytes:
    """A webhook with an item of each of these accounts."""
    content = json.loads(DATA)
    (entry,) = content["entry"]
    content["entry"] = []
    for one in (account, *others):
        copy = json.loads(json.dumps(entry)) | {"id": one}
        copy["changes"][0]["value"]["messages"][0]["id"] = f"wamid.{one}"
        content["entry"].append(copy)
    return json.dumps(content).encode()


async def test_who_knows_an_apps_secret_signs_for_its_own_accounts_only(
    make_gateway: MakeGateway, tenants: Tenants
) -> None:
    await tenants.stub.SetApp(pb.SetAppRequest(app_name="sur"))
    await tenants.stub.SetCredential(app_secret("norte", "nortes"))
    await tenants.stub.SetCredential(app_secret("sur", "surs"))
    await owns(tenants, "21", "norte")
    gateway = await make_gateway(target_tenant=tenants.service.target)

    async def answer(secret: str, path: str, *accounts: str) -> int:
        data = under(*accounts)
        return (await gateway.post(data, bodies.sign(data, secret), path))[0]

    async def knows() -> bool:
        return await answer("nortes", AT_NORTE, "21") == 200

    await eventually(knows)
    stored = len(gateway.messaging.events)
    assert await answer("surs", f"{PATH}/sur", "21") == 403, "another app's account"
    assert await answer(SECRET, PATH, "21") == 403, "nor by the unnamed app"
    assert await answer("nortes", AT_NORTE, "22") == 403, "an account that is not its own"
    assert len(gateway.messaging.events) == stored
    assert await answer("surs", f"{PATH}/sur", "22") == 200, (
        "it has none, so it brings what is free"
    )
    # The others of the body are kept, and Meta comes again with the whole of it.
    assert await answer("surs", f"{PATH}/sur", "23", "21") == 403
    kept = {event.whatsapp_business_account_id for event in gateway.messaging.events}
    assert kept == {"21", "22", "23"}
    assert gateway.count("gateway_webhooks_total", outcome="foreign_account") == 4


async def test_an_account_that_changes_its_app_is_taken_by_the_new_one(
    make_gateway: MakeGateway, tenants: Tenants
) -> None:
    await tenants.stub.SetCredential(app_secret("norte", "nortes"))
    await owns(tenants, "21", "norte")
    gateway = await make_gateway(target_tenant=tenants.service.target)
    data = under("21")

    async def taken() -> bool:
        return (await gateway.post(data, bodies.sign(data, SECRET)))[0] == 200

    async def known() -> bool:
        return (await gateway.post(data, bodies.sign(data, SECRET)))[0] == 403

    await eventually(known)
    await owns(tenants, "21", "")
    await eventually(taken)


async def test_what_names_no_account_comes_by_no_app_that_has_some(
    make_gateway: MakeGateway, tenants: Tenants
) -> None:
    """Such an item would be held to be any hotel's; one that nobody can read is kept."""
    await tenants.stub.SetCredential(app_secret("norte", "nortes"))
    await owns(tenants, "21", "norte")
    gateway = await make_gateway(target_tenant=tenants.service.target)
    data, junk = under(""), b"no JSON"

    async def refused() -> bool:
        return (await gateway.post(data, bodies.sign(data, "nortes"), AT_NORTE))[0] == 403

    await eventually(refused)
    assert (await gateway.post(junk, bodies.sign(junk, "nortes"), AT_NORTE))[0] == 200
