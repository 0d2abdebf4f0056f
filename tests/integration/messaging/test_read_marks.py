"""While an answer is prepared, the guest sees that the message is read and somebody is typing."""

from __future__ import annotations

import pytest

from services.messaging import read_marks
from tests.integration.messaging.mesh import DEADLINE, NUMBER, Mesh, text
from tests.waiting import eventually

OTHER, HOTEL = "999", "hotel-other"
STAY = "doble del 10 al 12 de enero para 2"


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The indicator lasts for a moment only."""
    monkeypatch.setattr(read_marks, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(read_marks, "LOOK_SECONDS", 0.05)


def _counted(mesh: Mesh, outcome: str) -> float:
    return mesh.kits[0].registry.get_sample_value("read_marks_total", {"outcome": outcome}) or 0.0


def _waiting(mesh: Mesh) -> float | None:
    return mesh.kits[0].registry.get_sample_value("read_marks_waiting")


async def test_in_the_pause_of_a_burst_the_newest_text_is_marked(mesh: Mesh) -> None:
    stub = await mesh.start(burst_pause_seconds=6.0, typing_after_seconds=0.1)
    await mesh.say(stub, text("hola", wamid="wamid.1"), text("para dos", wamid="wamid.2"))
    assert await mesh.marked(1) == ["wamid.2"]
    assert await mesh.admin.fetchval("SELECT count(*) FROM outbox") == 0


@pytest.mark.usefixtures("often")
async def test_it_is_renewed_while_the_answer_takes_long_and_not_after(mesh: Mesh) -> None:
    mesh.bookings.open.clear()
    stub = await mesh.start(typing_after_seconds=0.1)
    await mesh.say(stub, text(STAY, wamid="wamid.1"))
    assert (await mesh.marked(3))[:3] == ["wamid.1"] * 3
    mesh.bookings.open.set()
    await mesh.until_answered(1)
    await mesh.until_quiet()
    assert _waiting(mesh) == 0


@pytest.mark.usefixtures("often")
async def test_what_another_process_answered_is_not_marked(mesh: Mesh) -> None:
    """The one that looked first knows of the guest still; the database knows better."""
    stub = await mesh.start(burst_pause_seconds=0.0, typing_after_seconds=0.3)
    mesh.bookings.open.clear()
    await mesh.say(stub, text(STAY))
    await mesh.bookings.waiting.wait()
    await mesh.until("SELECT lease_number > 0 FROM mailbox")
    await mesh.admin.execute("UPDATE inbox SET state = 'DONE' WHERE state = 'PENDING'")
    await mesh.admin.execute("UPDATE effect SET state = 'DONE'")
    await mesh.until("SELECT now() > max(receive_time) + interval '1 second' FROM inbox")
    assert mesh.graph.marks == []
    assert _waiting(mesh) == 0
    mesh.bookings.open.set()


@pytest.mark.parametrize("after", [0.0, 25.0])
async def test_a_quick_answer_needs_none_and_none_may_be_wanted(mesh: Mesh, after: float) -> None:
    stub = await mesh.start(typing_after_seconds=after)
    await mesh.say(stub, text())
    await mesh.accepted(1)
    assert mesh.graph.marks == []
    assert _waiting(mesh) == 0


async def test_what_hangs_for_one_hotel_keeps_no_other_from_being_shown(mesh: Mesh) -> None:
    mesh.tenants.add(OTHER, HOTEL)
    mesh.graph.stuck = {NUMBER: 0}
    mesh.bookings.open.clear()
    stub = await mesh.start(typing_after_seconds=0.1)
    many = read_marks.SHARE + 8
    await mesh.say(stub, *(text(STAY, phone=f"346{guest:08}") for guest in range(many)))
    await mesh.until("SELECT count(*) FROM mailbox WHERE lease_number > 0", value=many)
    await mesh.say(stub, text(STAY, wamid="wamid.other", phone="34700000001", number=OTHER))
    assert await mesh.marked(1) == ["wamid.other"]
    assert mesh.graph.stuck[NUMBER] <= read_marks.SHARE
    mesh.bookings.open.set()


async def test_only_so_many_guests_are_remembered(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_marks, "MOST_WAITING", 2)
    mesh.bookings.open.clear()
    stub = await mesh.start(typing_after_seconds=25.0)
    await mesh.say(stub, *(text(STAY, phone=f"346{guest:08}") for guest in range(5)))
    await eventually(lambda: _counted(mesh, "forgotten") == 3, DEADLINE)
    assert _waiting(mesh) == 2
    mesh.bookings.open.set()


async def test_a_mark_that_fails_is_counted_and_harms_nothing(mesh: Mesh) -> None:
    mesh.graph.good_tokens[NUMBER] = "another than ours"
    mesh.bookings.open.clear()
    stub = await mesh.start(typing_after_seconds=0.1)
    await mesh.say(stub, text(STAY))
    await eventually(lambda: _counted(mesh, "failed") == 1, DEADLINE)
    mesh.graph.good_tokens.clear()
    mesh.bookings.open.set()
    assert len(await mesh.accepted(1)) == 1
