"""What is counted of the archive."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class ArchiveMetrics:
    """All metrics of the archive on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.items = Counter(
            "archive_items",
            "Items that came in by whether they were sealed: sealed, no_key (they were stored all "
            "the same, and not archived).",
            ["outcome"],
            registry=registry,
        )
        self.keys_kept = Gauge(
            "archive_data_keys_kept", "Data keys of hotels that are kept.", registry=registry
        )
        self.swept = Counter(
            "archive_swept",
            "What was deleted because its days were over: items, steps of conversations.",
            ["what"],
            registry=registry,
        )
        self.resealed = Counter(
            "archive_resealed",
            "Archived items that were put under their hotel's data key once it was known.",
            registry=registry,
        )
        self.replays = Counter(
            "archive_replays",
            "Conversations that were led over what came in again: same, differs.",
            ["outcome"],
            registry=registry,
        )
        self.oldest = Gauge(
            "archive_oldest_seconds", "Age of the oldest archived item.", registry=registry
        )
