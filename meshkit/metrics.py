"""Metrics every process has: its RPCs, served and called, and its workers.

Each process declares its own ones in its `metrics.py`, on the registry it is
given; there is no global registry, so that two processes fit into one test.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    disable_created_metrics,
)
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import INF, floatToGoString

from meshkit.identity import Certificates

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds: an in-memory answer takes one millisecond, the default deadline is five seconds."""


def new_registry() -> CollectorRegistry:
    """A registry that already knows the process's memory, CPU and garbage collections."""
    # A series more per counter, which nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class QuickHistogram(Collector):
    """A histogram for what is observed with every request; by the event loop alone.

    The library's takes a lock and tries one bucket after the other, which takes six times as long.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Sequence[str] = (),
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._about = (name, documentation)
        self._labelnames = labelnames
        self._buckets = (*buckets, INF)
        self._children: dict[tuple[str, ...], QuickObservations] = {}
        registry.register(self)

    def labels(self, *values: str) -> QuickObservations:
        """What is observed under these values of the labels, to be looked up once."""
        return self._children.setdefault(values, QuickObservations(self._buckets))

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Its name, which the registry lets nobody else have."""
        yield HistogramMetricFamily(*self._about, labels=self._labelnames)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """All that was observed until now."""
        family = HistogramMetricFamily(*self._about, labels=self._labelnames)
        bounds = [
            floatToGoString(bound)  # type: ignore[no-untyped-call]
            for bound in self._buckets
        ]
        for values, child in self._children.items():
            counts = accumulate(child.counts)
            family.add_metric(values, list(zip(bounds, counts, strict=True)), child.sum)
        yield family


class QuickObservations:
    """What was observed under one set of labels."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * len(bounds)
        """By bucket, each without those below it."""
        self.sum = 0.0

    def observe(self, amount: float) -> None:
        """One more, of so much."""
        self.counts[bisect_left(self._bounds, amount)] += 1
        self.sum += amount

    def time(self) -> Stopwatch:
        """A context manager that observes how many seconds its inside takes."""
        return Stopwatch(self)


class Stopwatch:
    """Observes the seconds between its begin and its end."""

    __slots__ = ("_observations", "_started")

    def __init__(self, observations: QuickObservations) -> None:
        self._observations = observations

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_error: object) -> None:
        self._observations.observe(time.perf_counter() - self._started)


class RpcMetrics:
    """Counts and times of the RPCs of one side (`server` or `client`).

    Labels are the method and the status code: both come from the contract, so
    their number is bounded.
    """

    def __init__(self, registry: CollectorRegistry, side: str) -> None:
        self._handled = Counter(
            f"rpc_{side}_handled",
            f"RPCs finished by this process as a {side}, by how they ended.",
            ["method", "code"],
            registry=registry,
        )
        self._seconds = QuickHistogram(
            f"rpc_{side}_seconds",
            f"Time of unary RPCs as a {side}, from the first byte to the answer.",
            ["method"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )

        self._streams = Gauge(
            f"rpc_{side}_streams",
            f"Streams open at the moment, as a {side}.",
            ["method"],
            registry=registry,
        )

    def method(self, name: str) -> MethodMetrics:
        """The metrics of one method, looked up once and not per call."""
        return MethodMetrics(self._handled, self._seconds, self._streams, name)


class MethodMetrics:
    """What is counted for one method."""

    def __init__(
        self, handled: Counter, seconds: QuickHistogram, streams: Gauge, name: str
    ) -> None:
        self._handled = handled
        self._streams = streams
        self._name = name
        self._ok = handled.labels(name, "OK")
        self.observe = seconds.labels(name).observe

    def stream(self) -> AbstractContextManager[None]:
        """Count a stream while it is open."""
        return self._streams.labels(self._name).track_inprogress()

    def count(self, code: str) -> None:
        """One more RPC that ended with `code`."""
        (self._ok if code == "OK" else self._handled.labels(self._name, code)).inc()


class WorkerMetrics:
    """What the supervisor of background tasks sees."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.restarts = Counter(
            "worker_restarts",
            "Background tasks that ended with an error and were started again.",
            ["worker"],
            registry=registry,
        )
        self.degraded = Gauge(
            "degraded",
            "1 while something this process can do without is away.",
            ["what"],
            registry=registry,
        )
        self.ready = Gauge(
            "ready",
            "1 while this process has what it cannot serve without.",
            ["check"],
            registry=registry,
        )


class CertificateMetrics:
    """How long this process can still identify itself."""

    def __init__(self, registry: CollectorRegistry, certificates: Certificates | None) -> None:
        ends = Gauge(
            "certificate_not_after_timestamp_seconds",
            "When this process's own certificate ends, in seconds since 1970; 0 without one.",
            registry=registry,
        )
        if certificates is not None:
            ends.set_function(certificates.ends_at)
