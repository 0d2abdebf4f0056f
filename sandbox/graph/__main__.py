"""`python -m sandbox.graph`: the fake Graph API as a process of its own."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.commands import add_like
from sandbox.graph import faults
from sandbox.graph.app import serving
from sandbox.graph.chaos import Mood
from sandbox.graph.settings import GraphSettings, Number

# Secrets and numbers come from the environment: a command line is there for everyone to read.
_ENVIRONMENT = """environment:
  CONSERJE_GRAPH_APP_SECRET    signs the webhooks
  CONSERJE_GRAPH_ACCESS_TOKEN  the bearer token that senders must show
  CONSERJE_GRAPH_NUMBERS       [{"phone_number_id", "waba_id", "display_phone_number"}, …]
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line and serves."""
    return run(parser().parse_args(arguments))


def run(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT."""
    host, _, port = str(options.listen).rpartition(":")
    try:
        asyncio.run(_serve(_settings(options, os.environ), host, int(port)))
    except (OSError, ValueError) as error:
        print(f"conserje graph: {error}", file=sys.stderr)
        return 2
    return 0


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds it to the `conserje` command."""
    add_like(commands, "graph", parser(), run)


def parser() -> argparse.ArgumentParser:
    """The options; `conserje graph` has the same."""
    options = argparse.ArgumentParser(
        prog="conserje graph",
        description="A Graph API that behaves like Meta's, for one machine.",
        epilog=_ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--listen", default="127.0.0.1:8085", metavar="HOST:PORT")
    options.add_argument("--webhook-url", default="", metavar="URL", help="the gateway's webhook")
    options.add_argument("--pair-limit", action="store_true", help="enforce Meta's pair limit")
    options.add_argument("--batch-items", type=int, default=5, help="most items in one webhook")
    _add_mood(options)
    options.add_argument("--log", type=Path, metavar="FILE", help="journal to go on from")
    return options


def _add_mood(options: argparse.ArgumentParser) -> None:
    mood = options.add_argument_group("what goes wrong by itself")
    mood.add_argument("--seed", type=int, default=0, help="the same seed, the same day")
    mood.add_argument("--fail", type=float, default=0, metavar="SHARE", help="of sends, 0.1 say")
    mood.add_argument(
        "--fail-kinds", nargs="+", choices=faults.KINDS, default=Mood.fail_kinds, metavar="KIND"
    )
    mood.add_argument("--fail-codes", nargs="+", type=int, default=Mood.fail_codes, metavar="CODE")
    mood.add_argument(
        "--duplicate", type=float, default=0, metavar="SHARE", help="of webhook items"
    )
    mood.add_argument("--shuffle", action="store_true", help="webhook items out of order")
    mood.add_argument(
        "--latency", type=float, default=0, metavar="SECONDS", help="at most, for everything"
    )


def _mood(options: argparse.Namespace) -> Mood:
    return Mood(
        seed=options.seed,
        fail=options.fail,
        fail_kinds=tuple(options.fail_kinds),
        fail_codes=tuple(options.fail_codes),
        duplicate=options.duplicate,
        shuffle=options.shuffle,
        latency_seconds=options.latency,
    )


def _settings(options: argparse.Namespace, environ: Mapping[str, str]) -> GraphSettings:
    default = GraphSettings()
    numbers = json.loads(environ.get("CONSERJE_GRAPH_NUMBERS") or "[]")
    return GraphSettings(
        webhook_url=options.webhook_url,
        app_secret=environ.get("CONSERJE_GRAPH_APP_SECRET") or default.app_secret,
        access_token=environ.get("CONSERJE_GRAPH_ACCESS_TOKEN") or default.access_token,
        numbers=[Number(**fields) for fields in numbers],
        pair_limit=options.pair_limit,
        batch_items=options.batch_items,
        mood=_mood(options),
        log=options.log,
    )


async def _serve(settings: GraphSettings, host: str, port: int) -> None:
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    async with serving(settings, host, port) as address:
        print(json.dumps({"event": "listening", "http": address}), flush=True)
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
