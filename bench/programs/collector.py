"""Takes spans as an OTLP collector does and forgets them."""

from __future__ import annotations

import uvloop
from aiohttp import web

from bench.programs.stdio import say, until_told


async def take(request: web.Request) -> web.Response:
    """200, once the spans are read."""
    await request.read()
    return web.Response()


async def main() -> None:
    """Serve on a free port."""
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    say(port=runner.addresses[0][1])
    await until_told()
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main())
