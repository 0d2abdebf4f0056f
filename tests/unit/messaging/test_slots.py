"""How much a worker takes up at once."""

from __future__ import annotations

import asyncio

from services.messaging.slots import Slots


class Work:
    """Pieces of work that end when they are told to."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.gates: list[asyncio.Event] = []

    def begin(self, count: int) -> None:
        for _ in range(count):
            gate = asyncio.Event()
            self.gates.append(gate)
            self._slots.start(self._run(gate))

    async def _run(self, gate: asyncio.Event) -> None:
        await gate.wait()

    def end(self, count: int) -> None:
        for _ in range(count):
            self.gates.pop().set()


async def test_one_free_slot_is_enough_when_there_is_little() -> None:
    slots = Slots(8)
    work = Work(slots)
    work.begin(7)
    slots.claimed(3, asked=8)
    assert await slots.free() == 1
    work.end(7)
    await slots.drain()


async def test_full_slots_are_waited_for() -> None:
    slots = Slots(4)
    work = Work(slots)
    work.begin(4)
    waiting = asyncio.create_task(slots.free())
    await asyncio.sleep(0)
    assert not waiting.done()
    work.end(1)
    assert await waiting == 1
    work.end(3)
    await slots.drain()


async def test_while_there_is_plenty_a_batch_is_gathered() -> None:
    slots = Slots(8)
    work = Work(slots)
    work.begin(8)
    slots.claimed(8, asked=8)
    waiting = asyncio.create_task(slots.free())
    work.end(2)
    assert await waiting == 2
    work.end(6)
    await slots.drain()


async def test_slow_work_does_not_keep_free_slots_empty() -> None:
    slots = Slots(8)
    work = Work(slots)
    work.begin(7)
    slots.claimed(8, asked=8)
    assert await asyncio.wait_for(slots.free(), 5) == 1
    work.end(7)
    await slots.drain()


async def test_the_end_of_work_is_told() -> None:
    slots = Slots(2)
    told = asyncio.Event()

    async def nothing() -> None:
        return

    slots.start(nothing(), told.set)
    await asyncio.wait_for(told.wait(), 5)
    assert await slots.free() == 2
