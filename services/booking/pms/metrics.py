"""What is counted about hotels' own systems. Labels hold no hotel: tiers, operations, outcomes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# From a system in the next room to one that is about to be given up on.
CALL_BUCKETS = (0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)


class PmsMetrics:
    """All of them on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.breaker = Gauge(
            "pms_circuit_breaker_state",
            "The worst breaker of a tier's hotels, reads and writes apart: 0 closed, 1 open (their"
            " system is not asked), 2 half-open (one call tries).",
            ["tenant_tier", "operation"],
            registry=registry,
        )
        self.calls = Counter(
            "pms_calls",
            "Calls of hotels' systems by operation and outcome: ok, rejected, unknown (a write"
            " without an answer), away, busy, refused, stopped (breaker open), limited (ours).",
            ["operation", "outcome"],
            registry=registry,
        )
        self.seconds = Histogram(
            "pms_call_seconds",
            "How long hotels' systems take to answer.",
            ["operation"],
            buckets=CALL_BUCKETS,
            registry=registry,
        )
        self.steps = Counter(
            "pms_booking_steps",
            "Steps of bookings in hotels' systems, by step and what came of it.",
            ["step", "outcome"],
            registry=registry,
        )
        self.nights = Counter(
            "pms_nights",
            "Questions what hotels' systems have free, by answer: fresh (remembered), asked,"
            " stale (remembered, no answer in time), unknown (nothing); redis_away: its failures.",
            ["outcome"],
            registry=registry,
        )
        self.oversold = Counter(
            "pms_oversold_nights",
            "Nights that a booking made in a hotel's own system has oversold; `conserje room debt`"
            " lists them.",
            registry=registry,
        )
        self.differences = Counter(
            "pms_differences",
            "Bookings on which the nightly comparison with a hotel's own system found the sides to"
            " differ, by kind; `conserje pms diff` lists them.",
            ["kind"],
            registry=registry,
        )
        self.notices = Counter(
            "pms_notices",
            "Notices of hotels' own systems, by what became of them: new, known (received"
            " before), not_authentic, too_many.",
            ["outcome"],
            registry=registry,
        )
        self.pending = Gauge(
            "pms_bookings_pending",
            "Reservations that hotels' systems have not agreed to yet.",
            registry=registry,
        )
        self.oldest = Gauge(
            "pms_oldest_pending_seconds",
            "Age of the oldest reservation that waits for a hotel's system; 0 without any.",
            registry=registry,
        )
