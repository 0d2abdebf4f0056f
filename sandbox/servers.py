"""The Postgres and the Redis under a mesh: embedded ones, or those that were named by URL."""

import asyncio
import secrets
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.databases import DatabaseUrls, create_service_database, drop_database
from sandbox.embedded import EmbeddedPostgres, EmbeddedRedis
from sandbox.keeper import Keeper
from sandbox.processes import SandboxError
from sandbox.wiring import SERVICES

LOOK_SECONDS = 1.0
Server = EmbeddedPostgres | EmbeddedRedis


@dataclass(frozen=True)
class Given:
    """What exists already and must not be started."""

    postgres_url: str = ""
    """An administrator's URL; databases are created there, and dropped when the mesh ends."""
    redis_url: str = ""
    databases: Mapping[str, DatabaseUrls] = field(default_factory=dict)
    """By service; an empty owner URL says that someone else migrates it."""


class Servers:
    """Starts what is missing, in `run_dir`, and stops what it started."""

    def __init__(self, run_dir: Path, given: Given, keeper: Keeper) -> None:
        self.databases: dict[str, DatabaseUrls] = dict(given.databases)
        self.redis_url = given.redis_url
        self.postgres: EmbeddedPostgres | None = None
        self.redis: EmbeddedRedis | None = None
        self._created: list[str] = []
        self._run_dir = run_dir
        self._given = given
        self._keeper = keeper

    @property
    def ports(self) -> dict[str, int]:
        """The ports of what was started here."""
        return {name: server.port for name, server in self._started().items()}

    def plan(self) -> str:
        """What is going to be started, in a sentence."""
        given_postgres = self._given.postgres_url or set(SERVICES) <= set(self.databases)
        missing = {"Postgres": not given_postgres, "Redis": not self.redis_url}
        starting = " and ".join(name for name, start in missing.items() if start)
        return f"starting {starting}" if starting else "using the Postgres and the Redis given"

    async def start_postgres(self, port: int = 0) -> None:
        """Has a database for every service."""
        if missing := [service for service in SERVICES if service not in self.databases]:
            if not self._given.postgres_url:
                self.postgres = EmbeddedPostgres(self._run_dir / "postgres", port)
                await self._start(self.postgres)
            for service in missing:
                self.databases[service] = await self._create(service)

    async def start_redis(self, port: int = 0) -> None:
        """Has a Redis."""
        if not self.redis_url:
            self.redis = EmbeddedRedis(self._run_dir / "redis", port)
            await self._start(self.redis)
            self.redis_url = self.redis.url

    async def keep_running(self, tell: Callable[[str], None]) -> None:
        """Starts again, where it was, what has ended by itself; until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for name, server in self._started().items():
                if not server.running:
                    tell(f"{name} has ended; starting it again")
                    await asyncio.to_thread(server.stop)
                    try:
                        await self._start(server)
                    except SandboxError as error:
                        tell(str(error))

    async def stop(self) -> None:
        """Stops what was started, and drops what was created on a server of others."""
        for server in self._started().values():
            await asyncio.to_thread(server.stop)
        while self._created:
            await drop_database(self._given.postgres_url, self._created.pop())

    def _started(self) -> dict[str, Server]:
        servers = {"postgres": self.postgres, "redis": self.redis}
        return {name: server for name, server in servers.items() if server is not None}

    async def _start(self, server: Server) -> None:
        await _finish(server.start)
        # SIGINT is Postgres's word for a fast shutdown.
        sign = signal.SIGINT if server is self.postgres else signal.SIGTERM
        self._keeper.watch(server.pid, sign)

    async def _create(self, service: str) -> DatabaseUrls:
        if self.postgres is not None:
            return await self.postgres.create_service_database(service)
        # On a server of others, several meshes may live side by side.
        name = f"mesh_{secrets.token_hex(4)}_{service}"
        self._created.append(name)
        return await create_service_database(self._given.postgres_url, service, database=name)


async def _finish(start: Callable[[], None]) -> None:
    """Runs a start in a thread, to its end also when cancelled: half a start cannot be stopped."""
    running = asyncio.ensure_future(asyncio.to_thread(start))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
