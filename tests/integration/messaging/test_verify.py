"""A number is verified against Meta: each thing that may be wrong is found and named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web
from conserje.messaging.v1 import number_service_pb2 as pb
from conserje.messaging.v1.number_service_pb2_grpc import NumberServiceStub
from pydantic import SecretStr

from sandbox.graph.app import serving
from sandbox.graph.client import GraphControl
from sandbox.graph.settings import GraphSettings, Number
from tests.integration.cli.conftest import Conserje
from tests.integration.cli.conftest import conserje as conserje
from tests.integration.messaging.mesh import ACCOUNT, NUMBER, TENANT, TOKEN, Mesh
from tests.integration.messaging.templates import approved

OK, WARNING, FAILED = pb.CHECK_STATE_OK, pb.CHECK_STATE_WARNING, pb.CHECK_STATE_FAILED


@pytest.fixture
async def graph() -> AsyncIterator[GraphControl]:
    numbers = [Number(NUMBER, ACCOUNT, "+34 910 000 001")]
    settings = GraphSettings(access_token=TOKEN, numbers=numbers)
    async with serving(settings) as address, GraphControl(address) as control:
        yield control


@pytest.fixture
async def webhook() -> AsyncIterator[str]:
    """Answers the handshake as the gateway does: 403 to a wrong token."""

    async def answer(request: web.Request) -> web.Response:
        status = 403 if request.path == "/webhooks/whatsapp" else 200
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/whatsapp"
    await runner.cleanup()


async def verify(mesh: Mesh, tenant: str = TENANT) -> dict[str, pb.NumberCheck]:
    async with grpc.aio.insecure_channel(mesh.target) as channel:
        stub: Any = NumberServiceStub(channel)
        request = pb.VerifyNumberRequest(tenant_id=tenant, phone_number_id=NUMBER)
        answer = await stub.VerifyNumber(request, timeout=20)
    return {check.name: check for check in answer.checks}


async def started(mesh: Mesh, graph: GraphControl, **changes: Any) -> None:
    await mesh.start("serve", graph_base_url=graph.address, **changes)
    await mesh.until_told()


async def test_a_number_that_is_set_up_passes_every_check(
    mesh: Mesh, graph: GraphControl, webhook: str
) -> None:
    await graph.settings(webhook_url=webhook)
    await graph.set_templates(ACCOUNT, [{"name": "respuesta"}])
    await approved(mesh)
    await mesh.admin.execute(
        "INSERT INTO delivery_status (inbox_id, phone_number_id, account_id, delivery, order_time,"
        " event) VALUES (1, $1, $2, 1, now(), '')",
        *(NUMBER, ACCOUNT),
    )
    await started(mesh, graph)
    checks = await verify(mesh)
    assert list(checks) == [*("token", "number", "account", "subscription", "webhook", "templates")]
    assert {check.state for check in checks.values()} == {OK}, checks
    assert "+34 910 000 001" in checks["number"].detail
    assert "1 approved" in checks["templates"].detail
    assert TOKEN not in str(checks)


async def test_each_thing_that_is_wrong_is_named(
    mesh: Mesh, graph: GraphControl, webhook: str
) -> None:
    await started(mesh, graph)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        await session.delete(f"{graph.address}/v26.0/{ACCOUNT}/subscribed_apps")
    checks = await verify(mesh)
    assert (checks["subscription"].state, checks["webhook"].state) == (FAILED, FAILED)
    assert "No webhook is set" in checks["webhook"].detail
    await graph.settings(webhook_url=webhook + "/elsewhere")
    assert "HTTP 200" in (await verify(mesh))["webhook"].detail
    await graph.settings(webhook_url="http://127.0.0.1:1/webhooks/whatsapp")
    assert "no answer" in (await verify(mesh))["webhook"].detail
    await graph.settings(webhook_url=webhook)
    assert (await verify(mesh))["webhook"].state == WARNING
    # The catalogue knows nothing yet of what Meta has, and of what it has paused.
    await graph.set_templates(ACCOUNT, [{"name": "respuesta", "status": "PAUSED"}])
    assert "template sync" in (await verify(mesh))["templates"].detail
    await mesh.admin.execute(
        "INSERT INTO window_template VALUES ($1, 'respuesta', 'es', '[]')", TENANT
    )
    checks = await verify(mesh)
    assert (checks["templates"].state, "PAUSED" in checks["templates"].detail) == (WARNING, True)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await verify(mesh, "hotel-other")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_number_under_another_account_is_found(mesh: Mesh, graph: GraphControl) -> None:
    other = {"phone_number_id": NUMBER, "waba_id": "999", "display_phone_number": ""}
    more = {"phone_number_id": "77", "waba_id": ACCOUNT, "display_phone_number": ""}
    await graph.set_numbers([other, more])
    await started(mesh, graph)
    checks = await verify(mesh)
    assert (checks["account"].state, "another account" in checks["account"].detail) == (
        *(FAILED, True),
    )


async def test_the_command_says_what_is_wrong_and_fails(
    mesh: Mesh, graph: GraphControl, conserje: Conserje
) -> None:
    await started(mesh, graph, graph_access_token=SecretStr("wrong"))
    told = await conserje("number", "verify", TENANT, NUMBER, "--target", mesh.target)
    assert told.code == 1
    lines = told.out.splitlines()
    assert len(lines) == 6
    assert lines[0].split()[:2] == ["WRONG", "token"]
    assert "code 190" in lines[0]
    wrong = await conserje("number", "verify", TENANT, "9" * 65, "--target", mesh.target)
    assert (wrong.code, wrong.out) == (1, "")
    assert wrong.err.splitlines()[1].startswith("  NUMBER: ")
