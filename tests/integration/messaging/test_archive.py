"""What came in is kept encrypted for some days, under its hotel's data key."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from conserje.messaging.v1.event_pb2 import DELIVERY_STATE_SENT, InboundEvent
from conserje.messaging.v1.messaging_service_pb2 import IngestEventRequest
from prometheus_client import CollectorRegistry

from meshkit.errors import Internal, Unavailable
from meshkit.key_folder import KeyFolder
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from services.messaging.archive.keeper import ArchiveKeeper
from services.messaging.archive.metrics import ArchiveMetrics
from services.messaging.archive.sealing import Sealer
from services.messaging.inbox import append
from services.messaging.metrics import MessagingMetrics
from services.messaging.store.archive import Archived, ArchiveStore
from services.messaging.store.inbox import INGEST, IngestColumns, SealedColumns
from services.messaging.store.inbox import _arguments as arguments_of
from tests.conftest import PostgresServer
from tests.integration.messaging.mesh import ACCOUNT, NUMBER, TENANT, Mesh, status, text

WORDS = "canary-words-of-a-guest"
PHONE = "34611222333"
SELECT = """
SELECT inbox_id, tenant_id, phone_number_id, item_key, key_id, ciphertext FROM archive
ORDER BY inbox_id
"""


def add_key(folder: Path, key_id: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / key_id).write_bytes(base64.b64encode(secrets.token_bytes(32)))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return add_key(tmp_path / "keys", "2026-01")


def sealer(folder: Path, **kept: int) -> Sealer:
    return Sealer(KeyFolder(str(folder)), ArchiveMetrics(CollectorRegistry()), **kept)


async def archived(mesh: Mesh) -> list[Archived]:
    return [Archived(**dict(row)) for row in await mesh.admin.fetch(SELECT)]


@asynccontextmanager
async def storing(urls: DatabaseUrls) -> AsyncIterator[ArchiveStore]:
    """The store by itself."""
    postgres = Postgres(urls.app_url, kept=2, overflow=1)
    await postgres.start()
    yield ArchiveStore(postgres)
    await postgres.close()


@asynccontextmanager
async def keeping(urls: DatabaseUrls, folder: Path) -> AsyncIterator[ArchiveKeeper]:
    """The keeper by itself."""
    registry = CollectorRegistry()
    async with storing(urls) as store:
        yield ArchiveKeeper(
            *(store, sealer(folder), ArchiveMetrics(registry), MessagingMetrics(registry)), days=8
        )


async def serve(mesh: Mesh, folder: Path, *modes: str) -> Any:
    """A replica that knows whose the numbers are."""
    stub = await mesh.start(*(modes or ("serve",)), keys_folder=str(folder))
    await mesh.until_told()
    return stub


async def test_every_item_is_archived_sealed_and_opens_as_it_came(mesh: Mesh, folder: Path) -> None:
    stub = await serve(mesh, folder)
    field = InboundEvent(
        phone_number_id=NUMBER,
        whatsapp_business_account_id=ACCOUNT,
        item_key=b"field",
        raw_json=b'{"odd": "\\u0000"}',
    )
    field.field_update.field = "account_update"
    items = [
        text(WORDS, phone=PHONE),
        status(DELIVERY_STATE_SENT, wamid="wamid.ours"),
        IngestEventRequest(event=field),
        text(WORDS, phone=PHONE, number="999"),
    ]
    await mesh.say(stub, *items, items[0])
    await mesh.say(stub, *items)
    rows = await archived(mesh)
    assert [row.tenant_id for row in rows] == [TENANT, TENANT, TENANT, None]
    opened = [sealer(folder).open(row) for row in rows]
    assert opened == [item.event.SerializeToString() for item in items]


async def test_no_word_of_a_guest_is_in_the_bytes_of_the_archive(
    own_mesh: Mesh, folder: Path, postgres_server: PostgresServer
) -> None:
    stub = await serve(own_mesh, folder)
    await own_mesh.say(stub, *(text(f"{WORDS} {n}", phone=PHONE) for n in range(200)))
    database = own_mesh.urls.app_url.rpartition("/")[2].partition("?")[0]
    admin = await asyncpg.connect(postgres_server.admin_url(database))
    try:
        await admin.execute("CHECKPOINT")
        inbox, archive = [await files_of(admin, table) for table in ("inbox", "archive")]
    finally:
        await admin.close()
    assert WORDS.encode() in inbox, "the files are not looked at as they should"
    assert WORDS.encode() not in archive
    assert PHONE.encode() not in archive


async def files_of(admin: asyncpg.Connection, table: str) -> bytes:
    """All bytes of a table as they are on the disk, long values included."""
    paths = await admin.fetch(
        "SELECT pg_relation_filepath(oid) FROM pg_class WHERE oid = $1::text::regclass"
        " OR oid = (SELECT reltoastrelid FROM pg_class WHERE oid = $1::text::regclass)",
        table,
    )
    read = "SELECT pg_read_binary_file($1)"
    return b"".join([await admin.fetchval(read, row[0]) for row in paths])


@pytest.mark.parametrize(
    "changed",
    [
        {"phone_number_id": "100000000000002"},
        {"item_key": b"another"},
        {"tenant_id": "hotel-other"},
        {"tenant_id": None},
    ],
)
async def test_an_item_opens_with_its_number_its_key_and_its_hotel_only(
    mesh: Mesh, folder: Path, changed: dict[str, Any]
) -> None:
    stub = await serve(mesh, folder)
    await mesh.say(stub, text(WORDS))
    (row,) = await archived(mesh)
    with pytest.raises(Internal, match="VALUE_ALTERED"):
        sealer(folder).open(replace(row, **changed))


async def test_under_another_key_nothing_opens(mesh: Mesh, folder: Path, tmp_path: Path) -> None:
    stub = await serve(mesh, folder)
    await mesh.say(stub, text(WORDS))
    (row,) = await archived(mesh)
    with pytest.raises(Internal, match="VALUE_ALTERED"):
        sealer(add_key(tmp_path / "forged", row.key_id)).open(row)
    with pytest.raises(Unavailable, match="KEY_MISSING"):
        sealer(add_key(tmp_path / "other", "2026-02")).open(row)


async def test_a_newer_key_seals_and_the_older_one_still_opens(mesh: Mesh, folder: Path) -> None:
    stub = await serve(mesh, folder)
    await mesh.say(stub, text(WORDS))
    await mesh.stop()
    stub = await serve(mesh, add_key(folder, "2026-02"))
    await mesh.say(stub, text(WORDS))
    rows = await archived(mesh)
    assert [row.key_id for row in rows] == ["2026-01", "2026-02"]
    assert all(WORDS.encode() in sealer(folder).open(row) for row in rows)


@pytest.mark.parametrize("problem", ["no folder", "no key in it"])
async def test_without_a_key_messages_are_answered_all_the_same(
    mesh: Mesh, tmp_path: Path, problem: str
) -> None:
    stub = await mesh.start(keys_folder="" if problem == "no folder" else str(tmp_path))
    await mesh.say(stub, text("hola"))
    await mesh.accepted(1)
    assert await archived(mesh) == []
    counted = mesh.kits[0].registry.get_sample_value
    assert counted("archive_items_total", {"outcome": "no_key"}) == 1


async def test_what_came_before_its_hotel_was_known_comes_under_its_data_key(
    mesh: Mesh, folder: Path
) -> None:
    mesh.tenants.away = True
    stub = await mesh.start("serve", keys_folder=str(folder))
    await mesh.say(stub, text(WORDS), text(WORDS, number="999"))
    assert [row.tenant_id for row in await archived(mesh)] == [None, None]
    await mesh.admin.execute(
        "UPDATE inbox SET state = 'DONE', tenant_id = $1 WHERE phone_number_id = $2", TENANT, NUMBER
    )
    async with keeping(mesh.urls, folder) as keeper:
        await keeper.resolve(asyncio.Event())
    known, unknown = await archived(mesh)
    assert (known.tenant_id, unknown.tenant_id) == (TENANT, None)
    assert all(WORDS.encode() in sealer(folder).open(row) for row in (known, unknown))


READ = """
SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'inbox'
"""


async def test_archiving_a_batch_reads_no_more_of_the_inbox_than_the_batch(mesh: Mesh) -> None:
    many = range(-3000, 0)
    await mesh.admin.execute(INBOX, list(many), ["DONE" for _ in many])
    columns = IngestColumns()
    for number in range(50):
        append(columns, text(phone=f"34{number}"), time.time())
    sealed = SealedColumns("key", [TENANT] * 50, columns.event)
    postgres = Postgres(mesh.urls.app_url, kept=2, overflow=1)
    await postgres.start()
    async with postgres.transaction() as connection:
        assert len(await connection.fetchval(INGEST, *arguments_of(columns, sealed))) == 50
        assert await connection.fetchval(READ) < 500
    await postgres.close()
    assert await mesh.admin.fetchval("SELECT count(mailbox_id) FROM archive") == 50


FILL = """
INSERT INTO archive (inbox_id, phone_number_id, item_key, key_id, ciphertext, arrive_time)
SELECT n, 'n', 'k', 'k', '', now() - CASE WHEN n <= $1 THEN interval '9 days' ELSE '7 days' END
FROM generate_series(1, $2::bigint) AS n
"""
INBOX = """
INSERT INTO inbox (inbox_id, phone_number_id, account_id, kind, order_time, traceparent, event,
                   state, mailbox_id)
