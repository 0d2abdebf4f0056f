"""The mesh as it runs in production, for one group of entries."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg

from bench.measuring import BenchError
from bench.processes import CpuMeter, program
from sandbox.mesh import Mesh
from sandbox.wiring import Process

COUNT_WAITING = "SELECT count(*) FROM mailbox WHERE due_time IS NOT NULL"
ANSWER_SECONDS = 60.0
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


@contextmanager
def _folder() -> Iterator[Path]:
    """One that the unprivileged account of an embedded Postgres can reach."""
    folder = Path(tempfile.mkdtemp(prefix="conserje-bench-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def running(*processes: str | Process) -> AsyncIterator[tuple[Mesh, str]]:
    """A mesh of these processes on a durable Postgres, its spans going to a collector.

    Yields the mesh and the collector's endpoint. Guests' texts do not wait for each
    other; everything else is as shipped.
    """
    async with program("collector") as (_, answer):
        endpoint = f"http://127.0.0.1:{answer['port']}"
        environment = {
            "CONSERJE_OTLP_ENDPOINT": endpoint,
            "CONSERJE_TRACE_RATIO": "0.01",
            # What is measured is work, not the wait for a guest's next line.
            "CONSERJE_MESSAGING_BURST_PAUSE_SECONDS": "0",
        }
        with _folder() as folder:
            async with Mesh(folder, processes=processes, env=environment) as mesh:
                await _check_durable(mesh)
                yield mesh, endpoint
                if mesh.crashes:
                    raise BenchError(f"The mesh did not hold: {'; '.join(mesh.crashes)}.")


def meter(mesh: Mesh, names: Sequence[str], **others: int) -> CpuMeter:
    """Meters processes of the mesh, its Postgres, and what else is named with its pid."""
    assert mesh.servers.postgres is not None
    postgres = mesh.servers.postgres.pid
    return CpuMeter(
        lambda: {**{name: mesh.pid(name) for name in names}, "postgres": postgres, **others}
    )


async def count(mesh: Mesh, service: str, query: str, *values: str) -> int:
    """The one number that `query` finds in the database of a service."""
    connection = await asyncpg.connect(mesh.databases[service].owner_url)
    try:
        return int(await connection.fetchval(query, *values))
    finally:
        await connection.close()


async def until_answered(mesh: Mesh) -> None:
    """Wait until no conversation is left to lead: it would count for what is measured next."""
    async with asyncio.timeout(ANSWER_SECONDS):
        while await count(mesh, "messaging", COUNT_WAITING):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def _check_durable(mesh: Mesh) -> None:
    connection = await asyncpg.connect(mesh.databases["messaging"].app_url)
    try:
        for name in DURABLE:
            if await connection.fetchval(f"SHOW {name}") != "on":
                raise BenchError(f"Postgres runs with {name} off; its numbers would mean nothing.")
    finally:
        await connection.close()
