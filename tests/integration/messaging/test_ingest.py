"""What comes in is stored once, whatever it holds and whatever it comes with."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest
from conserje.messaging.v1.event_pb2 import (
    DELIVERY_STATE_DELIVERED,
    UNREADABLE_REASON_SHAPE,
    InboundEvent,
)
from conserje.messaging.v1.messaging_service_pb2 import (
    BatchIngestEventsRequest,
    IngestEventRequest,
)

from meshkit.postgres import Postgres
from services.messaging.inbox import append
from services.messaging.store.inbox import (
    INGEST,
    InboxStore,
    IngestColumns,
    SealedColumns,
    _arguments,
)
from tests.integration.messaging.mesh import ACCOUNT, ROOT, TENANT, Mesh, status, text

DAY = 86_400
MIGRATION = ROOT / "services/messaging/migrations/0060_guests_by_key.sql"


async def ingest(stub: Any, items: list[IngestEventRequest]) -> list[bool]:
    """Which of the items were duplicates."""
    response = await stub.BatchIngestEvents(BatchIngestEventsRequest(items=items), timeout=20)
    assert all(result.HasField("value") for result in response.results), response
    return [result.value.duplicate for result in response.results]


async def rows(mesh: Mesh, table: str) -> int:
    count: int = await mesh.admin.fetchval(f"SELECT count(*) FROM {table}")
    return count


def update(body: bytes) -> IngestEventRequest:
    event = InboundEvent(
        phone_number_id="", whatsapp_business_account_id=ACCOUNT, item_key=b"h" + body
    )
    event.raw_json = body
    event.field_update.field = "message_template_status_update"
    return IngestEventRequest(event=event)


async def test_the_same_batch_fifty_times_at_once_is_stored_once(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    batch = [text(phone=f"346{n:08}", user=f"ES.{n}" if n % 3 else "") for n in range(20)]
    answers = await asyncio.gather(*(ingest(stub, batch) for _ in range(50)))
    new = [sum(not one[at] for one in answers) for at in range(20)]
    assert new == [1] * 20
    assert await rows(mesh, "inbox") == 20
    assert await rows(mesh, "mailbox") == 20


async def test_items_recomposed_into_other_batches_are_stored_once(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    items = [text(phone=f"346{n % 7:08}", user=f"ES.{n % 11}") for n in range(60)]
    chance = random.Random(7)
    batches = [chance.sample(items, chance.randint(1, 60)) for _ in range(40)] + [items]
    answers = await asyncio.gather(*(ingest(stub, batch) for batch in batches))
    assert sum(answer.count(False) for answer in answers) == 60
    assert await rows(mesh, "inbox") == 60


async def test_an_item_twice_in_one_batch_is_a_duplicate_of_itself(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    item = text()
    assert await ingest(stub, [item, item, text()]) == [False, True, False]
    assert await rows(mesh, "inbox") == 2


async def test_both_sides_of_midnight(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    midnight = int(time.time()) // DAY * DAY
    items = [text(seconds=midnight - 1), text(seconds=midnight)]
    assert await ingest(stub, items) == [False, False]
    assert await ingest(stub, items[::-1]) == [True, True]
    days = await mesh.admin.fetch("SELECT DISTINCT tableoid::regclass::text AS part FROM seen")
    assert len(days) == 2
    assert "seen_default" not in {day["part"] for day in days}


async def test_a_redelivery_seven_days_later_is_a_duplicate(own_mesh: Mesh) -> None:
    stub = await own_mesh.start("serve")
    item = text(seconds=int(time.time()))
    assert await ingest(stub, [item]) == [False]
    today: date = await own_mesh.admin.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    for days in range(1, 10):
        await own_mesh.admin.fetchval("SELECT keep_partitions($1)", today + timedelta(days=days))
        assert await ingest(stub, [item]) == [True], days
    await own_mesh.admin.fetchval("SELECT keep_partitions($1)", today + timedelta(days=10))
    assert await rows(own_mesh, "seen") == 0


async def test_an_item_from_beyond_the_partitions_is_found_when_its_day_comes(
    own_mesh: Mesh,
) -> None:
    stub = await own_mesh.start("serve")
    ahead = [text(seconds=int(time.time()) + 5 * DAY), text(seconds=32_503_680_000)]
    assert await ingest(stub, ahead) == [False, False]
    assert await rows(own_mesh, "seen_default") == 2
    today: date = await own_mesh.admin.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    await own_mesh.admin.fetchval("SELECT keep_partitions($1)", today + timedelta(days=3))
    assert await rows(own_mesh, "seen_default") == 1
    assert await ingest(stub, ahead) == [True, True]


async def test_many_replicas_keep_partitions_at_once(own_mesh: Mesh) -> None:
    stub = await own_mesh.start("serve")
    today: date = await own_mesh.admin.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    later = today + timedelta(days=4)
    keep = [asyncpg.connect(own_mesh.urls.app_url) for _ in range(4)]
    keepers = await asyncio.gather(*keep)
    work = [ingest(stub, [text(seconds=int(time.time()))]) for _ in range(30)]
    kept = [keeper.fetchval("SELECT keep_partitions($1)", later) for keeper in keepers]
    await asyncio.gather(*kept, *work)
    await asyncio.gather(*(keeper.close() for keeper in keepers))
    names = await own_mesh.admin.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'seen'::regclass ORDER BY 1"
    )
    days = [later + timedelta(days=step) for step in range(-9, 4)]
    assert [row["relname"] for row in names] == [f"seen_{day:%Y%m%d}" for day in days] + [
        "seen_default"
    ]
    assert await rows(own_mesh, "inbox") == 30


async def test_a_group_status_counts_once_for_each_participant(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    batch = [
        status(DELIVERY_STATE_DELIVERED, wamid="wamid.g", participant=f"ES.{n}") for n in range(3)
    ]
    assert await ingest(stub, batch) == [False] * 3
    assert await ingest(stub, batch) == [True] * 3
    assert await rows(mesh, "delivery_status") == 3


async def test_a_template_update_twice_is_kept_once(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    assert await ingest(stub, [update(b"1"), update(b"1"), update(b"2")]) == [False, True, False]
    states = await mesh.admin.fetch("SELECT kind, state, mailbox_id FROM inbox")
    assert {tuple(row) for row in states} == {("field_update", "DONE", None)}


ODD = {
    "zero in text": text("a\0b"),
    "zero in id": text(phone="34\0600"),
    "zero in name": text(),
    "a megabyte": text("x" * 1_000_000),
    "long ids": text(phone="3" * 5000, user="ES." + "9" * 5000),
    "no wamid": text(wamid=" "),
    "negative time": text(seconds=-5),
    "time zero": text(seconds=0),
    "year 3000": text(seconds=32_503_680_000),
    "noise as time": text(seconds=2**62),
    "zero in trace": text(traceparent="\0"),
    "no number": text(number=""),
}
ODD["zero in name"].event.message.sender.display_name = "a\0b"
ODD["no wamid"].event.message.whatsapp_message_id = ""


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_item_hurts_nobody_else(mesh: Mesh, name: str) -> None:
    stub = await mesh.start("serve")
    odd = IngestEventRequest()
    odd.CopyFrom(ODD[name])
    others = [text(phone=f"346{n:08}", number="999") for n in range(19)]
    batch = [*others[:6], odd, *others[6:]]
    assert await ingest(stub, batch) == [False] * 20
    assert await mesh.admin.fetchval("SELECT count(*) FROM inbox WHERE phone_number_id='999'") == 19
    stored = await mesh.admin.fetchval(
        "SELECT event FROM inbox WHERE phone_number_id <> '999' UNION ALL "
        "SELECT event FROM quarantine"
    )
    assert InboundEvent.FromString(stored) == odd.event


async def test_what_cannot_be_read_or_belongs_to_nobody_is_kept_aside(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    unreadable = IngestEventRequest(event=InboundEvent(item_key=b"h1", raw_json=b"{]"))
    unreadable.event.unreadable.reason = UNREADABLE_REASON_SHAPE
    nobody = text(phone="", user="")
    await ingest(stub, [unreadable, nobody, text(number="")])
    found = await mesh.admin.fetch("SELECT reason FROM quarantine ORDER BY quarantine_id")
    assert [row["reason"] for row in found] == ["UNREADABLE", "NO_SENDER", "NO_NUMBER"]
    assert await rows(mesh, "inbox") == 0


async def test_an_invalid_item_fails_alone(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    invalid = text()
    invalid.event.item_key = b""
    request = BatchIngestEventsRequest(items=[text(), invalid, text()])
    response = await stub.BatchIngestEvents(request, timeout=5)
    kinds = [result.WhichOneof("result") for result in response.results]
    assert kinds == ["value", "error", "value"]
    assert await rows(mesh, "inbox") == 2


async def test_a_guest_is_one_mailbox_by_phone_or_by_user_id(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    await ingest(stub, [text(phone="34600000001")])
    await ingest(stub, [text(phone="34600000001", user="ES.1")])
    await ingest(stub, [text(phone="", user="ES.1"), text(phone="34600000002", user="ES.1")])
    assert await mesh.admin.fetchval("SELECT count(DISTINCT mailbox_id) FROM inbox") == 1
    box = await mesh.row("SELECT whatsapp_id, user_id FROM mailbox")
    assert tuple(box) == (b"34600000002", b"ES.1")


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("5215512345678", "525512345678"),
        ("553191234567", "5531991234567"),
        ("5511982345678", "551182345678"),
    ],
)
async def test_a_guest_is_one_mailbox_in_every_spelling_and_written_to_in_the_last(
    mesh: Mesh, first: str, then: str
) -> None:
    stub = await mesh.start("serve")
    for phone in (first, then):
        await ingest(stub, [text(phone=phone)])
        box = await mesh.row("SELECT whatsapp_id FROM mailbox")
        assert box["whatsapp_id"] == phone.encode()
    assert await mesh.admin.fetchval("SELECT count(DISTINCT mailbox_id) FROM inbox") == 1


async def test_a_landline_and_the_mobile_number_that_looks_like_it_are_two_guests(
    mesh: Mesh,
) -> None:
    stub = await mesh.start("serve")
    pairs = ("551123456789", "5511923456789", "541123456789", "5491123456789")
    await ingest(stub, [text(phone=phone) for phone in pairs])
    assert await rows(mesh, "mailbox") == 4


async def test_names_from_before_the_keys_lead_to_their_mailboxes(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    phones = ("5215512345678", "551181234567", "551123456789", "34600000001")
    await ingest(stub, [text(phone=phone) for phone in phones])
    await mesh.admin.execute("DELETE FROM mailbox_alias")
    await mesh.admin.execute(
        "INSERT INTO mailbox_alias "
        "SELECT phone_number_id, 'p:'::bytea || whatsapp_id, mailbox_id FROM mailbox"
    )
    await mesh.admin.execute("INSERT INTO mailbox_alias VALUES ('1', '\\x703a00ff', 1)")
    migration = MIGRATION.read_text()
    await mesh.admin.execute(migration[migration.rindex("INSERT INTO mailbox_alias") :])
    await ingest(stub, [text(phone=phone) for phone in phones])
    assert await rows(mesh, "mailbox") == 4


async def test_in_one_batch_as_well(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    await ingest(
        stub, [text(phone="341"), text(phone="341", user="ES.1"), text(phone="", user="ES.1")]
    )
    assert await mesh.admin.fetchval("SELECT count(DISTINCT mailbox_id) FROM inbox") == 1


async def test_the_same_guest_of_two_numbers_is_two_mailboxes(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    await ingest(stub, [text(phone="341"), text(phone="341", number="77")])
    assert await rows(mesh, "mailbox") == 2


async def test_a_change_of_number_keeps_the_mailbox(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    await ingest(stub, [text(phone="341")])
    changed = text(phone="341")
    changed.event.message.type = "system"
    changed.event.message.system.new_whatsapp_id = "342"
    changed.event.message.system.type = "user_changed_number"
    await ingest(stub, [changed])
    await ingest(stub, [text(phone="342")])
    assert await mesh.admin.fetchval("SELECT count(DISTINCT mailbox_id) FROM inbox") == 1
    box = await mesh.row("SELECT whatsapp_id, user_id FROM mailbox")
    assert tuple(box) == (b"342", None)


async def test_a_batch_reads_none_of_what_came_before(mesh: Mesh) -> None:
    postgres = Postgres(mesh.urls.app_url)
    await postgres.start()
    await InboxStore(postgres).ingest(*batch_of(1000))
    await postgres.close()
    async with mesh.admin.transaction():
        fresh = await mesh.admin.fetchval(INGEST, *_arguments(*batch_of(20)))
        read = await mesh.admin.fetchval(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
            " WHERE relname = 'inbox'"
        )
    assert len(fresh) == 20
    assert read <= 2 * 20


async def test_a_batch_is_one_statement(mesh: Mesh) -> None:
    postgres = Postgres(mesh.urls.app_url)
    await postgres.start()
    batch = batch_of(1000)
    before = postgres.statements
    fresh = await InboxStore(postgres).ingest(*batch)
    assert (postgres.statements - before, len(fresh)) == (1, 1000)
    archived = "SELECT count(*) FROM archive JOIN inbox USING (inbox_id) WHERE ciphertext = event"
    assert await mesh.admin.fetchval(archived) == 1000
    await postgres.close()


def batch_of(count: int) -> tuple[IngestColumns, SealedColumns]:
    """So many new messages of as many guests, and what is archived of them."""
    columns = IngestColumns()
    for n in range(count):
        append(columns, text(phone=f"34{n}"), time.time())
    return columns, SealedColumns("key", [TENANT] * count, columns.event)
