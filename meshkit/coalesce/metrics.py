"""What the coalescers of a process count."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Powers of two up to the biggest batch that any method takes (1,000 events): the question is
# always by which factor batching helps.
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
# From "left at once" to "the destination is in trouble"; nobody waits beyond a deadline of 5 s.
_WAITS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class CoalescerMetrics:
    """The metrics of all coalescers of one process, told apart by `coalescer`.

    Batches are observed, not items: a histogram costs as much as all else that is done for one.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        by_name = ("coalescer",)
        self.size = Histogram(
            "coalescer_batch_items",
            "How many items left together.",
            by_name,
            buckets=_SIZES,
            registry=registry,
        )
        self.wait = Histogram(
            "coalescer_wait_seconds",
            "How long the oldest item of a batch had waited when it left.",
            by_name,
            buckets=_WAITS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "coalescer_in_flight_batches",
            "Batches under way.",
            by_name,
            registry=registry,
        )
        self.waiting = Gauge(
            "coalescer_waiting_items",
            "Items that wait for a batch.",
            by_name,
            registry=registry,
        )
        self.halved = Counter(
            "coalescer_halved_batches_total",
            "Batches refused as a whole and sent again as two halves.",
            by_name,
            registry=registry,
        )
        self.refused = Counter(
            "coalescer_refused_items_total",
            "Items refused because too much was waiting, by reason.",
            (*by_name, "reason"),
            registry=registry,
        )
        self.given_up = Counter(
            "coalescer_given_up_items_total",
            "Items whose caller stopped waiting, before or after they were sent.",
            (*by_name, "when"),
            registry=registry,
        )
