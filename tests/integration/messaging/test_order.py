"""A guest's messages are answered in order, each once, whoever works on them."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import defaultdict

from tests.integration.messaging.mesh import NUMBER, Mesh, text
from tests.waiting import eventually

ASKS = "del 10 al 12 de diciembre para 2 personas"


async def test_a_thousand_items_through_four_replicas(mesh: Mesh) -> None:
    stub = await mesh.start("serve", "steps")
    for _ in range(3):
        await mesh.start("steps")
    start = int(time.time()) - 3600
    chance = random.Random(11)
    said = [(guest, turn) for turn in range(10) for guest in range(100)]
    for at in range(0, 1000, 100):
        batch = [
            text(phone=f"346{guest:08}", seconds=start + turn // 3)
            for guest, turn in said[at : at + 100]
        ]
        # Different guests in any order; one guest's own messages arrive as written.
        chance.shuffle(batch)
        await mesh.say(stub, *batch)
    await mesh.until("SELECT NOT EXISTS (SELECT FROM inbox WHERE state = 'PENDING')")
    came = await mesh.admin.fetch(
        "SELECT mailbox_id, inbox_id FROM inbox ORDER BY order_time, inbox_id"
    )
    told = await mesh.admin.fetch("SELECT mailbox_id, answers FROM outbox ORDER BY outbox_number")
    expected, answered = defaultdict(list), defaultdict(list)
    for row in came:
        expected[row["mailbox_id"]].append(row["inbox_id"])
    for row in told:
        answered[row["mailbox_id"]].extend(row["answers"])
    assert len(came) == 1000
    assert answered == expected
    assert not await mesh.admin.fetchval("SELECT count(*) FROM inbox WHERE late")


async def test_what_turns_up_after_its_successor_is_answered_and_marked(mesh: Mesh) -> None:
    stub = await mesh.start("serve", "steps")
    now = int(time.time())
    await mesh.say(stub, text(seconds=now))
    await mesh.until_answered(1)
    await mesh.say(stub, text(seconds=now - 5))
    await mesh.until_answered(2)
    late = await mesh.admin.fetch("SELECT late FROM inbox ORDER BY inbox_id")
    assert [row["late"] for row in late] == [False, True]


async def test_a_replica_that_was_stopped_past_its_lease_commits_nothing(mesh: Mesh) -> None:
    mesh.bookings.open.clear()
    stalled = await mesh.spawn(lease_seconds=1.0)
    stub = await mesh.start("serve")
    await mesh.say(stub, text(ASKS))
    await asyncio.wait_for(mesh.bookings.waiting.wait(), 20)
    stalled.signal(signal.SIGSTOP)
    mesh.bookings.open.set()
    await mesh.start("steps", lease_seconds=1.0)
    await mesh.until_answered(1)
    stalled.signal(signal.SIGCONT)
    await eventually(lambda: stalled.counted('steps_total{outcome="fenced"}'))
    # What comes next finds the stalled one alive and well.
    await mesh.say(stub, text())
    await mesh.until_answered(2)
    answers = await mesh.admin.fetch("SELECT answers FROM outbox ORDER BY outbox_number")
    ids = await mesh.admin.fetch("SELECT inbox_id FROM inbox ORDER BY inbox_id")
    assert [list(row["answers"]) for row in answers] == [[row["inbox_id"]] for row in ids]


async def test_a_slow_step_keeps_its_lease(mesh: Mesh) -> None:
    mesh.bookings.open.clear()
    stub = await mesh.start("serve", "steps", lease_seconds=0.6)
    await mesh.say(stub, text(ASKS))
    await asyncio.wait_for(mesh.bookings.waiting.wait(), 20)
    claimed = await mesh.row("SELECT lease_number, lease_until FROM mailbox")
    await mesh.start("steps", lease_seconds=0.6)
    await mesh.until(
        "SELECT lease_until > $1::timestamptz + interval '1 second' FROM mailbox",
        claimed["lease_until"],
    )
    mesh.bookings.open.set()
    await mesh.until_answered(1)
    assert await mesh.admin.fetchval("SELECT lease_number FROM mailbox") == claimed["lease_number"]


async def test_one_hotel_takes_its_share_of_a_claim_and_no_more(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    crowd = [text(phone=f"346{n:08}") for n in range(500)]
    await mesh.say(stub, *crowd)
    await mesh.say(stub, text(number="100000000000002"))
    inbox = await mesh.inbox()
    leases = await inbox.claim(limit=64, share=16, seconds=15, items=16)
    numbers = [lease.phone_number_id for lease in leases]
    assert (numbers.count("100000000000001"), numbers.count("100000000000002")) == (16, 1)
    again = await inbox.claim(limit=64, share=16, seconds=15, items=16)
    assert not {lease.mailbox_id for lease in leases} & {lease.mailbox_id for lease in again}


async def test_a_flood_leaves_room_for_another_hotel(mesh: Mesh) -> None:
    other = "100000000000003"
    mesh.tenants.add(other, "hotel-other")
    mesh.bookings.open.clear()
    stub = await mesh.start("serve", "steps", step_concurrency=8, step_share=4)
    await mesh.say(stub, *(text(ASKS, phone=f"346{n:08}") for n in range(50)))
    leased = "SELECT count(*) FROM mailbox WHERE phone_number_id = $1 AND lease_until > now()"
    await mesh.until(leased, NUMBER, value=4)
    # None of the flood gets on, and the other hotel does not notice.
    await mesh.say(stub, *(text(number=other, phone=f"346{n:08}") for n in range(20)))
    await mesh.until("SELECT count(*) FROM outbox WHERE tenant_id = 'hotel-other'", value=20)
    assert await mesh.admin.fetchval(leased, NUMBER) <= 4
    mesh.bookings.open.set()
    await mesh.until_answered(70)


async def test_what_comes_while_a_mailbox_is_let_go_is_not_forgotten(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    inbox = await mesh.inbox()
    await mesh.say(stub, text())
    (lease,) = await inbox.claim(limit=1, share=1, seconds=15, items=16)
    await mesh.say(stub, text())
    await inbox.release(lease, more=False)
    (again,) = await inbox.claim(limit=1, share=1, seconds=15, items=16)
    assert len(again.items) == 2
    await inbox.release(again, more=False)
    assert await inbox.claim(limit=1, share=1, seconds=15, items=16) == []
