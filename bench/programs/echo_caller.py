"""Callers of the echo server, with nothing of ours between them and gRPC."""

from __future__ import annotations

import sys
from typing import Any

import grpc
import uvloop

from bench.programs.echo_server import METHOD, SERVICE
from bench.programs.stdio import answer_runs

PAYLOAD = b"x" * 60


async def main(target: str) -> None:
    """Call `target` when told."""
    async with grpc.aio.insecure_channel(target) as channel:
        echo: Any = channel.unary_unary(f"/{SERVICE}/{METHOD}")

        async def call() -> None:
            if await echo(PAYLOAD, timeout=5.0) != PAYLOAD:
                raise RuntimeError("the echo sent back something else")

        await answer_runs(call)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
