"""A process for tests of processes: it answers with its own id, after a while if told so."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from aiohttp import web
from conserje.tenant.v1 import tenant_service_pb2 as pb
from conserje.tenant.v1 import tenant_service_pb2_grpc as pb_grpc
from pydantic import Field, SecretStr

from meshkit.config import Listen, Settings
from meshkit.kit import Kit
from meshkit.run import main
from tests.integration.meshkit.servers import SERVICE, Servicer, response


class ProgramSettings(Settings):
    """What the tests set."""

    http_listen: Listen = Field("127.0.0.1:0", description="Where the site listens.")
    answer_seconds: float = Field(0.0, description="How long an answer takes.")
    password: SecretStr = Field(SecretStr(""), description="A secret.")


async def build(kit: Kit, settings: ProgramSettings) -> None:
    """A service, a site and a worker that tell what they do."""

    async def answer(_request: pb.ResolveTenantRequest, _context: Any) -> Any:
        kit.logger.info("handler started")
        await asyncio.sleep(settings.answer_seconds)
        return response(str(os.getpid()))

    async def get(_request: web.Request) -> web.Response:
        kit.logger.info("request started")
        await asyncio.sleep(settings.answer_seconds)
        return web.Response(text="answered")

    async def work(stopping: asyncio.Event) -> None:
        await stopping.wait()
        kit.logger.info("worker finished")

    kit.stack.callback(kit.logger.info, "service closed")
    kit.grpc(pb_grpc.add_TenantServiceServicer_to_server, Servicer(answer), SERVICE)
    app = web.Application()
    app.router.add_get("/", get)
    kit.http(app, settings.http_listen)
    kit.worker("work", work)
    sys.stderr.write(",".join(sorted(kit.modes)) + "\n")


if __name__ == "__main__":
    main("tenant", ProgramSettings, build, modes=("serve", "steps"))
