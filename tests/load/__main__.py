"""`make load`: the mesh of `make run` in a folder of its own, and guests by the hundred.

The burst pause is 0: what is measured is the mesh, not the seconds it gives a guest to go on
typing. Thresholds are those of the field: errors below 1 %, 95 of 100 replies within 500 ms,
more than 150 webhooks a second. With `--errors-only` the last two are printed and not judged:
machines that run other things beside say little about speed.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conserje.tenant.v1.tenant_pb2 import WhatsAppNumber

from sandbox.mesh import Mesh
from tests.e2e.folders import NO_PAUSE, mesh_folder
from tests.load.hotels import open_hotels

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "build" / "load"
USERS = 100
PATIENCE_SECONDS = 10
MOST_ERRORS = 0.01
SLOWEST_MS = 500
FEWEST_PER_SECOND = 150
VOICE_NOTE = b"OggS" + bytes(2044)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it; 1 when a threshold was missed."""
    options = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    options.add_argument("--seconds", type=int, default=300)
    options.add_argument("--stages", choices=("steady", "spike"), default="steady")
    options.add_argument("--errors-only", action="store_true")
    told = options.parse_args(arguments)
    RESULTS.mkdir(parents=True, exist_ok=True)
    asyncio.run(_run(stages(told.stages, told.seconds)))
    return judge(read_results(RESULTS / "run_stats.csv"), errors_only=told.errors_only)


def stages(kind: str, seconds: int) -> list[tuple[float, int]]:
    """Until when, and how many users: steady, or three times as many for a fifth of the time."""
    if kind == "steady":
        return [(seconds, USERS)]
    return [(0.4 * seconds, USERS), (0.6 * seconds, 3 * USERS), (seconds, USERS)]


def read_results(file: Path) -> dict[str, dict[str, str]]:
    """Locust's table, by name."""
    with file.open() as rows:
        return {row["Name"]: row for row in csv.DictReader(rows)}


def judge(results: Mapping[str, Mapping[str, str]], *, errors_only: bool) -> int:
    """Prints each threshold beside what was measured; 1 when one that counts was missed."""
    webhooks, replies = results["webhook"], results["webhook to reply"]
    asked = int(webhooks["Request Count"])
    failed = int(webhooks["Failure Count"]) + int(replies["Failure Count"])
    p95, rate = float(replies["95%"]), float(webhooks["Requests/s"])
    errors = failed / asked
    rows = [
        ("errors", f"{errors:.2%}", f"< {MOST_ERRORS:.0%}", errors < MOST_ERRORS, True),
        ("webhook to reply, p95", f"{p95:.0f} ms", f"< {SLOWEST_MS} ms", p95 < SLOWEST_MS, False),
        ("webhooks", f"{rate:.0f}/s", f"> {FEWEST_PER_SECOND}/s", rate > FEWEST_PER_SECOND, False),
    ]
    print(f"\n{asked} webhooks; burst pause 0")
    for name, measured, wanted, held, _ in rows:
        print(f"  {name:<24}{measured:>10}   {wanted:<10} {'held' if held else 'MISSED'}")
    return 0 if all(held for *_, held, always in rows if always or not errors_only) else 1


async def _run(plan: list[tuple[float, int]]) -> None:
    with mesh_folder() as folder:
        async with Mesh(folder, env=NO_PAUSE) as mesh:
            numbers = await open_hotels(mesh)
            await _locust(await _plan(mesh, numbers, plan))


async def _plan(
    mesh: Mesh, numbers: Sequence[WhatsAppNumber], plan: list[tuple[float, int]]
) -> dict[str, Any]:
    return {
        "webhook": mesh.webhook_url,
        "graph": mesh.graph.address,
        "app_secret": mesh.credentials.app_secret,
        "numbers": [
            {
                "phone_number_id": number.phone_number_id,
                "account": number.whatsapp_business_account_id,
                "voice": await mesh.graph.add_media(
                    number.phone_number_id, "audio/ogg; codecs=opus", VOICE_NOTE
                ),
            }
            for number in numbers
        ],
        "stages": plan,
        "patience_seconds": PATIENCE_SECONDS,
    }


async def _locust(plan: Mapping[str, Any]) -> None:
    """Locust runs in a process of its own: it takes over sockets."""
    arguments = ("--headless", "--only-summary", "--csv", str(RESULTS / "run"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "locust", "-f", str(HERE / "locustfile.py"), *arguments),
        env={**os.environ, "CONSERJE_LOAD_PLAN": json.dumps(plan)},
    )
    # Failed requests make it end with 1; they are judged by their share.
    await process.wait()


if __name__ == "__main__":
    sys.exit(main())
