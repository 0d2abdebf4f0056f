"""An empty database and the service's surroundings for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from sandbox.databases import DatabaseUrls
from tests.conftest import ServiceDatabases
from tests.integration.messaging.mesh import Mesh, running

EMPTY = """
TRUNCATE seen, mailbox, mailbox_alias, inbox, quarantine, conversation, effect, outbox,
         delivery_status, number_pause, send_settlement, window_template,
         template, template_account, field_work, mailbox_merge, usage_month, usage_plan, usage_work,
         media, media_upload, archive, conversation_step, guest_erasure
"""


@pytest.fixture(scope="session")
async def shared_database(service_databases: ServiceDatabases) -> AsyncIterator[DatabaseUrls]:
    """One database for all tests here that leave its tables as they are."""
    name, urls = await service_databases.create("messaging")
    yield urls
    await service_databases.drop(name)


@pytest.fixture
async def mesh(shared_database: DatabaseUrls, redis_url: str) -> AsyncIterator[Mesh]:
    """Servers around a service that is not started yet, on empty tables."""
    admin = await asyncpg.connect(shared_database.owner_url)
    await admin.execute(EMPTY)
    await admin.close()
    async with running(shared_database, redis_url=redis_url) as around:
        yield around


@pytest.fixture
async def own_mesh(
    service_database: Callable[[str], Awaitable[DatabaseUrls]],
    redis_url: str,
) -> AsyncIterator[Mesh]:
    """The same on a database of the test's own."""
    async with running(await service_database("messaging"), redis_url=redis_url) as around:
        yield around
