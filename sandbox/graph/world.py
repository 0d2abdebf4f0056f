"""Everything one fake Graph API knows, and the two things that happen: a send, a guest's move."""

import asyncio
import time
from collections import deque
from typing import Any

from sandbox.graph.chaos import GOOD, Chaos
from sandbox.graph.courier import Courier
from sandbox.graph.errors import PAIR_LIMIT, GraphError, no_such_object
from sandbox.graph.faults import Fault, Faults
from sandbox.graph.journal import Journal, Past
from sandbox.graph.media import MediaStore
from sandbox.graph.pairs import PairLimit
from sandbox.graph.records import Accepted, Ledger
from sandbox.graph.settings import GraphSettings, Number
from sandbox.graph.templates import Templates
from sandbox.graph.webhooks import Guest, Item, account_item, guest_item, status_item

STATUSES = ("sent", "delivered", "read")
KEEP_MARKS = 10_000


class World:
    """The state behind the Graph API and the control API."""

    def __init__(self, settings: GraphSettings) -> None:
        past = Past(settings.log)
        self.settings = settings
        self.numbers = {number.phone_number_id: number for number in settings.numbers}
        self.journal = Journal(settings.log)
        self.accepted: Ledger[Accepted] = Ledger(settings.keep)
        self.marks: deque[dict[str, Any]] = deque(maxlen=KEEP_MARKS)
        self.chaos = Chaos(settings.mood)
        self.courier = Courier(settings, self.journal, self.chaos)
        self.faults = Faults()
        self.pairs = PairLimit(enabled=settings.pair_limit)
        self.media = MediaStore(settings.keep_media_bytes)
        self.peers: set[Any] = set()
        """Addresses and ports that were heard from: one for each connection, 65,536 of a host."""
        self.templates = Templates()
        self.unsubscribed: set[str] = set()
        self._resume(past)

    def account_number(self, waba_id: str) -> Number:
        """A number of the business account."""
        for number in self.numbers.values():
            if number.waba_id == waba_id:
                return number
        raise no_such_object(waba_id)

    def account_changes(self, waba_id: str, field: str, value: dict[str, Any]) -> asyncio.Event:
        """Tells the gateway of a change of an account."""
        return self.courier.put(account_item(self.account_number(waba_id), field, value))

    def check_pair(self, phone_number_id: str, guest: str) -> None:
        """Refuses a send above the pair limit."""
        if not self.pairs.allows(phone_number_id, guest, time.monotonic()):
            raise GraphError(PAIR_LIMIT, "Too many messages to this number; wait and try again")

    def fault(self, phone_number_id: str, guest: str) -> Fault | None:
        """What happens to this send: what was asked for, or what the day brings."""
        return self.faults.take(phone_number_id, guest) or self.chaos.fault()

    def calm(self) -> None:
        """From now on everything works."""
        self.faults.clear()
        self.chaos.mood = GOOD

    def accept(
        self, number: Number, body: dict[str, Any], traceparent: str, fault: Fault | None
    ) -> Accepted:
        """Takes a send over: the guest's phone shows it, its statuses follow."""
        sent = Accepted.of(self.accepted.total + 1, number.phone_number_id, body, traceparent)
        kind = fault.kind if fault else ""
        final = {"no_statuses": "", "fail_status": "failed"}.get(kind, STATUSES[-1])
        self.journal.accepted(sent, final_status=final)
        self.accepted.append(sent)
        if final == "failed" and fault:
            error = GraphError(fault.code, fault.details).as_status_error()
            self._later("sent", status_item(number, sent, "failed", error))
        elif final:
            self._schedule_statuses(number, sent)
        return sent

    def guest_sends(self, number: Number, guest: Guest, content: dict[str, Any]) -> Item:
        """A guest has sent something; the courier will bring it."""
        item = guest_item(number, guest, content)
        self.journal.queued(item)
        return item

    def mark(self, phone_number_id: str, body: dict[str, Any]) -> None:
        """The hotel has read a message, and may be typing."""
        self.marks.append(
            {
                "phone_number_id": phone_number_id,
                "message_id": body.get("message_id"),
                "typing": "typing_indicator" in body,
                "time": time.time(),
            }
        )

    def report(self) -> dict[str, Any]:
        """The numbers an operator or a test asks for."""
        return {
            "accepted": self.accepted.total,
            "accepted_forgotten": self.accepted.forgotten,
            "webhook_url": self.courier.webhook_url,
            "webhook_items_delivered": self.courier.delivered,
            "webhook_items_waiting": self.courier.waiting,
            "webhook_items_dropped": self.courier.dropped,
            "webhook_posts_refused": self.courier.refused_posts,
            "webhook_last_refusal": self.courier.last_refusal,
            "connections": len(self.peers),
            "media_bytes": self.media.held_bytes,
            "media_described": self.media.described,
            "media_downloaded": self.media.downloaded,
            "media_uploaded": self.media.uploaded,
            "pair_limit": self.pairs.enabled,
            "faults_pending": sum(fault.count for fault in self.faults.pending()),
            "numbers": sorted(self.numbers),
        }

    def _resume(self, past: Past) -> None:
        for sent in past.accepted:
            self.accepted.append(sent)
        for item in past.undelivered_items():
            self.courier.put(item)
        for sent in past.without_final_status():
            # Statuses may come twice after this; Meta's do as well.
            if number := self.numbers.get(sent.phone_number_id):
                self._schedule_statuses(number, sent)

    def _schedule_statuses(self, number: Number, sent: Accepted) -> None:
        for status in STATUSES:
            self._later(status, status_item(number, sent, status))

    def _later(self, status: str, item: Item) -> None:
        delay = self.settings.status_delays[status]
        asyncio.get_running_loop().call_later(delay, self.courier.put, item)
