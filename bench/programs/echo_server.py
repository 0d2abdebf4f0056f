"""A gRPC server that sends back the bytes it got: the least that a unary RPC can cost."""

from __future__ import annotations

from typing import Any

import grpc
import uvloop

from bench.programs.stdio import say, until_told

SERVICE, METHOD = "bench.Echo", "Echo"


async def echo(request: bytes, _context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
    """The same bytes."""
    return request


async def main() -> None:
    """Serve on a free port."""
    server = grpc.aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(echo)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    say(port=port)
    await until_told()
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(main())
