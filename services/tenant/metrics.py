"""What is counted in the tenant service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from meshkit.errors import MeshError
from meshkit.metrics import QuickHistogram
from services.tenant.changes import Changes
from services.tenant.domain import Directory, Snapshot

# A single number takes microseconds, a batch of 256 a millisecond or two.
RESOLUTION_BUCKETS = (0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
# A version is read in a millisecond, ten thousand hotels in a few hundred.
REFRESH_BUCKETS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 5.0)


@dataclass(slots=True)
class Found:
    """Hotels that were resolved together: what they were found by, or that they are not active."""

    hits: int = 0
    guests: int = 0
    suspended: int = 0


class TenantMetrics:
    """Metrics of resolution, and of how fresh its source is."""

    def __init__(self, registry: CollectorRegistry, directory: Directory, changes: Changes) -> None:
        self.resolution_latency = QuickHistogram(
            "tenant_resolution_latency_seconds",
            "Time to answer one request, single or batch, without the RPC around it.",
            buckets=RESOLUTION_BUCKETS,
            registry=registry,
        ).labels()
        results = Counter(
            "tenant_resolution",
            "Identifiers resolved, by what came out. `guest`: a shared number, by the guest; "
            "`suspended`: the hotel is not active.",
            ["result"],
            registry=registry,
        )
        self._hits = results.labels("hit")
        self._guests = results.labels("guest")
        self._suspended = results.labels("suspended")
        self._errors = {
            "NUMBER_UNKNOWN": results.labels("unknown"),
            "IDENTIFIER_UNKNOWN": results.labels("unknown"),
            "WABA_MISMATCH": results.labels("waba_mismatch"),
        }
        self.refresh_latency = Histogram(
            "tenant_refresh_latency_seconds",
            "Time to read the directory, or what has changed in it, from the database.",
            buckets=REFRESH_BUCKETS,
            registry=registry,
        )
        self.refresh_failures = Counter(
            "tenant_refresh_failures",
            "Times the database could not be asked for the directory or its version.",
            registry=registry,
        )
        self.answers_kept = Gauge(
            "tenant_answers_kept",
            "Answers in memory as their bytes: at most one for each identifier, and 100,000.",
            registry=registry,
        )
        self._watch(registry, directory)
        Gauge(
            "tenant_directory_changes_kept",
            "Changes in memory, for followers who come back; at most 10,000.",
            registry=registry,
        ).set_function(lambda: changes.kept)

    def count_found(self, found: Found) -> None:
        """Count what was resolved; a counter costs as much as all else about one hotel."""
        self._hits.inc(found.hits)
        if found.guests:
            self._guests.inc(found.guests)
        if found.suspended:
            self._suspended.inc(found.suspended)

    def count_error(self, error: MeshError) -> None:
        """Count what could not be resolved; what made no sense is not counted."""
        if (result := self._errors.get(error.reason)) is not None:
            result.inc()

    def _watch(self, registry: CollectorRegistry, directory: Directory) -> None:
        gauges: dict[str, tuple[str, Callable[[Snapshot], float]]] = {
            "tenants_active": (
                "Hotels that answer their guests.",
                lambda snapshot: snapshot.active_tenant_count,
            ),
            "tenant_identifiers_cached": (
                "WhatsApp numbers and other identifiers in memory.",
                lambda snapshot: len(snapshot.numbers) + len(snapshot.identifiers),
            ),
            "tenant_directory_bytes": (
                "Memory of the directory: its identifiers and the tables that find them.",
                lambda snapshot: snapshot.memory,
            ),
            "tenant_directory_version": (
                "Version of the directory in memory, 0 before it is loaded.",
                lambda snapshot: snapshot.version,
            ),
        }
        for name, (text, value) in gauges.items():
            Gauge(name, text, registry=registry).set_function(_of_snapshot(directory, value))
        Gauge(
            "tenant_directory_age_seconds",
            "Time since the directory in memory was known to be the newest.",
            registry=registry,
        ).set_function(directory.age)


def _of_snapshot(directory: Directory, value: Callable[[Snapshot], float]) -> Callable[[], float]:
    return lambda: 0.0 if directory.version is None else value(directory.snapshot)
