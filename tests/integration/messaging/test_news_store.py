"""What is heard of reservations is kept as it happened, for who leads the chat by then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from meshkit.postgres import Postgres
from services.messaging.clients import HOTEL_MODIFIED
from services.messaging.store.news import News, NewsStore
from tests.integration.messaging.mesh import NUMBER, TENANT, Mesh


@pytest.fixture
async def news(mesh: Mesh) -> AsyncIterator[NewsStore]:
    """The store, with nothing that takes what it keeps."""
    postgres = Postgres(mesh.urls.app_url, kept=2, overflow=1)
    await postgres.start()
    yield NewsStore(postgres)
    await postgres.close()


BOXES = """
INSERT INTO mailbox (mailbox_id, phone_number_id)
SELECT n, $1 FROM generate_series(1, 3) AS n
"""
KEPT = "SELECT answer FROM effect ORDER BY effect_number"
MERGED = "UPDATE mailbox SET merged_into = 2 WHERE mailbox_id = 1"
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"


def changed(*mailbox_ids: int) -> list[News]:
    """Changes of what was booked in these chats, one after the other."""
    return [
        News(TENANT, uuid4(), mailbox_id, HOTEL_MODIFIED, bytes([place]))
        for place, mailbox_id in enumerate(mailbox_ids)
    ]


async def test_changes_that_are_heard_at_once_are_kept_in_their_order(
    news: NewsStore, mesh: Mesh
) -> None:
    await mesh.admin.execute(BOXES, NUMBER)
    await news.take_in(1, changed(1, 3, 1, 2, 3))
    kept = [row["answer"][0] for row in await mesh.admin.fetch(KEPT)]
    assert kept == list(range(5))


async def test_what_is_heard_while_chats_become_one_is_kept_for_the_one_that_stays(
    news: NewsStore, mesh: Mesh
) -> None:
    await mesh.admin.execute(BOXES, NUMBER)
    merger = await asyncpg.connect(mesh.urls.owner_url)
    async with merger.transaction():
        await merger.execute(MERGED)
        taking = asyncio.create_task(news.take_in(1, changed(1)))
        await mesh.until(WAITS, merger.get_server_pid(), value=1)
    await taking
    await merger.close()
    assert await mesh.admin.fetchval("SELECT mailbox_id FROM effect") == 2
    (due,) = await mesh.admin.fetch("SELECT mailbox_id FROM mailbox WHERE due_time IS NOT NULL")
    assert due["mailbox_id"] == 2
