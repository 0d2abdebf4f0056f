"""What the gateway counts. No label holds a number, an id or a guest's words."""

from __future__ import annotations

from collections.abc import Iterable

from conserje.messaging.v1 import event_pb2 as pb
from prometheus_client import CollectorRegistry, Counter

from gateway.messages import KINDS
from meshkit.metrics import QuickHistogram

# Meta's own standard is a median of 250 ms and less than 1 % over 1 s; we give up at 2 s.
_ACK_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5)
# A lone text has 500 bytes, a full batch 3 MiB.
_BODY_BYTES = (512, 1024, 4096, 16384, 65536, 262144, 1048576, 3145728)

KINDS_OF_ITEMS = ("message", "status", "error", "field_update", "unreadable")
OUTCOMES = (
    "stored",
    "not_stored",
    "not_authentic",
    "foreign_account",
    "not_configured",
    "not_received",
    "too_large",
    "registered",
    "registration_refused",
    "method_not_allowed",
)
NOTICES = (
    "taken",
    "known",
    "not_authentic",
    "not_taken",
    "not_received",
    "too_large",
    "too_many",
    "method_not_allowed",
)
UNREADABLE = ("unreadable_body", "unreadable_shape", "unreadable_number")
UNKNOWN = ("message_type", "message_content", "status_word", "status_part", *UNREADABLE)

_REASONS = {
    pb.UNREADABLE_REASON_BODY: "unreadable_body",
    pb.UNREADABLE_REASON_SHAPE: "unreadable_shape",
    pb.UNREADABLE_REASON_NUMBER: "unreadable_number",
}


class GatewayMetrics:
    """The metrics of one gateway."""

    def __init__(self, registry: CollectorRegistry) -> None:
        webhooks = Counter(
            "gateway_webhooks",
            "Requests to the webhook's address answered, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        notices = Counter(
            "gateway_pms_notices",
            "Requests to the addresses for notices of hotels' own systems (PMS) answered, by what"
            " became of them.",
            ["outcome"],
            registry=registry,
        )
        items = Counter(
            "gateway_items",
            "Items of authentic webhooks, by kind, each time they arrive.",
            ["kind"],
            registry=registry,
        )
        unknown = Counter(
            "gateway_unknown_items",
            "Items kept raw, by what about them is not known; a rise means Meta changed something.",
            ["what"],
            registry=registry,
        )
        # Looked up once: finding a child by its label costs more than counting.
        self._webhooks = {outcome: webhooks.labels(outcome) for outcome in OUTCOMES}
        self._notices = {outcome: notices.labels(outcome) for outcome in NOTICES}
        self._items = {kind: items.labels(kind) for kind in KINDS_OF_ITEMS}
        self._unknown = {what: unknown.labels(what) for what in UNKNOWN}
        self.ack_seconds = QuickHistogram(
            "gateway_ack_seconds",
            "Time from the headers of an authentic webhook to its answer.",
            buckets=_ACK_SECONDS,
            registry=registry,
        ).labels()
        self.body_bytes = QuickHistogram(
            "gateway_body_bytes",
            "Size of authentic bodies.",
            buckets=_BODY_BYTES,
            registry=registry,
        ).labels()

    def answered(self, outcome: str) -> None:
        """One more request; `outcome` is one of `OUTCOMES`."""
        self._webhooks[outcome].inc()

    def noticed(self, outcome: str) -> None:
        """One more request to a hotel's address; `outcome` is one of `NOTICES`."""
        self._notices[outcome].inc()

    def translated(self, events: Iterable[pb.InboundEvent]) -> dict[str, int]:
        """Count the items of a body; the answer is how many could not be read, and why."""
        kinds: dict[str, int] = {}
        unknown: dict[str, int] = {}
        for event in events:
            kind: str = event.WhichOneof("payload") or ""
            kinds[kind] = kinds.get(kind, 0) + 1
            if event.raw_json and (what := what_is_unknown(event, kind)):
                unknown[what] = unknown.get(what, 0) + 1
        for kind, count in kinds.items():
            self._items[kind].inc(count)
        for what, count in unknown.items():
            self._unknown[what].inc(count)
        return {what: count for what, count in unknown.items() if what in UNREADABLE}


def what_is_unknown(event: pb.InboundEvent, kind: str) -> str:
    """Why an event carries its item raw; empty when that is how it should be."""
    if kind == "unreadable":
        return _REASONS[event.unreadable.reason]
    if kind == "status":
        return "status_part" if event.status.state else "status_word"
    if kind == "message" and event.message.WhichOneof("content") is None:
        return "message_content" if event.message.type in KINDS else "message_type"
    return ""
