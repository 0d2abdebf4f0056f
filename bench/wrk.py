"""HTTP load by wrk on one thread: a generator in Python would cap the ceiling first."""

from __future__ import annotations

import asyncio
import json
import shutil
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measuring import BenchError

SCRIPT = Path(__file__).with_suffix(".lua")


@dataclass(frozen=True)
class Load:
    """What wrk counted."""

    requests: int
    seconds: float
    refused: int
    """Answers of 400 and above."""
    broken: int
    """Connections that failed, requests without an answer."""
    p50_ms: float
    p99_ms: float


def check() -> None:
    """One clear sentence when there is no wrk."""
    if shutil.which("wrk") is None:
        raise BenchError("wrk is not installed; it is the Debian package `wrk`.")


def write_pool(path: Path, requests: Sequence[bytes]) -> None:
    """Write raw HTTP requests as the script reads them."""
    with path.open("wb") as file:
        file.writelines(b"%08d%b" % (len(request), request) for request in requests)


async def run(
    url: str, pool: Path, *, seconds: float, connections: int, rate: float | None = None
) -> Load:
    """Post the requests of `pool` for so long; `seconds` is rounded to a whole number.

    With `rate`, so many start in each second; without, each connection goes on when answered.
    """
    paced = () if rate is None else (str(rate),)
    process = await asyncio.create_subprocess_exec(
        "wrk",
        *("--threads", "1", "--connections", str(connections)),
        *("--duration", f"{max(1, round(seconds))}s", "--script", str(SCRIPT)),
        *(url, "--", str(pool), *paced),
        stdout=PIPE,
        stderr=STDOUT,
    )
    output = (await process.communicate())[0].decode()
    found = [line for line in output.splitlines() if line.startswith("RESULT ")]
    if process.returncode != 0 or not found:
        raise BenchError(f"wrk failed: {output.strip()}")
    result = json.loads(found[0].removeprefix("RESULT "))
    return Load(
        requests=result["requests"],
        seconds=result["microseconds"] / 1e6,
        refused=result["refused"],
        broken=result["broken"],
        p50_ms=result["p50_us"] / 1e3,
        p99_ms=result["p99_us"] / 1e3,
    )
