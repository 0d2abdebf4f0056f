"""The composition of the fake Graph API: settings → world → one HTTP server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from sandbox.graph import accounts, api, control
from sandbox.graph.settings import GraphSettings
from sandbox.graph.world import World


@asynccontextmanager
async def serving(
    settings: GraphSettings, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serves inside the block and yields the base address, such as `http://127.0.0.1:8085`."""
    world = World(settings)
    runner = web.AppRunner(_application(world), access_log=None, shutdown_timeout=1.0)
    courier = asyncio.create_task(world.courier.run())
    try:
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        courier.cancel()
        with suppress(asyncio.CancelledError):
            await courier
        world.journal.close()


def _application(world: World) -> web.Application:
    application = web.Application(middlewares=[api.peers, api.errors], client_max_size=api.MAX_BODY)
    application[accounts.WORLD] = world
    application.add_routes([*api.routes(), *control.routes()])
    return application
