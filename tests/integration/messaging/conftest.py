"""A fresh database and the service's surroundings for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sandbox.databases import DatabaseUrls
from tests.integration.messaging.mesh import Mesh, running


@pytest.fixture
async def mesh(
    service_database: Callable[[str], Awaitable[DatabaseUrls]],
) -> AsyncIterator[Mesh]:
    """Servers around a service that is not started yet."""
    async with running(await service_database("messaging")) as around:
        yield around
