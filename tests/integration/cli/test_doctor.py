"""`conserje doctor` tells what is up, what is not, and why."""

import fcntl
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sandbox.graph.app import serving
from sandbox.graph.client import GraphControl
from sandbox.graph.settings import GraphSettings, Number
from tests.integration.cli.conftest import Conserje

NUMBER = Number("1", "2", "+34 910 000 001")


class Ops:
    """An operations port that says what the test wants."""

    def __init__(self) -> None:
        self.address = ""
        self.report: dict[str, Any] = {"ready": True, "checks": {"postgres": "ok"}, "degraded": {}}

    async def readyz(self, _request: web.Request) -> web.Response:
        return web.json_response(self.report, status=200 if self.report["ready"] else 503)


@pytest.fixture
async def ops() -> AsyncIterator[Ops]:
    ops = Ops()
    application = web.Application()
    application.router.add_get("/readyz", ops.readyz)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ops.address = f"127.0.0.1:{runner.addresses[0][1]}"
    yield ops
    await runner.cleanup()


async def test_everything_up_is_exit_code_0(conserje: Conserje, ops: Ops) -> None:
    ran = await conserje("doctor", "--ops", f"booking={ops.address}")
    assert ran.code == 0
    assert f"✓ booking  is ready (postgres), at {ops.address} (operations)\n" in ran.out
    assert "everything is up" in ran.out


async def test_what_is_not_ready_says_which_check_failed(conserje: Conserje, ops: Ops) -> None:
    ops.report = {"ready": False, "checks": {"postgres": "It refuses."}, "degraded": {}}
    ran = await conserje("doctor", "--ops", f"booking={ops.address}", "--ops", "tenant=127.0.0.1:1")
    assert ran.code == 1
    assert f"✗ booking  is up and not ready, at {ops.address} (operations)\n" in ran.out
    assert "postgres: It refuses." in ran.out
    assert "✗ tenant   does not answer at 127.0.0.1:1: [Errno 111] Connection refused" in ran.out
    assert "wrong: booking, tenant" in ran.out


async def test_what_does_without_something_is_told_too(conserje: Conserje, ops: Ops) -> None:
    ops.report["degraded"] = {"redis": "It is away."}
    ran = await conserje("doctor", "--ops", f"booking={ops.address}")
    assert ran.code == 1
    assert f"! booking  is ready, and does without, at {ops.address} (operations):\n" in ran.out
    assert "redis: It is away." in ran.out
    assert "lacks something: booking" in ran.out
    assert "wrong" not in ran.out


async def test_what_answers_something_else_is_no_process(conserje: Conserje) -> None:
    ran = await conserje("doctor", "--ops", "booking")
    assert (ran.code, ran.out) == (2, "")
    assert "--ops needs NAME=HOST:PORT" in ran.err


async def test_a_gateway_that_refuses_webhooks_is_found_at_the_graph(
    conserje: Conserje, ops: Ops, tmp_path: Path
) -> None:
    settings = GraphSettings(numbers=(NUMBER,), webhook_url=f"http://{ops.address}/webhook")
    async with serving(settings) as address, GraphControl(address) as graph:
        await graph.say("34600000001", "hola")
        while not (await graph.report())["webhook_last_refusal"]:
            pass
        booking = {"ops": ops.address, "grpc": "127.0.0.1:2", "http": ""}
        announce(tmp_path, {"graph": address, "processes": {"booking": booking}})
        with (tmp_path / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ran = await conserje("doctor")
    assert ran.code == 1
    assert (
        f"✓ booking  is ready (postgres), at {ops.address} (operations), 127.0.0.1:2 (gRPC)\n"
        in ran.out
    )
    assert "✗ graph    1 webhook items wait" in ran.out
    assert "/webhook: HTTP 404" in ran.out


async def test_a_mesh_that_is_gone_is_told_first(conserje: Conserje, tmp_path: Path) -> None:
    announce(tmp_path, {"processes": {"tenant": {"ops": "127.0.0.1:1"}}})
    (tmp_path / "lock").touch()
    ran = await conserje("doctor")
    assert ran.code == 1
    assert ran.out.startswith("`make run` is not there any more")


async def test_nothing_to_look_at_is_one_sentence(conserje: Conserje) -> None:
    ran = await conserje("doctor")
    assert ran.code == 2
    assert ran.err == (
        "conserje: no process was found: is `make run` running? Otherwise name them with "
        "--ops NAME=HOST:PORT.\n"
    )


def announce(folder: Path, content: dict[str, Any]) -> None:
    (folder / "run.json").write_text(json.dumps({"pid": 1, **content}))
