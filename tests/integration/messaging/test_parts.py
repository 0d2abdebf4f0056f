"""The parts of one answer may wait for each other's delivery, for some seconds at most."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from conserje.messaging.v1.messaging_service_pb2 import IngestEventRequest

from gateway.payload import translate
from sandbox.graph.app import serving
from sandbox.graph.client import GraphControl
from sandbox.graph.settings import GraphSettings, Number
from tests.integration.messaging.mesh import ACCOUNT, NUMBER, TOKEN, Mesh, text

DELAYS = {"sent": 0.01, "delivered": 0.3, "read": 60.0}
ANOTHER_PART = """
INSERT INTO outbox (tenant_id, outbox_id, mailbox_id, phone_number_id, kind, body, answers,
                    hold_for_person, traceparent, create_time)
SELECT tenant_id, gen_random_uuid(), mailbox_id, phone_number_id, kind,
       convert_to(replace(convert_from(body, 'UTF8'), 'biz_opaque_', 'other_'), 'UTF8'),
       '{{}}', false, traceparent, create_time + interval '{apart}'
FROM outbox ORDER BY outbox_number LIMIT 1
"""
TIMES = "SELECT send_time, accept_time, wamid FROM outbox ORDER BY outbox_number"


@pytest.fixture
async def graph(mesh: Mesh) -> AsyncIterator[GraphControl]:
    """The fake Graph API, whose webhooks are handed in as the gateway does."""

    async def take(request: web.Request) -> web.Response:
        events = translate(await request.read(), time.time())
        stub = mesh.stub(mesh.kits[0].ports["grpc"])
        await mesh.say(stub, *(IngestEventRequest(event=event) for event in events))
        return web.Response()

    app = web.Application()
    app.router.add_post("/webhook", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = GraphSettings(
        webhook_url=f"http://127.0.0.1:{runner.addresses[0][1]}/webhook",
        access_token=TOKEN,
        numbers=[Number(NUMBER, ACCOUNT, "+34 910 000 001")],
        status_delays=DELAYS,
    )
    async with serving(settings) as address, GraphControl(address) as control:
        yield control
    await runner.cleanup()


async def two_parts(mesh: Mesh, apart: str = "0 s", **settings: Any) -> None:
    """An answer of two parts, or two answers that were written `apart`."""
    stub = await mesh.start("serve", "steps")
    await mesh.say(stub, text())
    await mesh.until_answered(1)
    await mesh.admin.execute(ANOTHER_PART.format(apart=apart))
    await mesh.start("send", **settings)
    await mesh.until("SELECT count(*) FROM outbox WHERE state = 'SENT'", value=2)


async def test_a_part_waits_for_the_delivery_of_the_part_before(
    mesh: Mesh, graph: GraphControl
) -> None:
    await two_parts(mesh, graph_base_url=graph.address, delivered_wait_seconds=5.0)
    first, second = await mesh.admin.fetch(TIMES)
    delivered = await mesh.admin.fetchval(
        "SELECT min(d.arrive_time) FROM delivery_status d JOIN outbox o USING (outbox_id)"
        " WHERE o.wamid = $1 AND d.delivery = 2",
        first["wamid"],
    )
    assert first["accept_time"] < delivered < second["send_time"]


async def test_a_delivery_that_does_not_come_is_not_waited_for_longer(mesh: Mesh) -> None:
    await two_parts(mesh, delivered_wait_seconds=0.3)
    waited = "SELECT max(send_time) > min(accept_time) + interval '0.3 s' FROM outbox"
    assert await mesh.admin.fetchval(waited)
    assert len(mesh.graph.accepted) == 2


async def test_another_answer_does_not_wait(mesh: Mesh, graph: GraphControl) -> None:
    await two_parts(mesh, "1 ms", graph_base_url=graph.address, delivered_wait_seconds=5.0)
    first, second = await mesh.admin.fetch(TIMES)
    delivered = await mesh.admin.fetchval(
        "SELECT count(*) FROM delivery_status WHERE delivery = 2 AND arrive_time < $1",
        second["send_time"],
    )
    assert delivered == 0
    assert first["accept_time"] <= second["send_time"]
