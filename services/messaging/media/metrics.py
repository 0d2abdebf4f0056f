"""What is counted of files. No hotel and nothing of a guest is a label."""

from __future__ import annotations

from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# From a sticker on a good day to a video on a bad one.
FETCH_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class MediaMetrics:
    """Of the files that guests send."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.fetches = Counter(
            "media_fetches",
            "Tries to fetch a guest's file: `stored`, `lost` (another replica has it), or the "
            "reason why not.",
            ["outcome"],
            registry=registry,
        )
        self.fetches.labels("stored")
        self.dead = Counter("media_dead", "Files that were given up.", registry=registry)
        self.bytes = Counter("media_bytes", "Bytes of files that were kept.", registry=registry)
        self.fetch_seconds = Histogram(
            "media_fetch_seconds",
            "From taking a file up to its being kept.",
            buckets=FETCH_BUCKETS,
            registry=registry,
        )
        self._connections = Counter(
            "media_connections",
            "Connections that were opened to fetch files: to the Graph API for their addresses, "
            "and to the files. Far fewer than files, for they are used again.",
            ["to"],
            registry=registry,
        )
        self.waiting = Gauge(
            "media_waiting", "Files that wait, counted up to 10,000.", registry=registry
        )
        self.oldest = Gauge(
            "media_oldest_seconds", "How long the oldest of these waits.", registry=registry
        )
        self.erased = Counter(
            "media_erased", "Files that were removed at the end of their time.", registry=registry
        )

    def counting(self, to: str) -> aiohttp.TraceConfig:
        """Has a session count the connections that it opens, `to` the Graph API or files."""
        counted = self._connections.labels(to)

        async def opened(*_: Any) -> None:
            counted.inc()

        config = aiohttp.TraceConfig()
        config.on_connection_create_end.append(opened)
        return config


class UploadMetrics:
    """Of the files that are sent to guests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.uploads = Counter(
            "media_uploads",
            "Files to be sent: `known` at WhatsApp already, `uploaded`, or `failed`.",
            ["outcome"],
            registry=registry,
        )
