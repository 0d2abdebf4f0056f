"""A destination that answers when it is told to, and what every test asks of a coalescer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from meshkit.coalesce import Coalescer, CoalescerMetrics, Limits, Ticket
from meshkit.errors import MeshError

LONG = 60.0
"""Seconds: a deadline that no test reaches."""


@dataclass(frozen=True)
class Item:
    """What travels in these tests."""

    number: int
    tenant: str = "mirador"
    size: int = 1


Outcome = str | MeshError


def answer_to(item: Item) -> str:
    """The answer that belongs to `item` and to no other."""
    return f"answer {item.number}"


@dataclass(eq=False)
class Call:
    """One batch that reached the destination."""

    tickets: Sequence[Ticket[Item, str]]
    timeout: float
    reply: asyncio.Future[Sequence[Outcome]]
    cancelled: bool = False

    @property
    def items(self) -> list[Item]:
        """The items of the batch."""
        return [ticket.item for ticket in self.tickets]

    def answer(self) -> None:
        """Answer every item."""
        self.reply.set_result([answer_to(item) for item in self.items])

    def fail(self, error: Exception) -> None:
        """Refuse the batch as a whole."""
        self.reply.set_exception(error)


@dataclass(eq=False)
class Destination:
    """Keeps each batch until the test answers it, or lets `handle` answer at once."""

    handle: Callable[[Call], None] = lambda call: None
    calls: list[Call] = field(default_factory=list)

    async def send(self, batch: Sequence[Ticket[Item, str]], timeout: float) -> Sequence[Outcome]:
        """The `send` of a coalescer."""
        call = Call(batch, timeout, asyncio.get_running_loop().create_future())
        self.calls.append(call)
        self.handle(call)
        try:
            return await call.reply
        except asyncio.CancelledError:
            call.cancelled = True
            raise

    @property
    def open_calls(self) -> list[Call]:
        """The batches that were not answered yet."""
        return [call for call in self.calls if not call.reply.done()]

    @property
    def numbers(self) -> list[list[int]]:
        """The batches as lists of item numbers."""
        return [[item.number for item in call.items] for call in self.calls]


class Bench:
    """A coalescer, its destination, its metrics and the callers that were started."""

    def __init__(
        self,
        handle: Callable[[Call], None] = lambda call: None,
        *,
        limits: Limits | None = None,
        traceparent: Callable[[], str] = str,
    ) -> None:
        self.destination = Destination(handle)
        self.registry = CollectorRegistry()
        self.coalescer: Coalescer[Item, str] = Coalescer(
            self.destination.send,
            name="test",
            size_of=lambda item: item.size,
            tenant_of=lambda item: item.tenant,
            metrics=CoalescerMetrics(self.registry),
            traceparent=traceparent,
            limits=limits,
        )
        self.callers: list[asyncio.Task[str]] = []

    @property
    def calls(self) -> list[Call]:
        """The batches that reached the destination."""
        return self.destination.calls

    def start(self, *items: Item, timeout: float = LONG) -> list[asyncio.Task[str]]:
        """Start a caller for each item; they submit in the next turn of the loop."""
        loop = asyncio.get_running_loop()
        started = [loop.create_task(self.coalescer.submit(item, timeout)) for item in items]
        self.callers += started
        return started

    async def occupy(self, places: int = 4) -> None:
        """Fill so many places with a batch each that is not answered."""
        for number in range(places):
            self.start(Item(-1 - number, tenant="occupant"))
            await turns()

    async def finish(self) -> None:
        """Answer everything until nothing is under way, then check that nothing is left."""
        while open_calls := self.destination.open_calls:
            for call in open_calls:
                call.answer()
            await turns()
        await asyncio.gather(*self.callers, return_exceptions=True)
        await turns()
        self.check_nothing_left()

    def check_nothing_left(self) -> None:
        """Nobody waits: no item, no weight, no tenant, no batch, no task is kept."""
        coalescer = self.coalescer
        assert (len(coalescer._room), coalescer._room.bytes, coalescer._room.tenants) == (0, 0, 0)
        assert not coalescer._batches
        assert not [task for task in asyncio.all_tasks() if _runs_for(task, coalescer)]

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric of this coalescer."""
        value = self.registry.get_sample_value(name, {"coalescer": "test", **labels})
        return 0.0 if value is None else value


async def turns(count: int = 8) -> None:
    """Let the event loop run whatever is ready, without any time passing for timers."""
    for _ in range(count):
        await asyncio.sleep(0)


def items(count: int, first: int = 0, tenant: str = "mirador", size: int = 1) -> list[Item]:
    """So many items with numbers of their own."""
    return [Item(number, tenant, size) for number in range(first, first + count)]


def _runs_for(task: asyncio.Task[object], owner: object) -> bool:
    frame = getattr(task.get_coro(), "cr_frame", None)
    return frame is not None and frame.f_locals.get("self") is owner
