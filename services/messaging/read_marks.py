"""What a guest sees while an answer is prepared: the message is read, and somebody is typing.

A courtesy, so nothing of it is stored: it is remembered in memory by the process that leads the
conversation, shown at most so often, and what goes wrong with it is counted and left.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog
from conserje.messaging.v1.event_pb2 import InboundEvent

from meshkit.errors import Unavailable
from meshkit.waiting import first_of, set_within
from services.messaging.directory import holder_of
from services.messaging.slots import Slots
from services.messaging.whatsapp.build import read_body
from services.messaging.whatsapp.client import Accepted, Outcome
from services.messaging.whatsapp.sends import ReadMark

if TYPE_CHECKING:
    from copies.directory import Directory
    from meshkit.clock import Clock
    from services.messaging.metrics import MessagingMetrics
    from services.messaging.store.inbox import InboxStore, Lease, PendingItem
    from services.messaging.tokens import Tokens
    from services.messaging.whatsapp.client import GraphClient

MOST_WAITING = 2048
"""Guests remembered; beyond, the newest is not shown that somebody is typing."""
AT_ONCE = 16
SHARE = 4
"""Marks under way for one hotel at most: what hangs for it keeps no other's from going."""
RENEW_SECONDS = 20.0
"""Meta takes the indicator away after 25 s."""
LONGEST_SECONDS = 120.0
"""After that nobody believes any more that somebody is typing."""
LOOK_SECONDS = 0.2

log = structlog.get_logger()


@dataclass(slots=True)
class _Waiting:
    """A guest who has written and not been answered."""

    tenant_id: str
    phone_number_id: str
    newest: PendingItem
    since: float
    due: float


class ReadMarks:
    """Marks as read, with the typing indicator, what is not answered soon."""

    def __init__(
        self,
        *,
        inbox: InboxStore,
        graph: GraphClient,
        tokens: Tokens,
        directory: Directory,
        clock: Clock,
        metrics: MessagingMetrics,
        after_seconds: float,
    ) -> None:
        """`after_seconds`: an answer that takes no longer needs no indicator; 0 shows none."""
        self._inbox = inbox
        self._graph = graph
        self._tokens = tokens
        self._directory = directory
        self._clock = clock
        self._metrics = metrics
        self._after = after_seconds
        self._waiting: dict[int, _Waiting] = {}
        self._under_way: Counter[str] = Counter()
        self._slots = Slots(AT_ONCE)
        self._news = asyncio.Event()
        metrics.read_marks_waiting.set_function(lambda: len(self._waiting))

    def expect(self, tenant_id: str, lease: Lease) -> None:
        """The newest message of a leased mailbox waits for its answer."""
        if not self._after or not lease.items:
            return
        newest = lease.items[-1]
        known = self._waiting.get(lease.mailbox_id)
        if known is not None and known.newest.inbox_id == newest.inbox_id:
            return
        if known is None and len(self._waiting) >= MOST_WAITING:
            self._metrics.read_marks.labels("forgotten").inc()
            return
        now = self._clock.monotonic()
        due = now + max(0.0, self._after - newest.age_seconds)
        self._waiting[lease.mailbox_id] = _Waiting(
            tenant_id, lease.phone_number_id, newest, now, due
        )
        self._news.set()

    def answered(self, mailbox_id: int) -> None:
        """The guest was told something."""
        self._waiting.pop(mailbox_id, None)

    async def run(self, stopping: asyncio.Event) -> None:
        """Show what is due until told to stop."""
        while not stopping.is_set():
            if not self._waiting:
                self._news.clear()
                await first_of(stopping, self._news)
                continue
            await self._show_due()
            await set_within(stopping, LOOK_SECONDS)
        await self._slots.drain()

    async def _show_due(self) -> None:
        now = self._clock.monotonic()
        due = [(key, one) for key, one in self._waiting.items() if one.due <= now]
        for mailbox_id, one in due:
            if now - one.since > LONGEST_SECONDS:
                del self._waiting[mailbox_id]
            elif self._under_way[one.tenant_id] < SHARE:
                one.due = now + RENEW_SECONDS
                await self._slots.free()
                self._under_way[one.tenant_id] += 1
                self._slots.start(self._show(mailbox_id, one), partial(self._done, one.tenant_id))

    def _done(self, tenant_id: str) -> None:
        self._under_way[tenant_id] -= 1
        if not self._under_way[tenant_id]:
            del self._under_way[tenant_id]

    async def _show(self, mailbox_id: int, one: _Waiting) -> None:
        try:
            # Not before it is shown: most answers are quicker than that.
            wamid = InboundEvent.FromString(one.newest.event).message.whatsapp_message_id
            # Another process may have answered meanwhile.
            if not wamid or not await self._inbox.is_waiting(one.tenant_id, mailbox_id):
                self._forget(mailbox_id, one)
                return
            outcome = await self._mark(one, wamid)
            shown = isinstance(outcome, Accepted)
            self._metrics.read_marks.labels("shown" if shown else "failed").inc()
        except Unavailable:
            self._metrics.read_marks.labels("failed").inc()
        except Exception:
            log.exception("read mark failed", mailbox_id=mailbox_id)

    def _forget(self, mailbox_id: int, one: _Waiting) -> None:
        if self._waiting.get(mailbox_id) is one:
            del self._waiting[mailbox_id]

    async def _mark(self, one: _Waiting, wamid: str) -> Outcome:
        holder = holder_of(self._directory, one.phone_number_id, one.tenant_id)
        return await self._graph.send(
            one.phone_number_id,
            read_body(ReadMark(wamid, typing=True)),
            token=await self._tokens.of(holder.tenant_id, one.phone_number_id),
            traceparent=one.newest.traceparent,
            version=holder.graph_version,
        )
