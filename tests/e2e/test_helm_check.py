"""What `helm test` runs in a cluster, here against a mesh on this machine."""

from __future__ import annotations

import asyncio
import sys

import pytest

from sandbox.mesh import Mesh
from tests.chart.render import CHART
from tests.e2e.guests import MIRADOR
from tests.e2e.logs import PROCESSES

pytestmark = pytest.mark.e2e


async def _check(mesh: Mesh, token: str, *more: str) -> tuple[int | None, str]:
    gateway = f"http://{mesh.address('gateway').http}"
    operations = [f"http://{mesh.address(name).ops}" for name in PROCESSES]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CHART / "files" / "check.py"),
        gateway,
        *operations,
        *more,
        env={"VERIFY_TOKEN": token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    return process.returncode, told.decode()


async def test_a_mesh_that_works_passes_up_to_the_reply(mesh: Mesh) -> None:
    graph = f"--graph=http://{mesh.address('graph').http}"
    number = f"--number={MIRADOR}"
    code, told = await _check(mesh, mesh.credentials.verify_token, graph, number)
    assert (code, told) == (0, "7 checks held\n")


async def test_what_does_not_hold_is_told(mesh: Mesh) -> None:
    code, told = await _check(mesh, "another token")
    assert code == 1
    assert told.startswith("the handshake was answered 403")
