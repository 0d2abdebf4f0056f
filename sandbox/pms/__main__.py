"""`python -m sandbox.pms`: the fake system as a process of its own."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence

from sandbox.pms.app import serving


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line and serves."""
    return run(parser().parse_args(arguments))


def run(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT."""
    try:
        asyncio.run(_serve(options.listen, options.control_listen))
    except (OSError, ValueError) as error:
        print(f"sandbox.pms: {error}", file=sys.stderr)
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m sandbox.pms",
        description="A hotel's own system that can be slow, away, busy, or lie.",
    )
    options.add_argument("--listen", default="127.0.0.1:8086", metavar="HOST:PORT")
    options.add_argument("--control-listen", default="127.0.0.1:8087", metavar="HOST:PORT")
    return options


async def _serve(listen: str, control_listen: str) -> None:
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    host, _, port = listen.rpartition(":")
    control_port = int(control_listen.rpartition(":")[2])
    async with serving(host, int(port), control_port) as addresses:
        told = {"event": "listening", "http": addresses.url, "control": addresses.control}
        print(json.dumps(told), flush=True)
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
