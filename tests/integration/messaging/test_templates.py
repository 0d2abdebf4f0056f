"""The catalogue follows Meta, and what is sent of it is checked, stored once and leaves once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from conserje.messaging.v1 import template_service_pb2 as pb
from conserje.messaging.v1.event_pb2 import InboundEvent
from conserje.messaging.v1.messaging_service_pb2 import IngestEventRequest
from conserje.messaging.v1.template_pb2 import Template
from conserje.messaging.v1.template_service_pb2_grpc import TemplateServiceStub
from conserje.tenant.v1.tenant_pb2 import TENANT_STATE_DELETED
from pydantic import SecretStr

from sandbox.graph.app import serving
from sandbox.graph.client import GraphControl
from sandbox.graph.settings import GraphSettings, Number
from tests.integration.cli.conftest import Conserje
from tests.integration.cli.conftest import conserje as conserje
from tests.integration.messaging.mesh import ACCOUNT, NUMBER, TENANT, TOKEN, Mesh, text
from tests.integration.messaging.templates import approved

BODIES = Path(__file__).parents[2] / "data" / "bodies"
GREETING = {"name": "bienvenida", "body": "Hola {{1}}, hasta el {{2}}"}
HEADER = {"type": "HEADER", "format": "TEXT", "text": "Hola {{1}}"}
LINK = {"type": "URL", "text": "Ver", "url": "https://hotel.example/{{1}}"}
BUTTONS = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "No"}, LINK]}


@pytest.fixture
async def graph() -> AsyncIterator[GraphControl]:
    number = Number(NUMBER, ACCOUNT, "+34 910 000 001")
    settings = GraphSettings(access_token=TOKEN, numbers=[number])
    async with serving(settings) as address, GraphControl(address) as control:
        yield control


def stub(mesh: Mesh) -> Any:
    channel = grpc.aio.insecure_channel(mesh.target)
    mesh.channels.append(channel)
    return TemplateServiceStub(channel)


async def catalogue(mesh: Mesh, tenant: str = TENANT) -> dict[str, Template]:
    request = pb.ListTemplatesRequest(tenant_id=tenant)
    page = await stub(mesh).ListTemplates(request)
    return {one.template_name: one for one in page.templates}


async def until_known(mesh: Mesh, sql: str) -> None:
    await mesh.until(f"SELECT EXISTS (SELECT FROM template WHERE {sql})")


def sending(**changes: Any) -> pb.SendTemplateRequest:
    asked: dict[str, Any] = {
        "tenant_id": TENANT,
        "request_id": str(uuid4()),
        "phone_number_id": NUMBER,
        "template_name": "bienvenida",
        "language_code": "es",
        "body_parameters": ["Ana", "lunes"],
    }
    if not changes.keys() & {"conversation_id", "user_id"}:
        asked["whatsapp_id"] = "34600000001"
    return pb.SendTemplateRequest(**(asked | changes))


def webhook(name: str, **changes: Any) -> IngestEventRequest:
    """A webhook of Meta's about an account, as the gateway hands it in."""
    body = json.loads((BODIES / f"field_{name}.json").read_text())["body"]
    change = body["entry"][0]["changes"][0]
    event = InboundEvent(whatsapp_business_account_id=ACCOUNT, item_key=uuid4().bytes)
    event.field_update.field = change["field"]
    event.raw_json = json.dumps(change["value"] | changes).encode()
    return IngestEventRequest(event=event)


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), refused.value.details() or ""


async def test_the_catalogue_is_read_page_by_page_by_itself(
    mesh: Mesh, graph: GraphControl
) -> None:
    named = [{"name": f"t{place:03}", "body": "Hola {{nombre}}"} for place in range(230)]
    await graph.set_templates(ACCOUNT, [GREETING, *named])
    await mesh.start(graph_base_url=graph.address)
    await mesh.until("SELECT count(*) FROM template", value=231)
    known = (await catalogue(mesh))["bienvenida"]
    assert (known.whatsapp_status, known.category, known.quality) == (
        *("APPROVED", "UTILITY", "UNKNOWN"),
    )
    assert list(known.body_parameters) == ["1", "2"]
    assert known.whatsapp_business_account_id == ACCOUNT
    seen, token = [], ""
    while True:
        request = pb.ListTemplatesRequest(tenant_id=TENANT, page_size=100, page_token=token)
        page = await stub(mesh).ListTemplates(request)
        seen += [one.template_name for one in page.templates]
        if not (token := page.next_page_token):
            break
    assert seen == sorted(one["name"] for one in [GREETING, *named])
    assert await catalogue(mesh, "hotel-other") == {}