SELECT n, 'n', 'a', 'message', now(), '', 'words', state, 1
FROM unnest($1::bigint[], $2::text[]) AS i(n, state)
"""


async def test_a_sweep_deletes_what_is_older_a_bounded_number_of_rows_at_a_time(
    mesh: Mesh, folder: Path
) -> None:
    await mesh.admin.execute(FILL, 250, 300)
    async with storing(mesh.urls) as store:
        gone = [await store.sweep(days=8, limit=100) for _ in range(4)]
        assert gone == [100, 100, 50, 0]
        assert await mesh.admin.fetchval("SELECT min(inbox_id) FROM archive") == 251
        assert 6.9 < await store.oldest_seconds() / 86400 < 7.1
        assert await store.sweep(days=6, limit=100) == 50
        assert await store.oldest_seconds() == 0


async def test_a_sweep_looks_at_the_oldest_rows_only(mesh: Mesh) -> None:
    await mesh.admin.execute(FILL, 0, 3000)
    await mesh.admin.execute("ANALYZE archive")
    body = await mesh.admin.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'sweep_archive'")
    sweep = body.replace("p_days", "8.0").replace("p_limit", "100")
    plan = await mesh.admin.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sweep}")
    assert '"Actual Rows": 100' in plan
    assert '"Actual Rows": 3000' not in plan


async def test_what_is_swept_is_gone_from_the_inbox_unless_it_still_waits(mesh: Mesh) -> None:
    await mesh.admin.execute(FILL, 4, 4)
    await mesh.admin.execute(INBOX, [1, 2, 3], ["DONE", "DEAD", "PENDING"])
    async with storing(mesh.urls) as store:
        assert await store.sweep(days=8, limit=100) == 4
    rows = await mesh.admin.fetch("SELECT event FROM inbox ORDER BY inbox_id")
    assert [row["event"] for row in rows] == [b"", b"words", b"words"]


async def test_the_running_service_sweeps(mesh: Mesh, folder: Path) -> None:
    await mesh.admin.execute(FILL, 2500, 2501)
    await mesh.start("serve", keys_folder=str(folder))
    await mesh.until("SELECT count(*) FROM archive", value=1)


def test_data_keys_kept_are_bounded_and_the_same_when_they_are_made_anew(folder: Path) -> None:
    registry = CollectorRegistry()
    small = Sealer(KeyFolder(str(folder)), ArchiveMetrics(registry), most_kept=3)
    items = []
    for n in range(10):
        columns = IngestColumns(number=["n"], key=[b"k"], event=[b"%d" % n])
        sealed = small.seal(columns, [f"hotel-{n}"])
        assert sealed is not None
        items.append(Archived(n, f"hotel-{n}", "n", b"k", sealed.key_id, sealed.ciphertext[0]))
    assert registry.get_sample_value("archive_data_keys_kept") == 3
    assert [small.open(item) for item in items] == [b"%d" % n for n in range(10)]
