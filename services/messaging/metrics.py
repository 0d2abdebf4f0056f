"""What the service counts. Labels come from closed sets: kinds, states, outcomes."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from meshkit.metrics import LATENCY_BUCKETS

# From one guest at a time to the most that a process works on.
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)

ASIDE_REASONS = ("NUMBER_UNKNOWN", "WABA_MISMATCH", "TENANT_DELETED", "NOT_STORABLE")
PRICING_CATEGORIES = ("service", "utility", "marketing", "authentication", "referral_conversion")
PRICING_TYPES = ("regular", "free_customer_service", "free_entry_point")

SEND_OUTCOMES = (
    *("sent", "rejected", "retry", "paused", "unsent", "unknown", "put_off"),
    *("reformed", "held"),
)


class MessagingMetrics:
    """All metrics of the service on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._declare_inbox(registry)
        self._declare_steps(registry)
        self._declare_outbox(registry)
        self._priced = Counter(
            "messages_priced",
            "Messages that Meta has priced, by its category and type of pricing.",
            ["category", "type"],
            registry=registry,
        )
        self.caps_passed = Gauge(
            "usage_caps_passed",
            "Hotels whose billable messages of this month are more than was expected.",
            registry=registry,
        )
        self.template_reads = Counter(
            "template_reads",
            "Readings of an account's templates from Meta: OK, GRAPH_REFUSED, GRAPH_AWAY.",
            ["outcome"],
            registry=registry,
        )
        self.dependency_away = Counter(
            "dependency_away",
            "Times that something was away, by what.",
            ["what"],
            registry=registry,
        )

    def _declare_inbox(self, registry: CollectorRegistry) -> None:
        self._ingested = Counter(
            "inbox_ingested",
            "Items taken in, by kind and whether they were new.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.pending = Gauge(
            "inbox_pending",
            "Messages that wait for their step, counted up to 10000.",
            registry=registry,
        )
        self.oldest = Gauge(
            "inbox_oldest_pending_seconds",
            "Age of the oldest message that waits.",
            registry=registry,
        )
        self.quarantined = Counter(
            "inbox_quarantined", "Items set aside, by reason.", ["reason"], registry=registry
        )
        for reason in ASIDE_REASONS:
            # A series that only comes with the first of them has no increase at that one.
            self.quarantined.labels(reason)
        self.claimed = Histogram(
            "inbox_claim_size",
            "Conversations leased in one claim that found any.",
            buckets=BATCH_BUCKETS,
            registry=registry,
        )

    def _declare_steps(self, registry: CollectorRegistry) -> None:
        self.steps = Counter(
            "steps",
            "Steps by outcome: committed, fenced (another one held the lease), failed, dead.",
            ["outcome"],
            registry=registry,
        )
        self.merges = Counter(
            "mailbox_merges",
            "Mailboxes merged into that of the same guest: done, busy (a command is open), lost.",
            ["outcome"],
            registry=registry,
        )
        self.postponed = Counter(
            "steps_postponed", "Conversations put off, by reason.", ["reason"], registry=registry
        )
        self.read_marks = Counter(
            "read_marks",
            "Read marks with a typing indicator: shown, failed, forgotten (too many guests wait).",
            ["outcome"],
            registry=registry,
        )
        self.read_marks_waiting = Gauge(
            "read_marks_waiting",
            "Guests whose answer is being prepared, as this process remembers.",
            registry=registry,
        )
        self.step_seconds = Histogram(
            "step_seconds",
            "Time of a step from its start to its commit.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.late = Counter(
            "inbox_late",
            "Messages that came after their successor was answered.",
            registry=registry,
        )
        self.effects = Counter(
            "effects",
            "Commands sent, by method and outcome.",
            ["method", "outcome"],
            registry=registry,
        )

    def _declare_outbox(self, registry: CollectorRegistry) -> None:
        self.sends = Counter(
            "outbox_sends",
            f"Messages by what became of them: {', '.join(SEND_OUTCOMES)}. Put off are those that "
            "Meta's limits delay; reformed those that leave as a template, for the guest's window "
            "is shut; held those that wait for it to open.",
            ["outcome"],
            registry=registry,
        )
        for outcome in SEND_OUTCOMES:
            # A series that only comes with the first failure has no rate at that failure.
            self.sends.labels(outcome)
        self.send_seconds = Histogram(
            "outbox_send_seconds",
            "Time of a request to the Graph API.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.expired = Counter(
            "outbox_expired", "Sends whose lease ran out: they became unknown.", registry=registry
        )
        self.resent = Counter(
            "outbox_resent", "Sends of unknown outcome that are sent once more.", registry=registry
        )
        self.unknown = Gauge(
            "outbox_unknown", "Messages whose outcome is unknown.", registry=registry
        )
        self.held = Gauge(
            "outbox_held",
            "Messages that wait for their guest to write, or for a template.",
            registry=registry,
        )

    def priced(self, category: str, pricing_type: str) -> None:
        """Meta has priced a message; words that are new are counted together."""
        known = category if category in PRICING_CATEGORIES else "other"
        self._priced.labels(known, pricing_type if pricing_type in PRICING_TYPES else "other").inc()

    def ingested(self, kinds: Sequence[str], new: Sequence[bool]) -> None:
        """A batch taken in; counted together, for it is the hottest path of all."""
        for (kind, fresh), count in Count(zip(kinds, new, strict=True)).items():
            self._ingested.labels(kind, "new" if fresh else "duplicate").inc(count)