async def test_what_meta_has_no_more_is_no_more_unless_the_reading_failed(
    mesh: Mesh, graph: GraphControl
) -> None:
    await approved(mesh, "antigua")
    await graph.set_templates(ACCOUNT, [GREETING])
    await mesh.start("serve", graph_base_url="http://127.0.0.1:1")
    request = pb.SyncTemplatesRequest(tenant_id=TENANT, phone_number_id=NUMBER)
    await mesh.until_told()
    code, _ = await refusal(stub(mesh).SyncTemplates(request))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert set(await catalogue(mesh)) == {"antigua"}
    await mesh.stop()
    await mesh.start("serve", graph_base_url=graph.address)
    await mesh.until_told()
    answer = await stub(mesh).SyncTemplates(request)
    assert (answer.template_count, answer.removed_count) == (1, 1)
    assert set(await catalogue(mesh)) == {"bienvenida"}


async def test_meta_refusing_is_told_and_another_hotels_number_is_unknown(
    mesh: Mesh, graph: GraphControl
) -> None:
    await mesh.start("serve", graph_base_url=graph.address, graph_access_token=SecretStr("wrong"))
    await mesh.until_told()
    for tenant, code, word in (
        (TENANT, grpc.StatusCode.FAILED_PRECONDITION, "code 190"),
        ("hotel-other", grpc.StatusCode.NOT_FOUND, "not the hotel's"),
    ):
        request = pb.SyncTemplatesRequest(tenant_id=tenant, phone_number_id=NUMBER)
        got, said = await refusal(stub(mesh).SyncTemplates(request))
        assert (got, word in said) == (code, True), said


async def test_webhooks_change_status_quality_and_category_and_have_it_read_again(
    mesh: Mesh, graph: GraphControl
) -> None:
    await graph.set_templates(ACCOUNT, [{**GREETING, "id": "1689556908129834"}])
    messaging = await mesh.start(graph_base_url=graph.address)
    await until_known(mesh, "true")
    about = {"message_template_id": 1689556908129834}
    await mesh.say(
        messaging,
        webhook("message_template_status_update", **about, event="PAUSED", reason="LOW_QUALITY"),
        webhook("message_template_quality_update", **about),
        webhook("template_category_update", **about),
        webhook("message_template_status_update", message_template_id=None),
        webhook("account_alerts"),
    )
    await mesh.until("SELECT NOT EXISTS (SELECT FROM field_work)")
    known = (await catalogue(mesh))["bienvenida"]
    assert (known.whatsapp_status, known.reason) == ("PAUSED", "LOW_QUALITY")
    assert (known.quality, known.category) == ("YELLOW", "MARKETING")
    due = "SELECT due_time < now() + interval '10 seconds' FROM template_account"
    assert await mesh.admin.fetchval(due)
    code, said = await refusal(stub(mesh).SendTemplate(sending()))
    assert (code, "not approved" in said) == (grpc.StatusCode.FAILED_PRECONDITION, True)


async def test_a_template_goes_to_a_guest_who_has_never_written(
    mesh: Mesh, graph: GraphControl
) -> None:
    await graph.set_templates(ACCOUNT, [GREETING])
    messaging = await mesh.start(graph_base_url=graph.address)
    await until_known(mesh, "true")
    await mesh.until_told()
    request = sending()
    first = await stub(mesh).SendTemplate(request)
    assert (await stub(mesh).SendTemplate(request)) == first
    assert first.send_id == request.request_id
    (sent,) = await graph.replies("34600000001")
    assert sent["body"]["template"]["components"] == [
        {
            "type": "body",
            "parameters": [{"type": "text", "text": "Ana"}, {"type": "text", "text": "lunes"}],
        }
    ]
    await mesh.until("SELECT state = 'SENT' FROM outbox")
    # The same guest, who writes now, is in the same conversation.
    await mesh.say(messaging, text("hola", user="ES.7"))
    await graph.replies("34600000001", 2)
    boxes = await mesh.admin.fetch("SELECT DISTINCT mailbox_id FROM outbox")
    assert [row["mailbox_id"] for row in boxes] == [first.conversation_id]
    for guest in ({"conversation_id": first.conversation_id}, {"user_id": "ES.7"}):
        again = await stub(mesh).SendTemplate(sending(**guest))
        assert again.conversation_id == first.conversation_id


async def test_the_same_request_at_once_is_one_message_and_another_one_is_refused(
    mesh: Mesh,
) -> None:
    await approved(mesh, "bienvenida")
    await mesh.start("serve")
    await mesh.until_told()
    request = sending()
    await asyncio.gather(*(stub(mesh).SendTemplate(request) for _ in range(8)))
    assert await mesh.admin.fetchval("SELECT count(*) FROM outbox") == 1
    for changes in ({"body_parameters": ["Eva", "lunes"]}, {"whatsapp_id": "34600000002"}):
        other = sending(request_id=request.request_id, **changes)
        code, _ = await refusal(stub(mesh).SendTemplate(other))
        assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert await mesh.admin.fetchval("SELECT count(*) FROM outbox") == 1


