"""What the gateway counts. No label holds a number, an id or a guest's words."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from conserje.messaging.v1 import event_pb2 as pb
from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.messages import KINDS

# Meta's own standard is a median of 250 ms and less than 1 % over 1 s; we give up at 2 s.
_ACK_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5)
# A lone text has 500 bytes, a full batch 3 MiB.
_BODY_BYTES = (512, 1024, 4096, 16384, 65536, 262144, 1048576, 3145728)

_REASONS = {
    pb.UNREADABLE_REASON_BODY: "body",
    pb.UNREADABLE_REASON_SHAPE: "shape",
    pb.UNREADABLE_REASON_NUMBER: "number",
}


class GatewayMetrics:
    """The metrics of one gateway."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._webhooks = Counter(
            "gateway_webhooks",
            "Webhook requests answered, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self._items = Counter(
            "gateway_items",
            "Items of authentic webhooks, by kind, each time they arrive.",
            ["kind"],
            registry=registry,
        )
        self._unknown = Counter(
            "gateway_unknown_items",
            "Items kept raw, by what about them is not known; a rise means Meta changed something.",
            ["what"],
            registry=registry,
        )
        self.ack_seconds = Histogram(
            "gateway_ack_seconds",
            "Time from the headers of an authentic webhook to its answer.",
            buckets=_ACK_SECONDS,
            registry=registry,
        )
        self.body_bytes = Histogram(
            "gateway_body_bytes",
            "Size of authentic bodies.",
            buckets=_BODY_BYTES,
            registry=registry,
        )
        self._stored = self._webhooks.labels("stored")

    def answered(self, outcome: str) -> None:
        """One more webhook; `outcome` is a word from the code, never from a request."""
        (self._stored if outcome == "stored" else self._webhooks.labels(outcome)).inc()

    def translated(self, events: Iterable[pb.InboundEvent]) -> Tally[str]:
        """Count the items of a body; the answer is how many could not be read, and why."""
        kinds: Tally[str] = Tally()
        unknown: Tally[str] = Tally()
        for event in events:
            kind: str = event.WhichOneof("payload") or ""
            kinds[kind] += 1
            if event.raw_json and (what := what_is_unknown(event, kind)):
                unknown[what] += 1
        for kind, count in kinds.items():
            self._items.labels(kind).inc(count)
        for what, count in unknown.items():
            self._unknown.labels(what).inc(count)
        return Tally({what: n for what, n in unknown.items() if what.startswith("unreadable")})


def what_is_unknown(event: pb.InboundEvent, kind: str) -> str:
    """Why an event carries its item raw; empty when that is how it should be."""
    if kind == "unreadable":
        return "unreadable_" + _REASONS[event.unreadable.reason]
    if kind == "status":
        return "status_part" if event.status.state else "status_word"
    if kind == "message" and event.message.WhichOneof("content") is None:
        return "message_content" if event.message.type in KINDS else "message_type"
    return ""
