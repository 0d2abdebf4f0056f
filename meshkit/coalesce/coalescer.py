"""The coalescer: one per method and destination."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from functools import partial
from time import monotonic
from typing import Generic, TypeAlias, TypeVar

from meshkit.coalesce.metrics import CoalescerMetrics
from meshkit.coalesce.room import Answer, Batch, Bundle, Limits, Ticket, WaitingRoom
from meshkit.errors import (
    DeadlineExceeded,
    Internal,
    MeshError,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

Send: TypeAlias = Callable[
    [Sequence[Ticket[ItemT, ResultT]], float], Awaitable[Sequence[ResultT | MeshError]]
]
"""Carries one batch out within so many seconds and gives a result for each ticket, in order.
It raises when the batch is refused or lost as a whole, and is cancelled when nobody waits."""

# These say nothing about what the batch holds: sent again in two halves it would fare no better.
_NOT_ABOUT_CONTENT = (
    Unavailable,
    DeadlineExceeded,
    Unauthenticated,
    PermissionDenied,
    Unimplemented,
)

# What waits is shared out between the free places, so that this process packs one batch while the
# server works on another; but below this many items an RPC costs more than all that it carries.
_WORTH_A_BATCH = 32

# Event loops keep timers in milliseconds and may ring that much early.
_EARLY = 0.001


class Coalescer(Generic[ItemT, ResultT]):
    """Sends the items of independent callers in batches, each caller getting its own answer.

    - An item leaves at once while fewer than `limits.in_flight` batches are under way: at the end
      of the same turn of the event loop, together with what else was submitted in that turn.
      Otherwise it queues. Between overlapping calls there is no order.
    - What finds the queue full is refused at once: RESOURCE_EXHAUSTED `QUEUE_FULL`, or
      `TENANT_QUEUE_FULL` beyond a tenant's half, with a time to try again.
    - A caller waits by its own deadline only (DEADLINE_EXCEEDED `NOT_ANSWERED`), a batch as long
      as its longest item. What was given up before it left is never sent; after, the answer is
      thrown away, the write stands, and the call is cancelled once nobody waits for any item.
    - A batch that is refused as a whole is halved until the guilty item is alone, within its own
      place among those in flight. That is for refusals that may speak about the content: an
      invalid argument, an internal or unknown error, an exception of `send`, a message too big.
      Not for UNAVAILABLE, DEADLINE_EXCEEDED, UNAUTHENTICATED, PERMISSION_DENIED, UNIMPLEMENTED
      and RESOURCE_EXHAUSTED with a time to try again: those are every item's answer. Halves
      carry items that the server may have seen, so a batch method must be idempotent by key.
    """

    def __init__(
        self,
        send: Send[ItemT, ResultT],
        *,
        name: str,
        size_of: Callable[[ItemT], int],
        tenant_of: Callable[[ItemT], str],
        metrics: CoalescerMetrics,
        traceparent: Callable[[], str] = str,
        limits: Limits | None = None,
    ) -> None:
        """Needs a running event loop; all callers are of that loop.

        `traceparent` tells the trace context of whoever submits; by default there is none.
        """
        # Asking for the running loop is a system call in CPython 3.11, each time.
        self._loop = asyncio.get_running_loop()
        self._send = send
        self._size_of = size_of
        self._tenant_of = tenant_of
        self._traceparent = traceparent
        limits = limits if limits is not None else Limits()
        self._in_flight = limits.in_flight
        self._room: WaitingRoom[ItemT, ResultT] = WaitingRoom(limits)
        self._batches: set[Batch[ItemT, ResultT]] = set()
        self._departing = False
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_time = 0.0
        self._closed = False
        self._observe(name, metrics)

    def _observe(self, name: str, metrics: CoalescerMetrics) -> None:
        metrics.in_flight.labels(name).set_function(lambda: len(self._batches))
        metrics.waiting.labels(name).set_function(lambda: len(self._room))
        self._size = metrics.size.labels(name)
        self._wait = metrics.wait.labels(name)
        self._halved = metrics.halved.labels(name)
        self._given_up_before = metrics.given_up.labels(name, "before")
        self._given_up_after = metrics.given_up.labels(name, "after")
        self._refused = partial(metrics.refused.labels, name)

    async def submit(self, item: ItemT, timeout: float) -> ResultT:
        """The answer to `item`, or its error raised; `timeout` in seconds."""
        answer: asyncio.Future[ResultT | MeshError] = self._loop.create_future()
        ticket = self._admit(item, answer, monotonic(), timeout)
        try:
            outcome = await answer
        except asyncio.CancelledError:
            self._give_up(ticket)
            raise
        if isinstance(outcome, MeshError):
            raise outcome
        return outcome

    async def submit_all(
        self, items: Sequence[ItemT], timeout: float
    ) -> Sequence[ResultT | MeshError]:
        """The answer or error of each item, in order, for one wake-up of the caller.

        The items share batches with those of others and may be spread over several.
        """
        if not items:
            return ()
        if len(items) == 1:
            # As nearly all webhooks have it; a bundle of one would cost as much as its item.
            try:
                return (await self.submit(items[0], timeout),)
            except MeshError as error:
                return (error,)
        now = monotonic()
        bundle: Bundle[ResultT] = Bundle(len(items), self._loop)
        tickets = [
            self._admit(item, bundle.place(index), now, timeout) for index, item in enumerate(items)
        ]
        try:
            return await bundle.complete
        except asyncio.CancelledError:
            for ticket in tickets:
                self._give_up(ticket)
            raise

    async def aclose(self) -> None:
        """Take nothing more, and return when all that was taken is answered or given up."""
        self._closed = True
        while self._room or self._batches:
            self._flush()
            await asyncio.wait([batch.task for batch in self._batches if batch.task is not None])
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _admit(
        self, item: ItemT, answer: Answer[ResultT], now: float, timeout: float
    ) -> Ticket[ItemT, ResultT]:
        size, tenant, expires = self._size_of(item), self._tenant_of(item), now + timeout
        ticket = Ticket(item, answer, tenant, size, now, expires, self._traceparent())
        has_place = len(self._batches) < self._in_flight
        refusal = self._refusal(ticket, has_place)
        if refusal is not None:
            ticket.settle(refusal)
            return ticket
        self._room.add(ticket)
        if self._alarm is None or expires < self._alarm_time:
            self._set_alarm(expires)
        if has_place:
            self._depart()
        return ticket

    def _refusal(self, ticket: Ticket[ItemT, ResultT], has_place: bool) -> MeshError | None:
        if self._closed:
            return Unavailable("SHUTTING_DOWN", "this process is about to stop")
        if ticket.expires <= ticket.entered:
            return DeadlineExceeded("NOT_ANSWERED", "no time was left to send this")
        if has_place:
            return None
        refusal = self._room.refusal(ticket)
        if refusal is not None:
            self._refused(refusal.reason).inc()
        return refusal

    def _depart(self) -> None:
        """Let what waits leave at the end of this turn of the loop, or now if it fills a batch."""
        if self._room.fills_batch:
            self._flush()
        elif not self._departing:
            self._departing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._departing = False
        while self._room and (free := self._in_flight - len(self._batches)) > 0:
            share = -(-len(self._room) // free)
            self._launch(Batch(self._room.take(max(share, _WORTH_A_BATCH))))

    def _launch(self, batch: Batch[ItemT, ResultT]) -> None:
        self._size.observe(len(batch.tickets))
        self._wait.observe(monotonic() - batch.tickets[0].entered)
        self._batches.add(batch)
        # A context of its own: whoever happened to submit last lends the batch neither its
        # deadline nor its trace.
        task = self._loop.create_task(self._run(batch), context=Context())
        batch.task = task
        # Not `finally` in `_run`: a task that is cancelled before its first step never runs it.
        task.add_done_callback(partial(self._end, batch))

    def _end(self, batch: Batch[ItemT, ResultT], task: asyncio.Task[None]) -> None:
        """The batch's place is free. Whom it woke has run by now, so the next one takes along
        what they submitted."""
        self._batches.discard(batch)
        if batch.awaited:
            for ticket in batch.tickets:
                ticket.settle(Unavailable("BATCH_LOST", "the batch was cut off"))
        if not task.cancelled():
            task.result()
        self._flush()

    async def _run(self, batch: Batch[ItemT, ResultT]) -> None:
        parts = [batch.tickets]
        while parts:
            part = [ticket for ticket in parts.pop() if not ticket.settled]
            if not part:
                continue
            outcome = await self._attempt(part)
            if isinstance(outcome, MeshError):
                parts += self._judge(part, outcome)
            else:
                for ticket, result in zip(part, outcome, strict=True):
                    ticket.settle(result)

    async def _attempt(
        self, part: Sequence[Ticket[ItemT, ResultT]]
    ) -> Sequence[ResultT | MeshError] | MeshError:
        timeout = max(ticket.expires for ticket in part) - monotonic()
        try:
            results = await self._send(part, timeout)
        except MeshError as error:
            return error
        except Exception as error:
            refusal = Internal("BATCH_FAILED", "the batch could not be sent")
            refusal.__cause__ = error
            return refusal
        if len(results) != len(part):
            lost = Internal("RESULTS_MISMATCH", "the server answered another number of items")
            return [lost] * len(part)
        return results

    def _judge(
        self, part: list[Ticket[ItemT, ResultT]], error: MeshError
    ) -> list[list[Ticket[ItemT, ResultT]]]:
        """The halves to send after `part` was refused; none when `error` is everybody's answer."""
        if len(part) > 1 and _may_be_about_content(error):
            self._halved.inc()
            middle = len(part) // 2
            return [part[middle:], part[:middle]]
        for ticket in part:
            ticket.settle(_twin(error))
        return []

    def _give_up(self, ticket: Ticket[ItemT, ResultT]) -> None:
        if ticket.settled:
            return
        batch = ticket.batch
        ticket.close()
        if batch is None:
            self._room.remove(ticket)
            self._given_up_before.inc()
            return
        self._given_up_after.inc()
        if not batch.awaited and batch.task is not None:
            batch.task.cancel()

    def _set_alarm(self, expires: float) -> None:
        """One timer for all callers: one each would cost as much as the rest of an item."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_time = expires
        delay = max(0.0, expires - monotonic())
        self._alarm = self._loop.call_later(delay, self._sweep)

    def _sweep(self) -> None:
        """Send away those whose time is over, and set the alarm for whoever is next."""
        self._alarm = None
        now = monotonic() + _EARLY
        left = [ticket for batch in self._batches for ticket in batch.tickets]
        left = [ticket for ticket in (*self._room, *left) if not ticket.settled]
        for ticket in left:
            if ticket.expires <= now:
                self._give_up(ticket)
                ticket.deliver(DeadlineExceeded("NOT_ANSWERED", "no answer came in time"))
        expiries = [ticket.expires for ticket in left if not ticket.settled]
        if expiries:
            self._set_alarm(min(expiries))


def _may_be_about_content(error: MeshError) -> bool:
    if isinstance(error, ResourceExhausted):
        return error.retry_after is None
    return not isinstance(error, _NOT_ABOUT_CONTENT)


def _twin(error: MeshError) -> MeshError:
    """Each caller raises its own exception: a shared one would gather all their tracebacks."""
    twin = copy.copy(error)
    twin.__cause__ = error.__cause__
    return twin
