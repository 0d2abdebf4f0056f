"""Texts close to each other are answered as one, and each is named by that answer alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.messaging.conversation import machine
from services.messaging.conversation.events import GuestText
from tests.integration.messaging.mesh import Mesh, tap, text

PAUSE = 0.6


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the conversation was told, tap or text; `poison` in it fails the step."""
    words: list[str] = []
    advance = machine.advance

    def advances(state: Any, event: Any, hotel: Any) -> Any:
        told = event.text if isinstance(event, GuestText) else type(event).__name__
        words.append(told)
        if "poison" in told:
            raise ArithmeticError("poison")
        return advance(state, event, hotel)

    monkeypatch.setattr(machine, "advance", advances)
    return words


async def _answers(mesh: Mesh) -> list[list[int]]:
    rows = await mesh.admin.fetch(
        "SELECT answers FROM outbox WHERE answers <> '{}' ORDER BY outbox_number"
    )
    return [list(row["answers"]) for row in rows]


async def _ids(mesh: Mesh) -> list[int]:
    return [row[0] for row in await mesh.admin.fetch("SELECT inbox_id FROM inbox ORDER BY 1")]


async def test_a_burst_is_answered_as_one(mesh: Mesh, heard: list[str]) -> None:
    stub = await mesh.start(burst_pause_seconds=PAUSE)
    for line in ("hola", "quiero una habitación", "para dos"):
        await mesh.say(stub, text(line))
    await mesh.until_answered(1)
    await mesh.until_quiet()
    assert heard == ["hola\nquiero una habitación\npara dos"]
    assert await _answers(mesh) == [await _ids(mesh)]


async def test_one_guests_pause_is_not_anothers(mesh: Mesh, heard: list[str]) -> None:
    stub = await mesh.start(burst_pause_seconds=PAUSE)
    await mesh.say(stub, text("hola", phone="341"), text("buenas", phone="342"))
    await mesh.until_answered(2)
    assert sorted(heard) == ["buenas", "hola"]


async def test_a_tap_waits_for_nothing_and_ends_the_burst(mesh: Mesh, heard: list[str]) -> None:
    stub = await mesh.start(burst_pause_seconds=6.0)
    await mesh.say(stub, text("uno"), text("dos"))
    await mesh.until("SELECT lease_number > 0 AND lease_until < now() FROM mailbox")
    assert heard == []
    async with asyncio.timeout(5.5):
        await mesh.say(stub, tap("nowhere"))
        await mesh.until_answered(2)
    assert heard == ["uno\ndos", "GuestTap"]
    first, second, third = await _ids(mesh)
    assert await _answers(mesh) == [[first, second], [third]]


async def test_who_never_stops_writing_is_answered_after_six_seconds_of_waiting(
    mesh: Mesh, heard: list[str]
) -> None:
    await mesh.start("serve")
    stub = mesh.stub(mesh.kits[0].ports["grpc"])
    await mesh.say(stub, text("uno"))
    # Seven seconds ago, and one more line just now.
    await mesh.admin.execute("UPDATE inbox SET arrive_time = arrive_time - interval '7 seconds'")
    await mesh.say(stub, text("dos"))
    await mesh.start("steps", burst_pause_seconds=6.0)
    async with asyncio.timeout(5.5):
        await mesh.until_answered(1)
    assert heard == ["uno\ndos"]


async def test_a_poisoned_text_is_set_aside_without_its_burst(mesh: Mesh, heard: list[str]) -> None:
    stub = await mesh.start(burst_pause_seconds=PAUSE, step_attempts=3)
    await mesh.say(stub, text("uno"), text("poison"), text("tres"))
    await mesh.until("SELECT count(*) FROM inbox WHERE state = 'DONE'", value=2)
    await mesh.until_quiet()
    first, poisoned, third = await _ids(mesh)
    assert await _answers(mesh) == [[first], [third]]
    row = await mesh.row("SELECT inbox_id, failure FROM inbox WHERE state = 'DEAD'")
    assert tuple(row) == (poisoned, "ArithmeticError")
