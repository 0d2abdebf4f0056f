"""`python -m sandbox`, which is `make run`: the whole product on this machine.

Everything it starts it stops again, on Ctrl-C, on SIGTERM and, through the keeper, when it is
killed. Data and logs live in `.conserje/`; the next start finds them.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import grpc
from conserje.tenant.v1.tenant_pb2 import TENANT_STATE_ACTIVE
from conserje.tenant.v1.tenant_service_pb2 import ListTenantsRequest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from cli.asking import pages
from cli.channels import open_channel
from sandbox.child import ROOT
from sandbox.commands import add_like
from sandbox.databases import DatabaseUrls
from sandbox.mesh import DEFAULT_PROCESSES, Mesh
from sandbox.processes import SandboxError
from sandbox.servers import Given
from sandbox.wiring import SERVICES, Process

GATEWAY_LISTEN = "CONSERJE_GATEWAY_HTTP_LISTEN"
MOST_HOTELS = 20
"""Named at the start; an installation may have thousands."""
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Progress:
    """Lines with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def tell(self, sentence: str) -> None:
        """Prints one line."""
        self.show(f"{time.monotonic() - self._start:6.1f} s  {sentence}")

    def show(self, text: str) -> None:
        """Prints a text; a terminal that is gone does not keep us from stopping."""
        with suppress(OSError):
            print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line and runs the mesh."""
    return run(parser().parse_args(arguments))


def run(options: argparse.Namespace) -> int:
    """Runs the mesh until it is told to stop; the exit code is 1 when it did not start."""
    progress = Progress()
    try:
        asyncio.run(_run(options, progress))
    except SandboxError as error:
        told = str(error)
        if options.gateway_port is not None:
            told = told.replace(GATEWAY_LISTEN, "--gateway-port")
        print(f"conserje: {told}", file=sys.stderr)
        return 1
    return 0


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds it to the `conserje` command."""
    add_like(commands, "up", parser(), run)


def parser() -> argparse.ArgumentParser:
    """The options; `conserje up` has the same."""
    options = argparse.ArgumentParser(
        prog="conserje up",
        description="Run the whole product on this machine, with two demo hotels.",
        epilog=(
            "CONSERJE_{TENANT,BOOKING,MESSAGING}_DATABASE_URL and CONSERJE_REDIS_URL name servers "
            "to use instead of embedded ones; CONSERJE_<PROCESS>_{GRPC,OPS,HTTP}_LISTEN name "
            "addresses instead of free ones."
        ),
    )
    options.add_argument("--gateway-port", type=int, metavar="PORT", help="for the webhook")
    options.add_argument("--dir", type=Path, default=ROOT / ".conserje", help="data and logs")
    return options


async def _run(options: argparse.Namespace, progress: Progress) -> None:
    """Starts, waits for the word to stop, and stops; the word may come at any moment."""
    serving = asyncio.create_task(_serve(options, progress))
    loop = asyncio.get_running_loop()
    for sign in STOPS:
        loop.add_signal_handler(sign, _stop, serving, progress)
    try:
        await serving
    except asyncio.CancelledError:
        progress.tell("stopped; `make run` goes on where this ended")


async def _serve(options: argparse.Namespace, progress: Progress) -> None:
    told = _told(options, os.environ)
    mesh = Mesh(
        options.dir,
        processes=_processes(),
        given=given_by(os.environ),
        told=told,
        env={"CONSERJE_TRACE_RATIO": "1", **os.environ},
        restart_crashed=True,
        tell=progress.tell,
    )
    async with mesh:
        progress.tell("ready")
        hotels = await asyncio.to_thread(_hotels, mesh.address("tenant").grpc)
        progress.show(_welcome(mesh, hotels))
        await asyncio.Event().wait()


def _stop(serving: asyncio.Task[None], progress: Progress) -> None:
    # The second time somebody is in a hurry: what is left goes with the keeper.
    if serving.cancelling():
        os._exit(130)
    progress.tell("stopping")
    serving.cancel()


def given_by(environ: Mapping[str, str]) -> Given:
    """The servers that the environment names.

    Without an owner's URL the database is migrated as the role of the app's URL.
    """
    databases = {}
    for service in SERVICES:
        prefix = f"CONSERJE_{service.upper()}_"
        if url := environ.get(prefix + "DATABASE_URL"):
            owner = environ.get(prefix + "OWNER_DATABASE_URL") or url
            databases[service] = DatabaseUrls(owner_url=owner, app_url=url)
    return Given(redis_url=environ.get("CONSERJE_REDIS_URL", ""), databases=databases)


def _processes() -> list[Process]:
    """The pair limit is Meta's; whoever tries the product should meet it."""
    return [
        Process(name, ("--pair-limit",) if name == "graph" else ()) for name in DEFAULT_PROCESSES
    ]


def _told(options: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, str]:
    told = {name: value for name, value in environ.items() if name.endswith("_LISTEN")}
    if options.gateway_port is not None:
        told[GATEWAY_LISTEN] = f"127.0.0.1:{options.gateway_port}"
    return told


def _hotels(target: str) -> list[str]:
    """A line for each hotel that answers, the first of them by their ids, and how many more."""
    answering = []
    with open_channel(target) as channel, suppress(grpc.RpcError):
        for page in pages(TenantServiceStub(channel).ListTenants, ListTenantsRequest()):
            answering += [one for one in page.tenants if one.state == TENANT_STATE_ACTIVE]
    told = [f"{one.tenant_id:<16} {one.display_name}" for one in answering[:MOST_HOTELS]]
    more = len(answering) - MOST_HOTELS
    return [*told, f"and {more} more: ./conserje tenant list"] if more > 0 else told


def _welcome(mesh: Mesh, hotels: Sequence[str]) -> str:
    listed = "\n".join(f"    {hotel}" for hotel in hotels)
    services = "\n".join(f"    {mesh.address(one).grpc}   {one}, over gRPC" for one in SERVICES)
    return f"""
  The hotels that answer:
{listed}

  Type this in another terminal, and write like a guest:
    make chat

  More to type:
    ./conserje doctor        what is up, what is not, and why
    ./conserje trace CODE    the way of a message, by reservation code or wamid
    ./conserje --help        everything else
  To open:
    {mesh.webhook_url}   the webhook (signed requests only)
    {mesh.graph.address}/control/report   what the fake WhatsApp has seen
{services}
  Logs: {mesh.folder.path / "logs"}

  Ctrl-C stops everything.
"""


if __name__ == "__main__":
    sys.exit(main())
