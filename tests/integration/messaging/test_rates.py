"""Meta's limits are kept before Meta has to say so, by all replicas together."""

from __future__ import annotations

from tests.integration.messaging.mesh import Mesh, text


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
