"""What a process is put together from: each start paired with its stop, in order.

`build(kit, settings)` of a service asks the kit for pools, channels, servers
and workers; the kit starts them, and stops them in the order that loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
import structlog
from aiohttp import web
from pydantic import SecretStr

from meshkit.access import Access
from meshkit.client import Channel
from meshkit.clock import Clock, SystemClock
from meshkit.config import Settings
from meshkit.health import Check, Health, ops_app
from meshkit.identity import Certificates
from meshkit.metrics import CertificateMetrics, RpcMetrics, WorkerMetrics, new_registry
from meshkit.migrate import schema_check
from meshkit.postgres import KEPT, OVERFLOW, Postgres
from meshkit.redis_pool import RedisPool
from meshkit.server import Server
from meshkit.sites import Site, close_connections_when
from meshkit.telemetry import Tracing
from meshkit.waiting import set_within
from meshkit.workers import Work, Workers

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from meshkit.postgres import Connection, ReadyCheck

HEALTH_SECONDS = 0.5
"""How often gRPC health is made to say what readiness says."""
CERTIFICATE_SECONDS = 5.0
"""How often the files of certificates are looked at."""
CLOSE_SECONDS = 5.0
"""The longest that closing one thing may take."""

ServicerT = TypeVar("ServicerT")

log = structlog.get_logger()


class Kit:
    """Everything one process owns. Made inside its event loop."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        modes: frozenset[str] = frozenset({"serve"}),
        migrations: str | None = None,
        clock: Clock | None = None,
        tracing: Tracing | None = None,
        access: Access | None = None,
    ) -> None:
        """`migrations` is the package whose schema the database must have.

        `access` says who may call what. `CertificateError` when the folder holds no certificate.
        """
        self.name = name
        self.settings = settings
        self.modes = modes
        self.clock: Clock = clock or SystemClock()
        self.registry = new_registry()
        self.logger = structlog.get_logger()
        self.telemetry = tracing or Tracing(name, settings.otlp_endpoint, settings.trace_ratio)
        metrics = WorkerMetrics(self.registry)
        self.health = Health(metrics)
        self._certificates = _certificates(settings)
        CertificateMetrics(self.registry, self._certificates)
        self.server = Server(
            tracing=self.telemetry,
            registry=self.registry,
            certificates=self._certificates,
            access=access,
            reflect=settings.reflection,
        )
        self.ports: dict[str, int] = {}
        self._migrations = migrations
        self._client_metrics = RpcMetrics(self.registry, "client")
        self._workers = Workers(metrics)
        self.stack = AsyncExitStack()
        """For what a service pairs itself: closed after the workers, before channels and pools."""
        self._clients = AsyncExitStack()
        self._stores = AsyncExitStack()
        self._channels: list[Channel] = []
        self._sites: list[Site] = []
        self._starting: list[Callable[[], Awaitable[None]]] = []
        self._ops = Site(
            ops_app(self.health, self.registry), settings.ops_listen, drain_seconds=1.0
        )
        self._health_task: asyncio.Task[None] | None = None

    async def postgres(
        self,
        url: str | SecretStr,
        *,
        required: bool = True,
        kept: int | None = None,
        overflow: int | None = None,
    ) -> Postgres:
        """The pool of this process's database.

        Without it the process is not ready, unless it can answer from memory and so does not
        have it `required`. The sizes are those of the settings, when it has them, unless given.
        """
        pool = Postgres(
            _plain(url),
            registry=self.registry,
            ready_check=self._schema_check(),
            application_name=f"conserje-{self.name}",
            kept=kept or self._size("db_pool_size", KEPT),
            overflow=overflow or self._size("db_pool_overflow", OVERFLOW),
        )
        self._close_with(self._stores, "postgres", pool.close)
        await pool.start()
        declare = self.ready if required else self.degraded
        declare("postgres", pool.problem)
        return pool

    def redis(self, url: str | SecretStr) -> Redis:
        """A Redis client; without Redis the process is degraded and goes on."""
        pool = RedisPool(_plain(url), registry=self.registry)
        self._starting.append(pool.start)
        self._close_with(self._clients, "redis", pool.close)
        self.degraded("redis", pool.problem)
        return pool.client

    def channel(self, service_name: str, target: str, *, retries: bool = False) -> Channel:
        """The way to another service; `retries` in the first caller of the mesh only."""
        channel = Channel(
            target,
            tracing=self.telemetry,
            metrics=self._client_metrics,
            retries=retries,
            certificates=self._certificates,
        )
        self._channels.append(channel)
        self._close_with(self._clients, f"channel {service_name}", channel.aclose)
        return channel

    def http_session(
        self,
        *,
        limit_per_host: int = 20,
        total_seconds: float = 10.0,
        connect_seconds: float = 2.0,
        read_seconds: float = 5.0,
        **options: Any,
    ) -> aiohttp.ClientSession:
        """A pooled HTTP session for one destination; `options` are those of aiohttp."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit_per_host, limit_per_host=limit_per_host),
            timeout=aiohttp.ClientTimeout(
                total=total_seconds, connect=connect_seconds, sock_read=read_seconds
            ),
            **options,
        )
        self._close_with(self._clients, "http session", session.close)
        return session

    def grpc(
        self,
        add_fn: Callable[[ServicerT, Any], None],
        servicer: ServicerT,
        service: str,
        verbatim: Collection[str] = (),
    ) -> None:
        """Serve `servicer`; `service` is its full name, like `conserje.tenant.v1.TenantService`.

        What the methods named in `verbatim` are sent is kept as bytes, whatever its texts hold.
        """
        self.server.add(add_fn, servicer, service, verbatim)

    def http(self, app: web.Application, listen: str) -> Site:
        """Serve an application on a port of its own."""
        close_connections_when(app, lambda: self.health.draining)
        site = Site(app, listen, drain_seconds=self.settings.drain_seconds)
        self._sites.append(site)
        return site

    def worker(self, name: str, work: Work) -> None:
        """Have something done in the background, from the start of serving until the drain."""
        self._workers.add(name, work)

    def ready(self, name: str, check: Check) -> None:
        """Without this the process cannot serve."""
        self.health.ready(name, check)

    def degraded(self, name: str, check: Check) -> None:
        """Without this the process serves less well."""
        self.health.degraded(name, check)

    async def start_ops(self) -> None:
        """Answer probes; first of all, so that a slow start is seen as one."""
        self.ports["ops"] = await self._ops.start()

    async def start(self) -> None:
        """Serve what was built."""
        if self._certificates is not None:
            self.worker("certificates", self._follow_certificates)
        for start in self._starting:
            await start()
        self.ports["grpc"] = await self.server.start(self.settings.grpc_listen)
        for site in self._sites:
            self.ports["http"] = await site.start()
        self._workers.start()
        self.health.started = True
        await self.server.set_serving(self.health.is_ready())
        self._health_task = asyncio.create_task(self._tell_health(), name="health")
        log.info("listening", **self.ports)

    async def drain(self) -> None:
        """Stop without losing anything; each step is bounded, and its failure only logged."""
        grace = self.settings.drain_seconds
        log.info("draining")
        self.health.draining = True
        await self.server.leave()
        await asyncio.sleep(self.settings.notice_seconds)
        await self._close("http sites", self._stop_sites, grace + CLOSE_SECONDS)
        await self._close("grpc server", lambda: self.server.stop(grace), grace + CLOSE_SECONDS)
        await self._workers.stop(grace)
        await self._close("service", self.stack.aclose)
        await self._clients.aclose()
        await self._stores.aclose()
        await self.telemetry.aclose()
        await self._stop_watching()
        log.info("stopped")

    def _size(self, setting: str, default: int) -> int:
        return int(getattr(self.settings, setting, default))

    def _schema_check(self) -> ReadyCheck:
        package = self._migrations
        return _answers if package is None else schema_check(package)

    async def _stop_watching(self) -> None:
        if self._health_task is not None:
            self._health_task.cancel()
            await asyncio.wait([self._health_task])
        await self._close("ops site", self._ops.stop)

    async def _tell_health(self) -> None:
        told = self.health.is_ready()
        while not self.health.draining:
            await asyncio.sleep(HEALTH_SECONDS)
            if (now := self.health.is_ready()) != told:
                log.info("readiness changed", **self.health.report())
                await self.server.set_serving(now)
                told = now

    async def _follow_certificates(self, stop: asyncio.Event) -> None:
        """Servers look for themselves at each handshake; channels are told."""
        assert self._certificates is not None
        used = self._certificates.files
        while not await set_within(stop, CERTIFICATE_SECONDS):
            self._certificates.refresh()
            if (now := self._certificates.files) is not used:
                used = now
                log.info("certificates renewed", not_after=now.not_after.isoformat())
                await asyncio.gather(*(channel.renew() for channel in self._channels))

    async def _stop_sites(self) -> None:
        await asyncio.gather(*(site.stop() for site in self._sites))

    def _close_with(
        self, stack: AsyncExitStack, what: str, close: Callable[[], Awaitable[object]]
    ) -> None:
        stack.push_async_callback(self._close, what, close)

    async def _close(
        self, what: str, close: Callable[[], Awaitable[object]], seconds: float = CLOSE_SECONDS
    ) -> None:
        try:
            async with asyncio.timeout(seconds):
                await close()
        except Exception:
            log.exception("closing failed", what=what)


def _certificates(settings: Settings) -> Certificates | None:
    return Certificates(Path(settings.tls_folder)) if settings.tls_folder else None


async def _answers(connection: Connection) -> None:
    """The readiness check of a database whose schema is not ours."""
    await connection.execute("SELECT 1")


def _plain(url: str | SecretStr) -> str:
    return url.get_secret_value() if isinstance(url, SecretStr) else url
