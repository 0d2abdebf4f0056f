"""The gateway's copy of the directory: whose an item is, as far as its queue is concerned."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from conserje.tenant.v1.tenant_service_pb2_grpc import add_TenantServiceServicer_to_server

from gateway import webhook
from meshkit.metrics import new_registry
from meshkit.server import Server
from meshkit.telemetry import Tracing
from tests import bodies
from tests.integration.gateway.conftest import Gateway, MakeGateway
from tests.tenants import Watched
from tests.waiting import eventually

CHAIN = [f"10000000000001{n}" for n in range(3)]
OTHER = "100000000000020"
MESSAGES = 1000
QUEUE_FULL = "TENANT_QUEUE_FULL"


@pytest.fixture
async def tenants() -> AsyncIterator[tuple[Watched, str]]:
    """A tenant service that has no hotel yet, and its target."""
    watched = Watched()
    server = Server(tracing=Tracing("test"), registry=new_registry())
    server.add(add_TenantServiceServicer_to_server, watched, "conserje.tenant.v1.TenantService")
    port = await server.start("127.0.0.1:0")
    await server.set_serving(True)
    yield watched, f"127.0.0.1:{port}"
    await server.stop(0.1)


def flood(number: str) -> bytes:
    """A webhook with many texts to one number."""
    content = json.loads(bodies.body("text").data)
    value = content["entry"][0]["changes"][0]["value"]
    value["metadata"]["phone_number_id"] = number
    (message,) = value["messages"]
    value["messages"] = [message | {"id": f"wamid.{number}.{n}"} for n in range(MESSAGES)]
    return json.dumps(content).encode()


def refused(gateway: Gateway) -> float:
    return gateway.count("coalescer_refused_items_total", coalescer="ingest", reason=QUEUE_FULL)


async def test_a_hotel_with_many_numbers_has_half_of_the_queue_at_most(
    make_gateway: MakeGateway, tenants: tuple[Watched, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "CONFIRM_SECONDS", 1.0)
    watched, target = tenants
    gateway = await make_gateway(target_tenant=target)
    gateway.messaging.open.clear()
    # Before the hotel is known each number stands for itself, and is far from its half.
    answers = await asyncio.gather(*(gateway.post_signed(flood(number)) for number in CHAIN))
    assert answers == [503] * len(CHAIN)
    assert refused(gateway) == 0
    for number in CHAIN:
        watched.add(number, "hotel-chain")
    await eventually(lambda: gateway.count("tenant_directory_copy_records") == len(CHAIN), 10)
    answers = await asyncio.gather(*(gateway.post_signed(flood(number)) for number in CHAIN))
    assert answers == [503] * len(CHAIN)
    assert refused(gateway) > 0
    # Another hotel does not notice.
    monkeypatch.setattr(webhook, "CONFIRM_SECONDS", 30.0)
    under_way = asyncio.create_task(gateway.post_signed(flood(OTHER)))
    gateway.messaging.open.set()
    assert await under_way == 200


async def test_without_the_tenant_service_all_is_taken_in_and_it_says_so(
    gateway: Gateway,
) -> None:
    assert await gateway.post_signed(flood(OTHER)) == 200
    assert gateway.kit.health.is_ready()
    assert "has not come" in gateway.kit.health.report()["degraded"]["directory"]
