"""Commands are carried out once, whatever crashes, and heard of before anything later."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from conserje.booking.v1.booking_service_pb2 import AcquireLockRequest

from meshkit.clock import FakeClock
from meshkit.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    ResourceExhausted,
    Unavailable,
)
from tests.integration.messaging.mesh import Mesh, ids_in, tap, text

ASKS = "del 10 al 12 de diciembre para 2 personas"
COMMANDS = "SELECT state FROM effect ORDER BY effect_number"


async def offered(mesh: Mesh, stub: Any) -> str:
    """Bring a guest to a list of rooms; the id of the row to tap."""
    await mesh.say(stub, text(ASKS))
    (sent,) = await mesh.accepted(1)
    return ids_in(sent)[0]


async def test_a_command_is_the_same_bytes_until_it_is_answered(mesh: Mesh) -> None:
    failures = [Unavailable("AWAY"), DeadlineExceeded("SLOW"), ResourceExhausted("BUSY")]
    stub = await mesh.start()
    row = await offered(mesh, stub)
    mesh.bookings.after = lambda _: failures.pop() if failures else None
    await mesh.say(stub, tap(row))
    await mesh.accepted(2)
    assert len(mesh.bookings.requests) == 4
    assert len(set(mesh.bookings.requests)) == 1
    assert len(mesh.bookings.decided) == 1
    await mesh.until_quiet()
    assert len(mesh.graph.accepted) == 2


async def test_a_tap_is_answered_once_by_what_became_of_its_command(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, tap(await offered(mesh, stub)))
    await mesh.accepted(2)
    await mesh.until_quiet()
    answers = await mesh.admin.fetch("SELECT answers FROM outbox ORDER BY outbox_number")
    items = await mesh.admin.fetch("SELECT inbox_id FROM inbox ORDER BY inbox_id")
    assert [list(row["answers"]) for row in answers] == [[row["inbox_id"]] for row in items]


async def test_refusals_are_final_and_told(mesh: Mesh) -> None:
    stub = await mesh.start()
    row = await offered(mesh, stub)
    mesh.bookings.answer = lambda _: FailedPrecondition("SOLD_OUT")
    await mesh.say(stub, tap(row))
    await mesh.accepted(2)
    assert len(mesh.bookings.requests) == 1
    effect = await mesh.row("SELECT state, answer_ok FROM effect")
    assert tuple(effect) == ("DONE", False)


async def test_a_fault_of_the_service_is_final_too(mesh: Mesh) -> None:
    stub = await mesh.start()
    row = await offered(mesh, stub)
    mesh.bookings.answer = lambda _: Internal("BROKEN")
    await mesh.say(stub, tap(row))
    await mesh.accepted(2)
    assert len(mesh.bookings.requests) == 1


async def test_what_comes_meanwhile_waits_for_the_answer(mesh: Mesh) -> None:
    stub = await mesh.start()
    row = await offered(mesh, stub)
    away = Unavailable("AWAY")
    mesh.bookings.before = lambda _: away
    await mesh.say(stub, tap(row))
    await mesh.until("SELECT attempt_count > 0 FROM effect")
    await mesh.say(stub, text("hola?"))
    # The claim of the later message finds the open command and lets go.
    await mesh.until("SELECT due_time IS NULL AND lease_number >= 3 FROM mailbox")
    assert await mesh.admin.fetchval("SELECT count(*) FROM inbox WHERE state = 'PENDING'") == 1
    mesh.bookings.before = lambda _: None
    await mesh.accepted(3)
    answers = await mesh.admin.fetch("SELECT answers FROM outbox ORDER BY outbox_number")
    items = await mesh.admin.fetch("SELECT inbox_id FROM inbox ORDER BY inbox_id")
    assert [list(row["answers"]) for row in answers] == [[row["inbox_id"]] for row in items]


async def test_killed_after_the_booking_and_before_its_answer_was_stored(mesh: Mesh) -> None:
    died = asyncio.Event()
    doomed = await mesh.spawn()
    stub = mesh.stub(doomed.ports["grpc"])
    row = await offered(mesh, stub)

    def die(_: Any) -> None:
        if not died.is_set():
            doomed.kill_now()
            died.set()

    mesh.bookings.after = die
    await mesh.say(stub, tap(row))
    await asyncio.wait_for(died.wait(), 20)
    await doomed.kill()
    assert [row["state"] for row in await mesh.admin.fetch(COMMANDS)] == ["OPEN"]
    # A day later other dates would be meant, and nothing is free any more.
    mesh.clock = FakeClock(datetime.now(UTC) + timedelta(days=1))
    await mesh.admin.execute("UPDATE effect SET due_time = now()")
    mesh.bookings.answer = lambda _: FailedPrecondition("SOLD_OUT")
    await mesh.start()
    await mesh.accepted(2)
    await mesh.until_quiet()
    requests = mesh.bookings.requests
    assert len(requests) == 2
    assert requests[0] == requests[1]
    assert AcquireLockRequest.FromString(requests[0][1]).room_type_id == "double"
    assert len(mesh.bookings.decided) == 1
    assert len(mesh.graph.accepted) == 2
    assert ids_in(mesh.graph.accepted[1]), "the guest is offered to confirm the room that is kept"


async def test_a_guest_is_told_one_code(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, tap(await offered(mesh, stub)))
    sent = await mesh.accepted(2)
    failures = [Unavailable("LOST"), Unavailable("LOST")]
    mesh.bookings.after = lambda _: failures.pop() if failures else None
    await mesh.say(stub, tap(ids_in(sent[1])[0]))
    sent = await mesh.accepted(3)
    await mesh.until_quiet()
    assert len(mesh.graph.accepted) == 3
    assert "K7M2QX9P" in str(sent[2])
    held = await mesh.row("SELECT hold_for_person FROM outbox ORDER BY outbox_number DESC LIMIT 1")
    assert held["hold_for_person"]
    assert (
        await mesh.admin.fetchval(
            "SELECT confirmation_code FROM effect WHERE answer_ok "
            "ORDER BY effect_number DESC LIMIT 1"
        )
        == "K7M2QX9P"
    )