async def test_parameters_are_checked_before_anything_is_stored(mesh: Mesh) -> None:
    await approved(mesh, "bienvenida")
    await approved(mesh, "rica", parts=(HEADER, BUTTONS))
    await mesh.start("serve")
    await mesh.until_told()
    rich = {"template_name": "rica", "header_parameter": "Ana", "button_parameters": ["1"]}
    for changes, word in (
        ({"body_parameters": ["Ana"]}, "2 are needed (1, 2), 1 were given"),
        ({"body_parameters": ["Ana", "a\nb"]}, "body_parameters[1]: holds a line break"),
        ({"body_parameters": ["Ana", " "]}, "body_parameters[1]: is empty"),
        ({"body_parameters": ["Ana", "a" * 32_768]}, "characters long"),
        ({"header_parameter": "x"}, "header_parameter: the template takes none"),
        (rich | {"header_parameter": "a" * 61}, "at most 60"),
        (rich | {"button_parameters": []}, "button_parameters: 1 are needed"),
        (rich | {"body_parameters": ["Ana", "a" * 1024]}, "at most 1024"),
    ):
        code, said = await refusal(stub(mesh).SendTemplate(sending(**changes)))
        assert (code, word in said) == (grpc.StatusCode.INVALID_ARGUMENT, True), said
    unknown: list[dict[str, Any]] = [
        {"template_name": "otra"},
        {"tenant_id": "hotel-other"},
        {"phone_number_id": "999"},
        {"conversation_id": 77},
    ]
    for about in unknown:
        code, _ = await refusal(stub(mesh).SendTemplate(sending(**about)))
        assert code is grpc.StatusCode.NOT_FOUND
    assert await mesh.admin.fetchval("SELECT count(*) FROM outbox") == 0
    assert await mesh.admin.fetchval("SELECT count(*) FROM mailbox") == 0
    await stub(mesh).SendTemplate(sending(**rich))
    stored = json.loads(await mesh.admin.fetchval("SELECT body FROM outbox"))
    kinds = [part["type"] for part in stored["template"]["components"]]
    assert kinds == ["header", "body", "button"]
    assert stored["template"]["components"][2]["index"] == "1"


async def test_nothing_is_sent_for_a_hotel_that_has_left(mesh: Mesh) -> None:
    await mesh.start("serve")
    await approved(mesh, "bienvenida", body="Hola {{1}}, hasta el {{2}}")
    mesh.tenants.add(NUMBER, TENANT, TENANT_STATE_DELETED)
    await mesh.until_told()
    code, said = await refusal(stub(mesh).SendTemplate(sending()))
    assert (code, "has left" in said) == (grpc.StatusCode.FAILED_PRECONDITION, True)


async def test_another_hotels_conversation_is_unknown(mesh: Mesh) -> None:
    messaging = await mesh.start()
    await mesh.register("77", "hotel-other")
    await approved(mesh, "bienvenida", tenant="hotel-other")
    await mesh.say(messaging, text())
    await mesh.until_answered(1)
    box = await mesh.admin.fetchval("SELECT mailbox_id FROM mailbox")
    request = sending(tenant_id="hotel-other", phone_number_id="77", conversation_id=box)
    code, said = await refusal(stub(mesh).SendTemplate(request))
    assert (code, "not talked with that guest" in said) == (grpc.StatusCode.NOT_FOUND, True)


async def test_the_command_reads_lists_and_sends(
    mesh: Mesh, graph: GraphControl, conserje: Conserje
) -> None:
    await graph.set_templates(ACCOUNT, [GREETING])
    await mesh.start(graph_base_url=graph.address)
    await mesh.until_told()
    at = ("--target", mesh.target)
    read = await conserje("template", "sync", TENANT, NUMBER, *at)
    assert (read.code, read.out) == (0, "1 template, 0 removed\n"), read
    listed = await conserje("template", "list", TENANT, *at)
    assert (listed.code, "APPROVED  UTILITY  UNKNOWN  {{1}}, {{2}}" in listed.out) == (0, True)
    to = ("bienvenida", "--guest", "34600000001", *at)
    sent = await conserje(
        *("template", "send", TENANT, NUMBER, *to, "--parameter", "Ana", "--parameter", "lunes")
    )
    assert (sent.code, "conversation" in sent.out) == (0, True), sent
    await graph.replies("34600000001")
    wrong = await conserje("template", "send", TENANT, NUMBER, *to)
    assert wrong.code == 1
    assert "--parameter: 2 are needed (1, 2), 0 were given" in wrong.err
