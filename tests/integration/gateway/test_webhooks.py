"""Authentic webhooks: every item reaches the messaging service before the 200."""

from __future__ import annotations

import asyncio
import re

import pytest
from conserje.messaging.v1 import event_pb2 as pb
from google.rpc.status_pb2 import Status

from gateway import webhook
from tests import bodies
from tests.integration.gateway.conftest import SECRET, Gateway, key_of
from tests.waiting import eventually

TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01")
INVALID = Status(code=3, message="no")
AWAY = Status(code=14, message="away")


async def test_every_body_is_acknowledged_with_every_item_stored(gateway: Gateway) -> None:
    expected: set[tuple[str, str]] = set()
    for body in bodies.load():
        assert await gateway.post_signed(body.data) == 200, body.name
        assert len(gateway.messaging.stored) >= len(expected)
        expected |= {(item.number, item.account) for item in bodies.walk(body.json)}
    stored = {
        (event.phone_number_id, event.whatsapp_business_account_id)
        for event in gateway.messaging.events
    }
    assert stored == expected
    total = sum(len(list(bodies.walk(body.json))) for body in bodies.load())
    assert gateway.messaging.arrived >= total


@pytest.mark.parametrize(("seed", "count"), [(11, 40), (12, 1000)])
async def test_a_mixed_batch_is_stored_item_by_item(
    gateway: Gateway, seed: int, count: int
) -> None:
    composed = bodies.compose(seed, count)
    assert await gateway.post_signed(composed.data) == 200
    assert len(gateway.messaging.stored) == count
    assert max(gateway.messaging.batches) <= 256
    kinds = dict.fromkeys(("message", "status", "error", "field_update"), 0)
    for event in gateway.messaging.events:
        kinds[event.WhichOneof("payload") or ""] += 1
    for kind, number in kinds.items():
        assert gateway.count("gateway_items_total", kind=kind) == number


async def test_items_carry_when_they_came_and_their_trace(gateway: Gateway) -> None:
    before = gateway.kit.clock.now()
    assert await gateway.post_signed(bodies.body("batch_entries_changes_messages").data) == 200
    items = list(gateway.messaging.stored.values())
    after = gateway.kit.clock.now()
    assert len(items) == 5
    assert len({item.traceparent for item in items}) == 1
    assert TRACEPARENT.fullmatch(items[0].traceparent)
    assert all(
        before.timestamp() - 1e-3 <= item.receive_time.ToMicroseconds() / 1e6 <= after.timestamp()
        for item in items
    )
    # None has less than the others, so the deadline of the batch is that of each.
    assert not any(item.HasField("time_remaining") for item in items)


async def test_each_post_starts_a_trace_of_its_own(gateway: Gateway) -> None:
    theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for name in ("text", "reaction"):
        data = bodies.body(name).data
        status, _, _ = await gateway.post(data, bodies.sign(data, SECRET), traceparent=theirs)
        assert status == 200
    traces = {item.traceparent[3:35] for item in gateway.messaging.stored.values()}
    assert len(traces) == 2
    assert theirs[3:35] not in traces


async def test_the_span_of_a_webhook_holds_no_number(gateway: Gateway) -> None:
    assert await gateway.post_signed(bodies.body("text").data) == 200
    await gateway.kit.telemetry.aclose()
    spans = [span for span in gateway.spans.get_finished_spans() if span.name == "gateway webhook"]
    assert len(spans) == 1
    assert spans[0].attributes == {"conserje.items": 1, "http.response.status_code": 200}
    context = spans[0].context
    assert context is not None
    (item,) = gateway.messaging.stored.values()
    assert item.traceparent == f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


async def test_the_same_post_fifty_times_at_once(gateway: Gateway) -> None:
    composed = bodies.compose(21, 20)
    answers = await asyncio.gather(*(gateway.post_signed(composed.data) for _ in range(50)))
    assert answers == [200] * 50
    assert gateway.messaging.arrived == 1000
    assert len(gateway.messaging.stored) == 20
    for part in bodies.recompose(composed.items, 22, bodies=6):
        assert await gateway.post_signed(part.data) == 200
    assert len(gateway.messaging.stored) == 20


async def test_what_comes_while_others_commit_goes_on_together(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "CONFIRM_SECONDS", 30.0)
    gateway.messaging.open.clear()
    posts = [asyncio.create_task(gateway.post_signed(body_of(seed))) for seed in range(61, 93)]
    await eventually(lambda: taken_in(gateway) == 32)
    gateway.messaging.open.set()
    assert await asyncio.gather(*posts) == [200] * 32
    assert sum(gateway.messaging.batches) == 32
    # Two were under way; all the others left as soon as one of these was back.
    assert len(gateway.messaging.batches) <= 4


