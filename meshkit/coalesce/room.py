"""Where items wait for a batch: bounded, fair between tenants, in order of arrival."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from meshkit.errors import MeshError, ResourceExhausted

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
ResultT_contra = TypeVar("ResultT_contra", contravariant=True)

MIB = 1024 * 1024

# A full room of 4,096 items is 16 batches, four at a time: gone within tens of milliseconds, so
# asking again sooner only adds to the crowd.
_RETRY_AFTER = 0.25


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much goes at once, and how much may wait.

    A batch is bounded so that one big webhook cannot hold up the server for long; servers accept
    8 MiB, so one item of more than `batch_bytes` can still go, alone.
    """

    in_flight: int = 4
    batch_items: int = 256
    batch_bytes: int = MIB
    waiting_items: int = 4096
    waiting_bytes: int = 16 * MIB

    def __post_init__(self) -> None:
        """Refuse limits under which a single tenant could not even fill a batch."""
        if min(self.in_flight, self.batch_items, self.batch_bytes) < 1:
            raise ValueError("a coalescer needs room for one batch of one item")
        if self.waiting_items < 2 * self.batch_items or self.waiting_bytes < 2 * self.batch_bytes:
            raise ValueError("half of what may wait, a tenant's share, must hold a whole batch")


class Ticket(Generic[ItemT, ResultT]):
    """One item on its way, and what travels with it.

    `expires` and `entered` are readings of `time.monotonic`; `traceparent` is the W3C trace
    context of the caller, or empty. `batch` is set from when it left until it is settled.
    """

    __slots__ = (
        "answer",
        "batch",
        "entered",
        "expires",
        "item",
        "settled",
        "size",
        "tenant",
        "traceparent",
    )

    def __init__(
        self,
        item: ItemT,
        answer: Answer[ResultT],
        tenant: str,
        size: int,
        entered: float,
        expires: float,
        traceparent: str,
    ) -> None:
        self.item = item
        self.answer = answer
        self.tenant = tenant
        self.size = size
        self.entered = entered
        self.expires = expires
        self.traceparent = traceparent
        self.batch: Batch[ItemT, ResultT] | None = None
        self.settled = False

    def settle(self, outcome: ResultT | MeshError) -> None:
        """Give the caller its answer; the second answer of an item is thrown away."""
        if not self.settled:
            self.close()
            self.deliver(outcome)

    def deliver(self, outcome: ResultT | MeshError) -> None:
        """Wake the caller, unless it was cancelled and has not had its turn to say so."""
        answer = self.answer
        if not answer.done():
            answer.set_result(outcome)

    def close(self) -> None:
        """Nobody waits for this item any more."""
        self.settled = True
        if self.batch is not None:
            self.batch.awaited -= 1
            self.batch = None


class Answer(Protocol[ResultT_contra]):
    """Where the outcome of an item goes: the future of its caller, or a place in a `Bundle`."""

    def done(self) -> bool:
        """It takes no outcome any more."""
        ...

    def set_result(self, outcome: ResultT_contra | MeshError, /) -> None:
        """Take the outcome."""
        ...


class Bundle(Generic[ResultT]):
    """The answers of items submitted together; `complete` is done when the last one is there."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.complete: asyncio.Future[list[ResultT | MeshError]] = loop.create_future()
        self._outcomes: dict[int, ResultT | MeshError] = {}
        self._count = count

    def place(self, index: int) -> Answer[ResultT]:
        """Where the outcome of the item at `index` goes."""
        return _Place(self, index)

    def put(self, index: int, outcome: ResultT | MeshError) -> None:
        """Take the outcome of the item at `index`."""
        outcomes = self._outcomes
        outcomes[index] = outcome
        if len(outcomes) == self._count and not self.complete.done():
            self.complete.set_result([outcomes[index] for index in range(self._count)])


class _Place(Generic[ResultT]):
    """One item's place in a bundle."""

    __slots__ = ("_bundle", "_index")

    def __init__(self, bundle: Bundle[ResultT], index: int) -> None:
        self._bundle = bundle
        self._index = index

    def done(self) -> bool:
        """A bundle keeps taking what comes."""
        return False

    def set_result(self, outcome: ResultT | MeshError, /) -> None:
        """Take the outcome."""
        self._bundle.put(self._index, outcome)


