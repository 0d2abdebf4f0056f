"""Meta's limits are kept before Meta has to say so, by all replicas together."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from conserje.tenant.v1.tenant_pb2 import (
    THROUGHPUT_TIER_COEXISTENCE,
    THROUGHPUT_TIER_HIGH,
    THROUGHPUT_TIER_STANDARD,
    THROUGHPUT_TIER_UNSPECIFIED,
    RoutingRecord,
    ThroughputTier,
)
from prometheus_client import CollectorRegistry

from copies.directory import Directory, record_of
from meshkit.clock import SystemClock
from meshkit.rate_limit import RateLimiter, RateLimitMetrics
from meshkit.redis_pool import make_redis
from meshkit.watch import WatchMetrics
from services.messaging.rates import SendRates
from services.messaging.store.outbox import Sending
from tests.integration.messaging.mesh import NUMBER, Mesh, text
from tests.tenants import Watched


async def waiting(mesh: Mesh, count: int) -> None:
    """Many messages to one guest, written but not sent."""
    stub = await mesh.start("serve", "steps")
    for turn in range(count):
        await mesh.say(stub, text(f"hola {turn}"))
    await mesh.until_answered(count)


async def test_the_46th_message_of_a_burst_waits_and_is_not_refused(mesh: Mesh) -> None:
    await waiting(mesh, 1)
    await mesh.admin.execute(COPIES, 49)
    await mesh.start("send")
    await mesh.start("send")
    await mesh.accepted(45)
    put_off = "SELECT due_time > now() + interval '1 s' AND attempt_count = 0 FROM outbox"
    await mesh.until(f"{put_off} WHERE state = 'PENDING' ORDER BY outbox_number LIMIT 1")
    assert len(mesh.graph.asked) == 45
    assert await mesh.admin.fetchval("SELECT count(*) FROM outbox WHERE state = 'PENDING'") == 5


async def test_a_number_sends_as_fast_as_it_may_and_no_other_waits_for_it(mesh: Mesh) -> None:
    mesh.tenants.add("999", "hotel-other")
    stub = await mesh.start("serve", "steps")
    await mesh.say(stub, *(text(phone=f"34{n}") for n in range(30)), text(number="999"))
    await mesh.until_answered(31)
    await mesh.start("send", number_messages_per_second=1.0)
    sent = await mesh.accepted(2)
    assert "34600000001" in {one["to"] for one in sent}
    await mesh.until("SELECT count(*) > 20 FROM outbox WHERE due_time > now()")
    # Nobody was refused: what waits was put off before it left.
    assert len(mesh.graph.asked) == len(mesh.graph.accepted)


async def test_each_number_sends_at_its_own_tier_and_with_its_own_graph_version(
    mesh: Mesh,
) -> None:
    mesh.tenants.add("999", "hotel-other", tier=THROUGHPUT_TIER_HIGH, graph_version="v24.0")
    stub = await mesh.start("serve", "steps")
    await mesh.say(stub, *(text(phone=f"34{n}") for n in range(8)))
    await mesh.say(stub, *(text(phone=f"35{n}", number="999") for n in range(12)))
    await mesh.until_answered(20)
    # The other number's limit is the installation's: one message, and the next in 1,000 s; one
    # more is its local share, should Redis have been too slow for the first.
    await mesh.start("send", number_messages_per_second=0.001)
    sent = "SELECT count(*) FROM outbox WHERE state = 'SENT' AND phone_number_id = $1"
    await mesh.until(sent, "999", value=12)
    put_off = "state = 'PENDING' AND due_time > now() + interval '100 s'"
    await mesh.until(f"SELECT count(*) >= 6 FROM outbox WHERE {put_off}")
    assert await mesh.admin.fetchval(sent, NUMBER) in (1, 2)
    assert mesh.graph.versions == {NUMBER: {"v26.0"}, "999": {"v24.0"}}
    # What Meta changes is told, and holds for what leaves from then on.
    mesh.tenants.add("999", "hotel-other", graph_version="v25.0")
    mesh.tenants.add(NUMBER, "hotel-mirador", tier=THROUGHPUT_TIER_HIGH)
    await mesh.until_told()
    await mesh.say(stub, text(phone="359", number="999"))
    await mesh.until(sent, "999", value=13)
    assert mesh.graph.versions == {NUMBER: {"v26.0"}, "999": {"v24.0", "v25.0"}}


@pytest.mark.parametrize(
    ("tier", "at_once"),
    [
        (THROUGHPUT_TIER_UNSPECIFIED, 5),
        (THROUGHPUT_TIER_COEXISTENCE, 2),
        (THROUGHPUT_TIER_STANDARD, 8),
        (THROUGHPUT_TIER_HIGH, 100),
    ],
)
async def test_a_tenth_of_a_second_of_its_tier_may_leave_at_once(
    redis_url: str, tier: ThroughputTier.ValueType, at_once: int
) -> None:
    registry = CollectorRegistry()
    directory = Directory(
        Watched(),  # type: ignore[arg-type]
        clock=SystemClock(),
        registry=registry,
        watches=WatchMetrics(registry),
    )
    record = RoutingRecord(phone_number_id=NUMBER, throughput_tier=tier)
    directory.change(1, [record_of(record)])
    redis = make_redis(redis_url)
    limiter = RateLimiter(
        redis,
        name="sends",
        most_replicas=1,
        clock=SystemClock(),
        metrics=RateLimitMetrics(registry),
    )
    try:
        # All are asked for at one moment of Redis: none comes back meanwhile.
        waits = await SendRates(limiter, directory, 50.0).waits([sending(n) for n in range(150)])
    finally:
        await redis.aclose(close_connection_pool=True)
    assert Counter(map(bool, waits)) == {False: at_once, True: 150 - at_once}


def sending(mailbox_id: int) -> Sending:
    """A message to somebody, from the one number."""
    return Sending(
        tenant_id="hotel-mirador",
        outbox_id=uuid4(),
        mailbox_id=mailbox_id,
        phone_number_id=NUMBER,
        kind="TEXT",
        body=b"{}",
        attempt_count=0,
        create_time=datetime.now(UTC),
        traceparent="",
        whatsapp_id=b"34600000001",
        user_id=None,
        window_open=True,
        stands_for=None,
    )


async def test_after_130429_the_number_rests_on_all_replicas(mesh: Mesh) -> None:
    stub = await mesh.start("serve", "steps")
    await mesh.say(stub, *(text(phone=f"34{n}") for n in range(4)))
    await mesh.until_answered(4)
    mesh.graph.script = [130429] * 4
    await mesh.start("send")
    await mesh.start("send")
    await mesh.accepted(4)
    assert len(mesh.graph.asked) == 8


COPIES = """
INSERT INTO outbox (tenant_id, outbox_id, mailbox_id, phone_number_id, kind, body,
                    hold_for_person, answers, traceparent)
SELECT tenant_id, gen_random_uuid(), mailbox_id, phone_number_id, kind, body, false, '{}', ''
FROM outbox, generate_series(1, $1)
"""
