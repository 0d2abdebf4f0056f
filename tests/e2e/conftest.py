"""The whole mesh, as real processes, for tests that speak to it like guests and operators."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sandbox.mesh import Mesh
from sandbox.servers import Given
from tests.e2e.folders import NO_PAUSE, SOON_LOOKED_AT, mesh_folder


@pytest.fixture(scope="session")
async def mesh(run_servers: Given) -> AsyncIterator[Mesh]:
    """All processes, shared by the tests that break nothing; each takes guests of its own."""
    with mesh_folder() as folder:
        # Each text is answered by itself: what is tested here types and waits in turns.
        async with Mesh(folder, given=run_servers, env=NO_PAUSE | SOON_LOOKED_AT) as running:
            yield running
