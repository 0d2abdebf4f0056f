"""Probes and metrics over HTTP, on a port of their own.

`/livez`: the event loop turns. `/startupz`: what is built at start is built.
`/readyz`: this process has what it cannot serve without; the body also lists
what it can do without and lacks at the moment. `/metrics`: Prometheus.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from meshkit.metrics import WorkerMetrics

Check = Callable[[], str | None]
"""None when all is well, else a sentence. It reads what is known: it waits for nothing."""

DRAINING = "The process is stopping."


class Health:
    """What this process is able to do, asked by probes and told by gauges."""

    def __init__(self, metrics: WorkerMetrics) -> None:
        self.started = False
        self.draining = False
        self._metrics = metrics
        self._ready: dict[str, Check] = {}
        self._degraded: dict[str, Check] = {}

    def ready(self, name: str, check: Check) -> None:
        """The process cannot serve without it."""
        self._ready[name] = check
        self._metrics.ready.labels(name).set_function(lambda: float(check() is None))

    def degraded(self, name: str, check: Check) -> None:
        """The process serves without it, less well."""
        self._degraded[name] = check
        self._metrics.degraded.labels(name).set_function(lambda: float(check() is not None))

    def is_ready(self) -> bool:
        """Whether requests should be sent here."""
        serving = self.started and not self.draining
        return serving and all(check() is None for check in self._ready.values())

    def report(self) -> dict[str, Any]:
        """What `/readyz` answers."""
        checks = {name: check() or "ok" for name, check in self._ready.items()}
        if self.draining:
            checks["drain"] = DRAINING
        if not self.started:
            checks["start"] = "The process is starting."
        degraded = {name: why for name, check in self._degraded.items() if (why := check())}
        return {"ready": self.is_ready(), "checks": checks, "degraded": degraded}


def ops_app(health: Health, registry: CollectorRegistry) -> web.Application:
    """The HTTP application of the operations port."""

    async def livez(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def startupz(_request: web.Request) -> web.Response:
        return _json({"started": health.started}, health.started)

    async def readyz(_request: web.Request) -> web.Response:
        report = health.report()
        return _json(report, report["ready"])

    async def metrics(_request: web.Request) -> web.Response:
        body = generate_latest(registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/startupz", startupz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


def _json(body: object, good: bool) -> web.Response:
    return web.Response(
        body=orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n",
        status=200 if good else 503,
        content_type="application/json",
    )
