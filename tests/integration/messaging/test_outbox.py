"""Messages go out in order, once, and what nobody knows about is called unknown."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest
from conserje.messaging.v1.event_pb2 import DELIVERY_STATE_DELIVERED, DELIVERY_STATE_SENT

from tests.integration.messaging.mesh import Mesh, status, text
from tests.waiting import eventually

QUICK: dict[str, Any] = {
    "settle_after_seconds": 1.0,
    "settle_block_seconds": 0.5,
    "send_lease_seconds": 1.0,
    "graph_timeout_seconds": 0.5,
    "pause_seconds": 0.5,
}
LATEST = "SELECT state, wamid, settle_time, resend_count FROM outbox ORDER BY outbox_number"


async def sent_and_lost(mesh: Mesh, how: Any, **changes: Any) -> Any:
    """Answer one guest, the send of which ends as `how` says; the stub."""
    mesh.graph.script = [how]
    stub = await mesh.start(**(QUICK | changes))
    await mesh.say(stub, text())
    await mesh.until("SELECT state NOT IN ('PENDING', 'SENDING') FROM outbox")
    return stub


@pytest.mark.parametrize("how", ["accept_and_drop", "drop", "html", "hang"])
async def test_a_send_without_an_answer_is_unknown(mesh: Mesh, how: str) -> None:
    await sent_and_lost(mesh, how, settle_after_seconds=60.0)
    assert await mesh.admin.fetchval("SELECT state FROM outbox") == "UNKNOWN"
    assert len(mesh.graph.asked) == 1


async def test_a_status_with_our_id_settles_it(mesh: Mesh) -> None:
    stub = await sent_and_lost(mesh, "accept_and_drop", settle_after_seconds=60.0)
    opaque = mesh.graph.accepted[0]["biz_opaque_callback_data"]
    await mesh.say(stub, status(DELIVERY_STATE_SENT, wamid="wamid.out1", opaque=opaque))
    row = await mesh.row(LATEST)
    assert (row["state"], row["wamid"]) == ("SENT", b"wamid.out1")


async def test_without_any_status_of_the_number_nothing_is_sent_again(mesh: Mesh) -> None:
    await sent_and_lost(mesh, "accept_and_drop")
    first = await mesh.admin.fetchval("SELECT settle_time FROM outbox")
    await mesh.until("SELECT settle_time > $1 FROM outbox", first)
    await mesh.until("SELECT settle_time > $1::timestamptz + interval '1 s' FROM outbox", first)
    assert await mesh.admin.fetchval("SELECT state FROM outbox") == "UNKNOWN"
    assert len(mesh.graph.asked) == 1


async def test_with_others_of_the_number_it_goes_once_more(mesh: Mesh) -> None:
    stub = await sent_and_lost(mesh, "drop")
    await mesh.say(stub, status(DELIVERY_STATE_DELIVERED, wamid="wamid.other"))
    (sent,) = await mesh.accepted(1)
    assert sent["biz_opaque_callback_data"] == mesh.graph.asked[0]["biz_opaque_callback_data"]
    await mesh.until("SELECT state = 'SENT' FROM outbox")
    assert (await mesh.row(LATEST))["resend_count"] == 1


async def test_a_status_of_another_number_says_nothing(mesh: Mesh) -> None:
    stub = await sent_and_lost(mesh, "drop")
    first = await mesh.admin.fetchval("SELECT settle_time FROM outbox")
    other = status(DELIVERY_STATE_DELIVERED, wamid="wamid.other", number="999")
    await mesh.say(stub, other)
    await mesh.until("SELECT settle_time > $1::timestamptz + interval '1 s' FROM outbox", first)
    assert len(mesh.graph.asked) == 1


async def test_lost_twice_it_waits_for_a_person(mesh: Mesh) -> None:
    stub = await sent_and_lost(mesh, "drop")
    mesh.graph.script = ["drop"]
    await mesh.say(stub, status(DELIVERY_STATE_DELIVERED, wamid="wamid.other"))
    await mesh.until("SELECT state = 'UNKNOWN' AND settle_time IS NULL FROM outbox")
    assert (await mesh.row(LATEST))["resend_count"] == 1
    assert len(mesh.graph.asked) == 2


async def test_what_tells_a_code_is_never_sent_again_by_itself(mesh: Mesh) -> None:
    stub = await mesh.start("serve", "steps")
    await mesh.say(stub, text())
    await mesh.until_answered(1)
    await mesh.admin.execute("UPDATE outbox SET hold_for_person = true")
    mesh.graph.script = ["drop"]
    await mesh.start("send", **QUICK)
    await mesh.until("SELECT state = 'UNKNOWN' FROM outbox")
    assert (await mesh.row(LATEST))["settle_time"] is None


async def test_later_messages_wait_a_while_and_then_go(mesh: Mesh) -> None:
    stub = await sent_and_lost(mesh, "drop", settle_after_seconds=60.0)
    await mesh.say(stub, text("buenas"))
    await mesh.accepted(1)
    times = await mesh.admin.fetch(
        "SELECT block_until, send_time, state FROM outbox ORDER BY outbox_number"
    )
    assert times[0]["state"] == "UNKNOWN"
    assert times[1]["send_time"] >= times[0]["block_until"]


async def test_killed_while_sending_it_is_unknown_and_not_pending(mesh: Mesh) -> None:
    mesh.graph.script = ["hang"]
    doomed = await mesh.spawn(send_lease_seconds=1.0)
    await mesh.say(mesh.stub(doomed.ports["grpc"]), text())
    await asyncio.wait_for(mesh.graph.hanging.wait(), 20)
    doomed.signal(signal.SIGKILL)
    await doomed.kill()
    assert await mesh.admin.fetchval("SELECT state FROM outbox") == "SENDING"
    mesh.graph.release.set()
    await mesh.start(**(QUICK | {"settle_after_seconds": 60.0}))
    await mesh.until("SELECT state = 'UNKNOWN' FROM outbox")
    assert len(mesh.graph.asked) == 1


async def test_a_status_before_the_answer_of_the_send(mesh: Mesh) -> None:
    mesh.graph.script = ["hang"]
    stub = await mesh.start()
    await mesh.say(stub, text())
    await asyncio.wait_for(mesh.graph.hanging.wait(), 20)
    opaque = mesh.graph.accepted[0]["biz_opaque_callback_data"]
    await mesh.say(stub, status(DELIVERY_STATE_DELIVERED, wamid="wamid.out1", opaque=opaque))
    assert (await mesh.row(LATEST))["state"] == "SENT"
    mesh.graph.release.set()
    await mesh.stop()
    row = await mesh.row("SELECT state, delivery, wamid FROM outbox")
    assert tuple(row) == ("SENT", 2, b"wamid.out1")
    assert len(mesh.graph.asked) == 1


async def test_nobody_there_to_connect_to_it_goes_again(mesh: Mesh) -> None:
    stub = await mesh.start(graph_base_url="http://127.0.0.1:1")
    await mesh.say(stub, text())
    await mesh.until("SELECT attempt_count > 1 FROM outbox")
    assert await mesh.admin.fetchval("SELECT state IN ('PENDING', 'SENDING') FROM outbox")
    await mesh.stop()
    await mesh.start()
    await mesh.accepted(1)


@pytest.mark.parametrize("code", [130429, 131000, 2])
async def test_what_may_be_tried_again_is(mesh: Mesh, code: int) -> None:
    mesh.graph.script = [code]
    stub = await mesh.start()
    await mesh.say(stub, text())
    await mesh.accepted(1)
    await mesh.until("SELECT state = 'SENT' FROM outbox")
    assert len(mesh.graph.asked) == 2


@pytest.mark.parametrize("code", [131026, 100, 4711])
async def test_a_definite_refusal_is_final(mesh: Mesh, code: int) -> None:
    await sent_and_lost(mesh, code)
    row = await mesh.row("SELECT state, error_code FROM outbox")
    assert tuple(row) == ("REJECTED", code)
    assert len(mesh.graph.asked) == 1


@pytest.mark.parametrize("code", [190, 131048])
async def test_bad_credentials_let_the_number_rest_and_lose_nothing(mesh: Mesh, code: int) -> None:
    mesh.graph.script = [code]
    stub = await mesh.start(**(QUICK | {"pause_seconds": 300.0}))
    await mesh.say(stub, text())
    await mesh.until("SELECT count(*) FROM number_pause", value=1)
    await mesh.say(stub, text(phone="34600000002"))
    await mesh.until_answered(2)
    (kit,) = mesh.kits
    await eventually(lambda: kit.health.report()["degraded"])
    assert len(mesh.graph.asked) == 1
    await mesh.admin.execute("UPDATE number_pause SET pause_until = now()")
    await mesh.accepted(2)


async def test_the_pair_limit_delays_that_guest_alone(mesh: Mesh) -> None:
    mesh.graph.script = [131056]
    stub = await mesh.start()
    await mesh.say(stub, text(phone="341"))
    await mesh.until("SELECT error_code = 131056 FROM outbox")
    await mesh.say(stub, text("otra", phone="341"), text(phone="342"))
    sent = await mesh.accepted(3)
    assert [one["to"] for one in sent if one["to"] == "342"] == ["342"]
    mine = await mesh.admin.fetch("SELECT outbox_id FROM outbox ORDER BY outbox_number")
    order = [one["biz_opaque_callback_data"].rpartition("/")[2] for one in sent]
    assert order.index(str(mine[0]["outbox_id"])) < 2


async def test_the_pair_limit_is_no_harm_to_what_was_tried_a_thousand_times(mesh: Mesh) -> None:
    mesh.graph.script = [131056]
    stub = await mesh.start("serve", "steps")
    await mesh.say(stub, text())
    await mesh.until_answered(1)
    await mesh.admin.execute("UPDATE outbox SET attempt_count = 1000")
    await mesh.start("send")
    await mesh.until("SELECT state = 'PENDING' AND error_code = 131056 FROM outbox")
    assert await mesh.admin.fetchval("SELECT due_time < now() + interval '257 s' FROM outbox")


async def test_to_each_guest_one_at_a_time_and_in_order(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.start("send")
    for turn in range(8):
        await mesh.say(stub, *(text(f"hola {turn}", phone=f"34{n}") for n in range(12)))
    sent = await mesh.accepted(96)
    await mesh.until_quiet()
    assert mesh.graph.most_under_way == 1
    rows = await mesh.admin.fetch("SELECT outbox_id, mailbox_id FROM outbox ORDER BY outbox_number")
    boxes = {str(row["outbox_id"]): row["mailbox_id"] for row in rows}
    went = [one["biz_opaque_callback_data"].rpartition("/")[2] for one in sent]
    for box in set(boxes.values()):
        assert [o for o in went if boxes[o] == box] == [o for o, b in boxes.items() if b == box]
    assert len(mesh.graph.asked) == 96


async def test_a_guest_without_a_phone_is_written_to_by_user_id(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text(phone="", user="ES.77"))
    (sent,) = await mesh.accepted(1)
    assert sent["recipient"] == "ES.77"
    assert "to" not in sent
    assert b"ES.77" not in await mesh.admin.fetchval("SELECT body FROM outbox")