class Batch(Generic[ItemT, ResultT]):
    """Items that left together; `awaited` says for how many of them somebody still waits."""

    __slots__ = ("awaited", "task", "tickets")

    def __init__(self, tickets: list[Ticket[ItemT, ResultT]]) -> None:
        self.tickets = tickets
        self.awaited = len(tickets)
        self.task: asyncio.Task[None] | None = None
        for ticket in tickets:
            ticket.batch = self


class _Share:
    """What one tenant has waiting."""

    __slots__ = ("bytes", "items")

    def __init__(self) -> None:
        self.items = 0
        self.bytes = 0


class WaitingRoom(Generic[ItemT, ResultT]):
    """The items that wait, oldest first, with what they weigh in all and per tenant.

    A dict rather than a deque, so that an item whose caller gave up leaves at once and for good.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tickets: dict[Ticket[ItemT, ResultT], None] = {}
        self._shares: dict[str, _Share] = {}
        self._bytes = 0

    def __len__(self) -> int:
        """How many items wait."""
        return len(self._tickets)

    def __iter__(self) -> Iterator[Ticket[ItemT, ResultT]]:
        """The waiting items, oldest first."""
        return iter(self._tickets)

    @property
    def bytes(self) -> int:
        """What the waiting items weigh."""
        return self._bytes

    @property
    def tenants(self) -> int:
        """How many tenants have something waiting."""
        return len(self._shares)

    @property
    def fills_batch(self) -> bool:
        """Waiting longer would not make the next batch any bigger."""
        limits = self._limits
        return len(self._tickets) >= limits.batch_items or self._bytes >= limits.batch_bytes

    def refusal(self, ticket: Ticket[ItemT, ResultT]) -> ResourceExhausted | None:
        """Why `ticket` may not wait here, or None when there is room."""
        limits, items, weight = self._limits, len(self._tickets) + 1, self._bytes + ticket.size
        if items > limits.waiting_items or weight > limits.waiting_bytes:
            return ResourceExhausted(
                "QUEUE_FULL", "too much is waiting to be sent", retry_after=_RETRY_AFTER
            )
        share = self._shares.get(ticket.tenant)
        items, weight = (share.items, share.bytes) if share is not None else (0, 0)
        if 2 * (items + 1) > limits.waiting_items or 2 * (weight + ticket.size) > (
            limits.waiting_bytes
        ):
            return ResourceExhausted(
                "TENANT_QUEUE_FULL",
                "this tenant has its whole share of the queue waiting",
                retry_after=_RETRY_AFTER,
            )
        return None

    def add(self, ticket: Ticket[ItemT, ResultT]) -> None:
        """Let `ticket` wait."""
        self._tickets[ticket] = None
        self._bytes += ticket.size
        share = self._shares.get(ticket.tenant)
        if share is None:
            share = self._shares[ticket.tenant] = _Share()
        share.items += 1
        share.bytes += ticket.size

    def remove(self, ticket: Ticket[ItemT, ResultT]) -> None:
        """Let `ticket` go; it must be waiting."""
        del self._tickets[ticket]
        self._bytes -= ticket.size
        share = self._shares[ticket.tenant]
        share.items -= 1
        share.bytes -= ticket.size
        if not share.items:
            del self._shares[ticket.tenant]

    def take(self, most: int) -> list[Ticket[ItemT, ResultT]]:
        """Let the oldest items go that fit into one batch, `most` at most; one always fits."""
        most = min(most, self._limits.batch_items)
        taken: list[Ticket[ItemT, ResultT]] = []
        weight = 0
        for ticket in self._tickets:
            weight += ticket.size
            if taken and (len(taken) == most or weight > self._limits.batch_bytes):
                break
            taken.append(ticket)
        if len(taken) == len(self._tickets):
            self._clear()
        else:
            for ticket in taken:
                self.remove(ticket)
        return taken

    def _clear(self) -> None:
        self._tickets.clear()
        self._shares.clear()
        self._bytes = 0
