"""What is counted of secrets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter

from meshkit.errors import NotFound
from services.tenant.credentials.domain import Kind

RESULTS = ("read", "unknown", "failed")


class CredentialMetrics:
    """Every secret that was read, or was to be."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reads = Counter(
            "credential_reads",
            "Secrets read, by kind and by what came of it: "
            "`unknown`, there is none; `failed`, it could not be decrypted or fetched.",
            ["kind", "result"],
            registry=registry,
        )
        for kind in Kind:
            for result in RESULTS:
                self._reads.labels(kind.lower(), result)

    @contextmanager
    def reading(self, kind: Kind) -> Iterator[None]:
        """Count what is read inside."""
        result = "failed"
        try:
            yield
            result = "read"
        except NotFound:
            result = "unknown"
            raise
        finally:
            self._reads.labels(kind.lower(), result).inc()
