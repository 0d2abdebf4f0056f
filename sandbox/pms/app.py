"""The composition of the fake system: one HTTP server for the hotels, one to control it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware

from sandbox.pms import api, control, qloapps
from sandbox.pms.world import WORLD, World

MAX_BODY = 1024 * 1024


@dataclass(frozen=True)
class Addresses:
    """Where it listens."""

    url: str
    """The system, as hotels' connections name it."""
    control: str
    """The control API, which stays there while the system restarts."""


@asynccontextmanager
async def serving(
    host: str = "127.0.0.1", port: int = 0, control_port: int = 0
) -> AsyncIterator[Addresses]:
    """Serves inside the block."""
    world = World()
    front = _Front(_system(world), host, port)
    desk = _runner(_application(world, control.routes(), control.understood))
    world.restart = front.restart
    try:
        await front.start()
        await desk.setup()
        await web.TCPSite(desk, host, control_port).start()
        yield Addresses(f"http://{host}:{front.port}", f"http://{host}:{desk.addresses[0][1]}")
    finally:
        await front.stop()
        await desk.cleanup()
        await world.teller.close()


class _Front:
    """The side that hotels' clients see; it can go away and come back at the same port."""

    def __init__(self, application: web.Application, host: str, port: int) -> None:
        self._runner = _runner(application)
        self._host = host
        self.port = port
        self._site: web.TCPSite | None = None
        self._returning: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._runner.setup()
        await self._listen()
        self.port = self._runner.addresses[0][1]

    async def restart(self, seconds: float) -> None:
        """Refuse connections for so long; those that are open are cut."""
        if self._site is None:
            return
        site, self._site = self._site, None
        await site.stop()
        assert self._runner.server is not None
        for connection in list(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        self._returning = asyncio.create_task(self._come_back(seconds))

    async def stop(self) -> None:
        if self._returning is not None:
            self._returning.cancel()
        await self._runner.cleanup()

    async def _come_back(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._listen()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, self._host, self.port, reuse_address=True)
        await self._site.start()


def _system(world: World) -> web.Application:
    return _application(world, [*api.routes(), *qloapps.routes()])


def _application(
    world: World, routes: list[web.RouteDef], *middlewares: Middleware
) -> web.Application:
    application = web.Application(middlewares=[api.errors, *middlewares], client_max_size=MAX_BODY)
    application[WORLD] = world
    application.add_routes(routes)
    return application


def _runner(application: web.Application) -> web.AppRunner:
    return web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
