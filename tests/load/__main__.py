"""`make load`: the mesh of `make run` in a folder of its own, and k6 for guests by the hundred.

What the guests do, how many they are and what is judged is told in load_test.js. With
`--errors-only` the errors alone are judged, and speed is printed: machines that run other things
beside say little about it.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from collections.abc import Sequence
from typing import Any

from sandbox.mesh import Mesh
from tests.e2e.folders import NO_PAUSE, mesh_folder
from tests.load.hotels import open_hotels
from tests.load.k6 import command
from tests.tools import ROOT, find_tool

RESULTS = ROOT / "build" / "load" / "results.json"
VOICE_NOTE = b"OggS" + bytes(2044)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it; not 0 when a threshold was missed."""
    options = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    options.add_argument("--seconds", type=int, help="instead of 300, or 3600 for soak")
    options.add_argument("--stages", choices=("steady", "spike", "soak"), default="steady")
    options.add_argument("--errors-only", action="store_true")
    told = options.parse_args(arguments)
    k6 = find_tool("k6")
    if k6 is None:
        print(
            "conserje: k6 is not there, so there is no load; scripts/tools.sh builds the pinned "
            "one with Go, and any k6 1.x on the path does",
            file=sys.stderr,
        )
        return 1
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_run(k6, vars(told)))


async def _run(k6: str, told: dict[str, Any]) -> int:
    with mesh_folder(on_disk=True) as folder:
        async with Mesh(folder, env=NO_PAUSE) as mesh:
            plan = {**await _plan(mesh), **told, "results": str(RESULTS)}
            arguments = command(k6, "run", plan, folder)
            if not sys.stdout.isatty():
                arguments.append("--quiet")
            process = await asyncio.create_subprocess_exec(*arguments)
            return await process.wait()


async def _plan(mesh: Mesh) -> dict[str, Any]:
    return {
        "webhook": mesh.webhook_url,
        "graph": mesh.graph.address,
        "app_secret": mesh.credentials.app_secret,
        "run": secrets.token_hex(12),
        "patience_seconds": 10,
        "numbers": [
            {
                "phone_number_id": number.phone_number_id,
                "account": number.whatsapp_business_account_id,
                "voice": await mesh.graph.add_media(
                    number.phone_number_id, "audio/ogg; codecs=opus", VOICE_NOTE
                ),
            }
            for number in await open_hotels(mesh)
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
