"""An aiohttp server that reads a body and answers 200: the most that any webhook can reach."""

from __future__ import annotations

import uvloop
from aiohttp import web

from bench.programs.stdio import say, until_told


async def ok(request: web.Request) -> web.Response:
    """200, once the body is there."""
    await request.read()
    return web.Response()


async def main() -> None:
    """Serve on a free port."""
    app = web.Application()
    app.router.add_post("/webhooks/whatsapp", ok)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    say(port=runner.addresses[0][1])
    await until_told()
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main())
