"""A guest is written to freely for 24 hours, then by a template, or when the guest writes again."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import grpc
import pytest
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.event_pb2 import (
    DELIVERY_STATE_FAILED,
    DELIVERY_STATE_SENT,
    InboundEvent,
)
from conserje.messaging.v1.messaging_service_pb2 import IngestEventRequest, TraceMessageRequest

from services.messaging.whatsapp.codes import WINDOW_CODE
from tests.integration.cli.conftest import Conserje
from tests.integration.cli.conftest import conserje as conserje
from tests.integration.messaging.mesh import NUMBER, TENANT, Mesh, status, text
from tests.integration.messaging.templates import approved

DAY = 86_400
STATES = "SELECT state FROM outbox ORDER BY outbox_number"
SHUT = "SELECT window_refused_time IS NOT NULL FROM mailbox"


def old(body: str = "hola", **about: Any) -> IngestEventRequest:
    """A text of yesterday that comes only now: nobody may answer it freely."""
    return text(body, seconds=int(time.time()) - DAY - 60, **about)


def words(sent: dict[str, Any]) -> str:
    """What a template of ours tells."""
    assert sent["type"] == "template"
    (component,) = sent["template"]["components"]
    return " ".join(parameter["text"] for parameter in component["parameters"])


async def window(mesh: Mesh, tenant: str = TENANT, **guest: Any) -> pb.GuestWindow:
    request = pb.GetWindowRequest(tenant_id=tenant, **guest)
    told: pb.GuestWindow = (await mesh.operations().GetWindow(request)).window
    return told


async def held(mesh: Mesh, tenant: str = TENANT, **page: Any) -> list[pb.HeldSend]:
    request = pb.ListHeldSendsRequest(tenant_id=tenant, **page)
    return list((await mesh.operations().ListHeldSends(request)).sends)


async def choose(mesh: Mesh, *parameters: str) -> None:
    await approved(mesh)
    request = pb.SetWindowTemplateRequest(tenant_id=TENANT)
    request.template.template_name, request.template.language_code = "respuesta", "es"
    request.template.parameters.extend(parameters or ("Hotel Mirador", "{text}"))
    await mesh.operations().SetWindowTemplate(request)


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), refused.value.details() or ""


async def test_the_window_counts_from_the_guests_newest_message(mesh: Mesh) -> None:
    stub = await mesh.start("serve", "steps")
    now = int(time.time())
    await mesh.say(stub, text(seconds=now - 50, user="ES.1"), text(seconds=now - 100, user="ES.1"))
    await mesh.until_answered(2)
    told = await window(mesh, phone_number_id=NUMBER, whatsapp_id="34600000001")
    assert (told.open, told.last_inbound_time.seconds) == (True, now - 50)
    assert told.close_time.seconds == now - 50 + DAY
    # What WhatsApp says of the guest is nothing that the guest did.
    moved = text(seconds=now, phone="34600000001")
    moved.event.message.type = moved.event.message.system.type = "customer_identity_changed"
    await mesh.say(stub, moved)
    assert await window(mesh, phone_number_id=NUMBER, user_id="ES.1") == told
    assert await window(mesh, conversation_id=told.conversation_id) == told


async def test_a_window_is_shown_to_its_own_hotel(mesh: Mesh) -> None:
    stub = await mesh.start("serve", "steps")
    await mesh.say(stub, text())
    await mesh.until_answered(1)
    box = await mesh.admin.fetchval("SELECT mailbox_id FROM mailbox")
    by_number = {"phone_number_id": NUMBER, "whatsapp_id": "34600000001"}
    for guest in ({"conversation_id": box}, by_number):
        code, _ = await refusal(window(mesh, "hotel-other", **guest))
        assert code is grpc.StatusCode.NOT_FOUND
    code, said = await refusal(window(mesh, whatsapp_id="34600000001"))
    assert (code, "phone_number_id" in said) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_what_comes_too_late_is_held_and_goes_first_when_the_guest_writes(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, old(), old("gracias"))
    await mesh.until("SELECT count(*) FROM outbox WHERE state = 'HELD'", value=2)
    assert mesh.graph.asked == []
    waiting = await held(mesh)
    assert [(send.reason, send.error_code) for send in waiting] == [
        ("NO_TEMPLATE", WINDOW_CODE)
    ] * 2
    assert await held(mesh, "hotel-other") == []
    assert [one.send_id for one in await held(mesh, page_size=1)] == [waiting[0].send_id]
    assert not (await window(mesh, conversation_id=waiting[0].conversation_id)).open
    await mesh.say(stub, text("hola"))
    sent = await mesh.accepted(3)
    order = [one["biz_opaque_callback_data"].rpartition("/")[2] for one in sent]
    rows = await mesh.admin.fetch("SELECT outbox_id FROM outbox ORDER BY outbox_number")
    assert order == [str(row["outbox_id"]) for row in rows]
    assert order[:2] == [send.send_id for send in waiting]
    assert await held(mesh) == []


@pytest.mark.parametrize("template", [False, True])
async def test_what_was_held_for_days_is_not_lost_by_one_failure(
    mesh: Mesh, template: bool
) -> None:
    stub = await mesh.start()
    await mesh.say(stub, old())
    await mesh.until("SELECT count(*) FROM outbox WHERE state = 'HELD'", value=1)
    await mesh.admin.execute("UPDATE outbox SET create_time = now() - interval '3 days'")
    mesh.graph.script = [131000]
    if template:
        await choose(mesh)
    else:
        await mesh.say(stub, text("hola"))
    sent = await mesh.accepted(1 if template else 2)
    opaque = sent[0]["biz_opaque_callback_data"].rpartition("/")[2]
    held = await mesh.admin.fetchval("SELECT outbox_id FROM outbox ORDER BY outbox_number LIMIT 1")
    assert opaque == str(held)


async def test_with_a_template_it_leaves_as_that(mesh: Mesh) -> None:
    stub = await mesh.start("serve", "steps")
    await choose(mesh)
    await mesh.say(stub, old(wamid="wamid.late"))
    await mesh.until_answered(1)
    await mesh.start("send")
    (sent,) = await mesh.accepted(1)
    assert sent["template"]["name"] == "respuesta"
    assert sent["template"]["language"] == {"code": "es"}
    assert words(sent).startswith("Hotel Mirador ¡Hola!")
    assert "\n" not in words(sent)
    opaque = sent["biz_opaque_callback_data"].rpartition("/")[2]
    assert opaque == str(await mesh.admin.fetchval("SELECT outbox_id FROM outbox"))
    await mesh.until("SELECT state = 'SENT' AND sent_as = 'template' FROM outbox")
    trace = await stub.TraceMessage(TraceMessageRequest(whatsapp_message_id="wamid.late"))
    accepted = [hop.detail for hop in trace.hops if hop.name == "graph.accepted"]
    assert accepted == ["interactive as template"]


async def test_131047_shuts_the_window_until_the_guest_writes(mesh: Mesh) -> None:
    mesh.graph.script = [WINDOW_CODE]
    stub = await mesh.start()
    await choose(mesh)
    await mesh.say(stub, text())
    (sent,) = await mesh.accepted(1)
    assert words(sent)
    assert len(mesh.graph.asked) == 2
    box = await mesh.admin.fetchval(
        "SELECT mailbox_id FROM mailbox WHERE window_refused_time < now()"
    )
    told = await window(mesh, conversation_id=box)
    assert (told.open, told.HasField("refuse_time")) == (False, True)
    await mesh.say(stub, text("gracias", seconds=int(time.time()) + 5))
    assert (await mesh.accepted(2))[1]["type"] != "template"
    told = await window(mesh, conversation_id=box)
    assert (told.open, told.HasField("refuse_time")) == (True, False)


async def test_131047_without_a_template_holds_the_message(mesh: Mesh) -> None:
    mesh.graph.script = [WINDOW_CODE]
    stub = await mesh.start()
    await mesh.say(stub, text())
    await mesh.until("SELECT state = 'HELD' FROM outbox")
    (send,) = await held(mesh)
    assert send.reason == "NO_TEMPLATE"
    await choose(mesh)
    (sent,) = await mesh.accepted(1)
    assert words(sent)
    assert len(mesh.graph.asked) == 2


async def test_a_failed_status_with_131047_sends_another_one_instead_once(mesh: Mesh) -> None:
    stub = await mesh.start()
    await choose(mesh)
    await mesh.say(stub, text())
    (first,) = await mesh.accepted(1)
    opaque = first["biz_opaque_callback_data"]
    failed = status(DELIVERY_STATE_FAILED, wamid="wamid.out1", opaque=opaque)
    failed.event.status.errors.add(code=WINDOW_CODE)
    again = IngestEventRequest()
    again.CopyFrom(failed)
    again.event.item_key = b"s-of-another-composition"
    await mesh.say(stub, failed, failed, again)
    second = (await mesh.accepted(2))[1]
    assert words(second)
    assert second["biz_opaque_callback_data"] != opaque
    # A status of the first that comes late says nothing of the second.
    await mesh.say(stub, status(DELIVERY_STATE_SENT, wamid="wamid.out1", opaque=opaque))
    await mesh.until_quiet()
    assert len(mesh.graph.asked) == 2
    rows = await mesh.admin.fetch(
        "SELECT state, delivery, cardinality(answers) AS answers FROM outbox ORDER BY outbox_number"
    )
    assert [tuple(row) for row in rows] == [("SENT", 9, 1), ("SENT", 0, 0)]
    assert await mesh.admin.fetchval(SHUT)


async def test_what_was_failed_as_too_late_goes_freely_when_the_guest_has_written(
    mesh: Mesh,
) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text())
    (first,) = await mesh.accepted(1)
    failed = status(DELIVERY_STATE_FAILED, opaque=first["biz_opaque_callback_data"])
    failed.event.status.errors.add(code=WINDOW_CODE)
    await mesh.say(stub, failed)
    await mesh.until("SELECT count(*) FROM outbox WHERE state = 'HELD'", value=1)
    await mesh.say(stub, text("gracias", seconds=int(time.time()) + 5))
    sent = await mesh.accepted(3)
    names = [one["biz_opaque_callback_data"].rpartition("/")[2] for one in sent]
    rows = await mesh.admin.fetch("SELECT outbox_id FROM outbox ORDER BY outbox_number")
    assert names == [str(row["outbox_id"]) for row in rows]
    assert sent[1]["interactive"] == first["interactive"]


async def test_a_template_that_is_refused_loses_nothing(mesh: Mesh) -> None:
    mesh.graph.script = [132001]
    stub = await mesh.start()
    await choose(mesh)
    await mesh.say(stub, old())
    await mesh.until("SELECT state = 'HELD' FROM outbox")
    (send,) = await held(mesh)
    assert (send.reason, send.error_code) == ("TEMPLATE_REFUSED", 132001)
    await mesh.say(stub, text())
    first, _ = await mesh.accepted(2)
    assert first["type"] == "interactive"


async def test_what_waits_for_metas_approval_goes_with_it(mesh: Mesh) -> None:
    stub = await mesh.start("serve", "steps")
    await choose(mesh)
    await mesh.admin.execute("UPDATE template SET status = 'PAUSED'")
    await mesh.say(stub, old())
    await mesh.until_answered(1)
    await mesh.start("send", settle_after_seconds=0.4)
    await mesh.until("SELECT state = 'HELD' FROM outbox")
    assert [send.reason for send in await held(mesh)] == ["TEMPLATE_NOT_APPROVED"]
    await mesh.admin.execute("UPDATE template SET status = 'APPROVED'")
    (sent,) = await mesh.accepted(1)
    assert words(sent)


async def test_what_no_template_can_tell_is_held(mesh: Mesh) -> None:
    stub = await mesh.start("serve", "steps")
    await choose(mesh)
    await mesh.say(stub, old(phone="341"), old(phone="342"))
    await mesh.until_answered(2)
    rows = await mesh.admin.fetch("SELECT outbox_id FROM outbox ORDER BY outbox_number")
    bodies = [
        b'{"type":"image","image":{"id":"1"}}',
        b'{"type":"text","text":{"body":"%s"}}' % (b"a" * 32_768),
    ]
    for row, body in zip(rows, bodies, strict=True):
        await mesh.admin.execute(
            "UPDATE outbox SET body = $2 WHERE outbox_id = $1", row["outbox_id"], body
        )
    await mesh.start("send")
    await mesh.until("SELECT count(*) FROM outbox WHERE state = 'HELD'", value=2)
    assert [send.reason for send in await held(mesh)] == ["NO_WORDS", "TOO_LONG"]
    assert mesh.graph.asked == []


async def test_a_held_message_is_given_up_once(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, old())
    await mesh.until("SELECT state = 'HELD' FROM outbox")
    (send,) = await held(mesh)
    drop = mesh.operations().DropHeldSend
    for tenant, send_id in (("hotel-other", send.send_id), (TENANT, str(uuid4()))):
        code, _ = await refusal(drop(pb.DropHeldSendRequest(tenant_id=tenant, send_id=send_id)))
        assert code is grpc.StatusCode.NOT_FOUND
    request = pb.DropHeldSendRequest(tenant_id=TENANT, send_id=send.send_id)
    await drop(request)
    await drop(request)
    await mesh.say(stub, text())
    await mesh.accepted(1)
    await mesh.until_quiet()
    assert [row["state"] for row in await mesh.admin.fetch(STATES)] == ["REJECTED", "SENT"]
    later = await mesh.admin.fetchval("SELECT outbox_id FROM outbox WHERE state = 'SENT'")
    code, _ = await refusal(drop(pb.DropHeldSendRequest(tenant_id=TENANT, send_id=str(later))))
    assert code is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_template_that_tells_nothing_is_not_chosen(mesh: Mesh) -> None:
    await mesh.start("serve")
    for parameters, word in (
        (("hola", "adiós"), "{text}"),
        (("{text}", "{text}"), "{text}"),
        (("{text}",), "2 are needed, 1 were given"),
    ):
        code, said = await refusal(choose(mesh, *parameters))
        assert (code, word in said) == (grpc.StatusCode.INVALID_ARGUMENT, True), said
    await mesh.admin.execute("DELETE FROM template")
    unknown = pb.SetWindowTemplateRequest(tenant_id=TENANT)
    unknown.template.template_name, unknown.template.language_code = "respuesta", "es"
    unknown.template.parameters.append("{text}")
    code, _ = await refusal(mesh.operations().SetWindowTemplate(unknown))
    assert code is grpc.StatusCode.NOT_FOUND
    assert await mesh.admin.fetchval("SELECT count(*) FROM window_template") == 0


async def test_the_command_shows_windows_and_what_waits(mesh: Mesh, conserje: Conserje) -> None:
    stub = await mesh.start()
    await mesh.say(stub, old())
    await mesh.until("SELECT state = 'HELD' FROM outbox")
    at = ("--target", mesh.target)
    shown = await conserje(
        *("window", "show", TENANT, "--guest", "34600000001", "--number", NUMBER, *at)
    )
    assert (shown.code, "shut  guest wrote" in shown.out) == (0, True), shown
    listed = await conserje("sends", "held", TENANT, *at)
    assert (listed.code, "NO_TEMPLATE 131047" in listed.out) == (0, True), listed
    dropped = await conserje("sends", "drop", TENANT, listed.out.split()[0], *at)
    assert (dropped.code, dropped.err) == (0, "")
    await approved(mesh, body="{{1}}")
    chosen = await conserje("window", "template", TENANT, "respuesta", *at)
    assert (chosen.code, chosen.out.split()) == (0, ["respuesta", "es", "{text}"]), chosen
    cleared = await conserje("window", "template", TENANT, "--none", *at)
    assert (cleared.code, cleared.out.startswith("none")) == (0, True), cleared


async def test_a_call_of_the_guest_opens_the_window(mesh: Mesh) -> None:
    stub = await mesh.start("serve", "steps")
    await mesh.say(stub, old())
    await mesh.until_answered(1)
    assert not (await window(mesh, phone_number_id=NUMBER, whatsapp_id="34600000001")).open
    now = int(time.time())
    for direction, seconds in (("BUSINESS_INITIATED", now), ("USER_INITIATED", now - 60)):
        call = {"from": "34600000001", "direction": direction, "timestamp": str(seconds)}
        event = InboundEvent(phone_number_id=NUMBER, item_key=uuid4().bytes)
        event.field_update.field = "calls"
        event.raw_json = json.dumps({"calls": [call, "odd"]}).encode()
        await mesh.say(stub, IngestEventRequest(event=event))
    await mesh.until("SELECT NOT EXISTS (SELECT FROM field_work)")
    told = await window(mesh, phone_number_id=NUMBER, whatsapp_id="34600000001")
    assert (told.open, told.last_inbound_time.seconds) == (True, now - 60)