def taken_in(gateway: Gateway) -> float:
    """Items that are under way or wait for a batch."""
    names = ("coalescer_waiting_items", "coalescer_batch_items_sum")
    return sum(gateway.count(name, coalescer="ingest") for name in names)


def body_of(seed: int) -> bytes:
    """A body with one item."""
    return bodies.compose(seed, 1).data


async def test_what_was_refused_for_good_is_kept_raw(gateway: Gateway) -> None:
    """INVALID_ARGUMENT will be the answer every time, so the item goes as it came."""
    composed = bodies.compose(31, 30)
    gateway.messaging.error_of = lambda event: (
        INVALID if event.WhichOneof("payload") == "message" else None
    )
    assert await gateway.post_signed(composed.data) == 200
    assert len(gateway.messaging.stored) == 30
    messages = [item for item in composed.items if item.kind == "messages"]
    kept = [
        event
        for event in gateway.messaging.events
        if event.unreadable.reason == pb.UNREADABLE_REASON_SHAPE
    ]
    assert len(kept) == len(messages) > 0
    assert all(event.raw_json and event.phone_number_id for event in kept)


async def test_a_refused_item_keeps_its_key(gateway: Gateway) -> None:
    data = bodies.body("text").data
    refused: list[pb.InboundEvent] = []

    def refuse(event: pb.InboundEvent) -> Status | None:
        if event.HasField("message"):
            refused.append(event)
            return INVALID
        return None

    gateway.messaging.error_of = refuse
    assert await gateway.post_signed(data) == 200
    (kept,) = gateway.messaging.events
    assert key_of(kept) == key_of(refused[0])
    assert b'"text"' in kept.raw_json


async def test_refused_even_as_it_came(gateway: Gateway) -> None:
    gateway.messaging.error_of = lambda _: INVALID
    assert await gateway.post_signed(bodies.body("text").data) == 503
    assert gateway.messaging.arrived == 2


async def test_one_item_not_stored_is_a_body_not_stored(gateway: Gateway) -> None:
    composed = bodies.compose(41, 10)
    first = True

    def fail(_: pb.InboundEvent) -> Status | None:
        nonlocal first
        now, first = first, False
        return AWAY if now else None

    gateway.messaging.error_of = fail
    assert await gateway.post_signed(composed.data) == 503
    assert len(gateway.messaging.stored) == 9
    assert await gateway.post_signed(composed.data) == 200
    assert len(gateway.messaging.stored) == 10


async def test_messaging_away_and_back(gateway: Gateway) -> None:
    data = bodies.body("text").data
    await gateway.server.stop()
    status, headers, problem = await gateway.post(data, bodies.sign(data, SECRET))
    assert status == 503
    assert headers["Retry-After"] == "2"
    assert problem["title"] == "Not stored"
    assert gateway.count("gateway_webhooks_total", outcome="not_stored") == 1
    await gateway.server.start()
    assert 200 in [await gateway.post_signed(data) for _ in range(5)]
    assert len(gateway.messaging.events) == 1


async def test_no_answer_in_time_is_not_stored(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert webhook.CONFIRM_SECONDS == 2.0
    monkeypatch.setattr(webhook, "CONFIRM_SECONDS", 0.1)
    gateway.messaging.open.clear()
    data = bodies.body("text").data
    status, headers, _ = await gateway.post(data, bodies.sign(data, SECRET))
    assert status == 503
    assert "Retry-After" in headers
    gateway.messaging.open.set()
    assert await gateway.post_signed(data) == 200
    assert len(gateway.messaging.events) == 1


async def test_a_full_queue_loses_nothing(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "CONFIRM_SECONDS", 1.0)
    flood = [bodies.compose(seed, 1000).data for seed in range(52, 60)]
    gateway.messaging.open.clear()
    answers = await asyncio.gather(*(gateway.post_signed(data) for data in flood))
    assert answers == [503] * 8
    reasons = ("QUEUE_FULL", "TENANT_QUEUE_FULL")
    name = "coalescer_refused_items_total"
    assert sum(gateway.count(name, coalescer="ingest", reason=one) for one in reasons) > 0
    monkeypatch.setattr(webhook, "CONFIRM_SECONDS", 30.0)
    gateway.messaging.open.set()
    assert [await gateway.post_signed(data) for data in flood] == [200] * 8
    assert len(gateway.messaging.stored) == 8000


async def test_a_stop_lets_what_is_under_way_finish(gateway: Gateway) -> None:
    gateway.messaging.open.clear()
    under_way = asyncio.create_task(gateway.post_signed(bodies.body("text").data))
    await gateway.messaging.busy.wait()
    stopping = asyncio.create_task(gateway.kit.drain())
    await asyncio.sleep(0)
    assert gateway.kit.health.draining
    gateway.messaging.open.set()
    assert await under_way == 200
    await stopping
    assert len(gateway.messaging.events) == 1
