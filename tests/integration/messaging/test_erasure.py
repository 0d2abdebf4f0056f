"""A guest is forgotten, and nobody else is."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.event_pb2 import DELIVERY_STATE_DELIVERED

from meshkit import operators
from meshkit.errors import MeshError, Unavailable
from meshkit.money import Money
from meshkit.operators import Operator
from meshkit.postgres import Postgres
from meshkit.status import from_rpc_error
from services.messaging.conversation.state import Reservation, Room, State, Stay
from services.messaging.conversation.state_json import to_json
from services.messaging.store.erasure import Erased, ErasureStore
from tests.integration.cli.conftest import Conserje
from tests.integration.cli.conftest import conserje as conserje
from tests.integration.messaging.mesh import NUMBER, TENANT, Mesh, ids_in, status, tap, text

ASKS = "del 10 al 12 de diciembre para 2 personas"
WORDS, PHONE, USER = "canary-words-of-a-guest", "34611222333", "ES.canary"
OTHERS_PHONE = "34699888777"
TABLES = """
SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
WHERE table_schema IN ('public', 'audit') AND table_type = 'BASE TABLE' ORDER BY 1
"""
STAY = {"public.seen"}
"""Keys of what may be delivered again, in its partitions, for 9 days."""
MARIA = Operator("maria-who-erases", "conserje.messaging.v1.MessagingOperationsService/EraseGuest")


@pytest.fixture
def keys(tmp_path: Path) -> str:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "first").write_bytes(base64.b64encode(secrets.token_bytes(32)))
    return str(folder)


@pytest.fixture
def maria() -> Iterator[Operator]:
    """Whoever acts now is a person."""
    yield MARIA
    operators.note(None)


async def tells(mesh: Mesh, *traces: str) -> set[str]:
    """The tables in which one of these can still be read."""
    found = set()
    for row in await mesh.admin.fetch(TABLES):
        name = row["name"]
        rows = await mesh.admin.fetch(f"SELECT t.* FROM {name} t")
        if any(trace in repr(rows) for trace in traces):
            found.add(name)
    return {name for name in found if not name.startswith(tuple(STAY))}


async def rows_about(mesh: Mesh, box: int) -> dict[str, int]:
    """How many rows of which tables are about a conversation."""
    tables = await mesh.admin.fetch(
        "SELECT table_name FROM information_schema.columns"
        " WHERE column_name = 'mailbox_id' AND table_schema = 'public'"
    )
    count = "SELECT count(*) FROM {} WHERE mailbox_id = $1"
    counts = {row[0]: await mesh.admin.fetchval(count.format(row[0]), box) for row in tables}
    return {table: rows for table, rows in counts.items() if rows}


async def erase(mesh: Mesh, **guest: Any) -> pb.EraseGuestResponse:
    request = pb.EraseGuestRequest(tenant_id=TENANT, **guest)
    response: pb.EraseGuestResponse = await mesh.operations().EraseGuest(request)
    return response


async def refused(call: Any) -> MeshError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def talk(mesh: Mesh, stub: Any) -> None:
    """Two guests: one books, known by number and by user id, the other says hello."""
    await mesh.say(stub, text("hola", phone="", user=USER), text("hola", phone=OTHERS_PHONE))
    await mesh.accepted(2)
    await mesh.say(stub, text(f"{WORDS} {ASKS}", phone=PHONE))
    sent = await mesh.accepted(3)
    await mesh.say(stub, tap(ids_in(sent[2])[0], phone=PHONE))
    await mesh.accepted(4)
    await mesh.say(stub, text("gracias", phone=PHONE, user=USER))
    await mesh.until("SELECT count(*) FROM mailbox_merge WHERE done_time IS NOT NULL", value=1)
    await mesh.until_quiet()
    wamids = [one["wamid"] for one in mesh.graph.accepted]
    await mesh.say(stub, *(status(DELIVERY_STATE_DELIVERED, wamid=wamid) for wamid in wamids))


async def test_a_guest_is_erased_from_every_table_and_the_others_are_not(
    mesh: Mesh, keys: str
) -> None:
    stub = await mesh.start(keys_folder=keys)
    await talk(mesh, stub)
    assert {"public.mailbox", "public.mailbox_alias"} <= await tells(mesh, WORDS, PHONE, USER)
    box = await mesh.admin.fetchval(
        "SELECT mailbox_id FROM mailbox_alias WHERE alias = $1", f"u:{USER}".encode()
    )
    erased = await erase(mesh, whatsapp_id=PHONE, phone_number_id=NUMBER)
    assert (erased.item_count, erased.message_count) == (4, 4)
    assert await tells(mesh, WORDS, PHONE, USER) == set()
    assert await rows_about(mesh, box) == {"guest_erasure": 1}
    left = "SELECT (SELECT count(*) FROM inbox), (SELECT count(*) FROM outbox),"
    left += " (SELECT count(*) FROM conversation), (SELECT count(*) FROM delivery_status),"
    left += " (SELECT count(*) FROM archive)"
    # The other guest's hello, its answer and what WhatsApp said of it.
    assert tuple(await mesh.row(left)) == (1, 1, 1, 1, 2)
    error = await refused(erase(mesh, conversation_id=box))
    assert error.reason == "CONVERSATION_UNKNOWN"
    await mesh.say(stub, text("hola de nuevo", phone=PHONE))
    await mesh.until("SELECT count(*) FROM conversation", value=2)
    await mesh.until_quiet()
    assert mesh.graph.accepted[-1]["to"] == PHONE


async def test_what_waits_is_erased_and_never_answered(mesh: Mesh, keys: str) -> None:
    stub = await mesh.start("serve", keys_folder=keys)
    await mesh.say(stub, text(WORDS, phone=PHONE))
    await mesh.admin.execute(
        "INSERT INTO conversation (tenant_id, mailbox_id, state) SELECT $1, mailbox_id, ''"
        " FROM mailbox",
        TENANT,
    )
    assert (await erase(mesh, whatsapp_id=PHONE, phone_number_id=NUMBER)).item_count == 1
    await mesh.start("steps", "send", keys_folder=keys)
    await mesh.say(stub, text("hola", phone=OTHERS_PHONE))
    await mesh.accepted(1)
    assert await tells(mesh, WORDS, PHONE) == set()


async def test_nothing_is_erased_while_a_command_is_under_way(mesh: Mesh, keys: str) -> None:
    stub = await mesh.start(keys_folder=keys)
    await mesh.say(stub, text(ASKS, phone=PHONE))
    sent = await mesh.accepted(1)
    away = [True]
    mesh.bookings.before = lambda _: Unavailable("AWAY") if away else None
    await mesh.say(stub, tap(ids_in(sent[0])[0], phone=PHONE))
    await mesh.until("SELECT attempt_count > 0 FROM effect")
    error = await refused(erase(mesh, whatsapp_id=PHONE, phone_number_id=NUMBER))
    assert error.reason == "COMMAND_UNDER_WAY"
    away.clear()
    await mesh.accepted(2)
    await mesh.until_quiet()
    assert (await erase(mesh, whatsapp_id=PHONE, phone_number_id=NUMBER)).item_count == 2


async def test_another_hotel_keeps_its_guest_and_his_names(mesh: Mesh, keys: str) -> None:
    stub = await mesh.start(keys_folder=keys)
    await mesh.say(stub, text("hola", phone=PHONE))
    await mesh.until_quiet()
    await mesh.admin.execute(
        "INSERT INTO conversation (tenant_id, mailbox_id, state) SELECT 'hotel-other', mailbox_id,"
        " '' FROM mailbox"
    )
    await erase(mesh, whatsapp_id=PHONE, phone_number_id=NUMBER)
    assert await mesh.admin.fetchval("SELECT tenant_id FROM conversation") == "hotel-other"
    assert await tells(mesh, PHONE) == {"public.mailbox", "public.mailbox_alias"}


async def test_the_log_tells_who_erased_and_nothing_of_what(
    mesh: Mesh, keys: str, maria: Operator
) -> None:
    stub = await mesh.start(keys_folder=keys)
    await mesh.say(stub, text(f"{WORDS} {ASKS}", phone=PHONE))
    await mesh.until_quiet()
    box = await mesh.admin.fetchval("SELECT mailbox_id FROM mailbox")
    await mesh.stop()
    postgres = Postgres(mesh.urls.app_url, kept=1, overflow=1)
    await postgres.start()
    operators.note(maria)
    assert await ErasureStore(postgres).erase(TENANT, box) == Erased(1, 1)
    await postgres.close()
    logged = await mesh.row(
        "SELECT actor, method, tenant_id, table_name FROM audit.operator_change WHERE actor = $1",
        maria.actor,
    )
    assert tuple(logged) == (maria.actor, maria.method, TENANT, "guest_erasure")
    assert await tells(mesh, WORDS, PHONE) == set()


async def test_who_is_still_to_be_told_what_the_hotel_decides_is_erased_only_when_forced(
    mesh: Mesh, keys: str, conserje: Conserje
) -> None:
    stub = await mesh.start(keys_folder=keys)
    await mesh.say(stub, text("hola", phone=PHONE))
    await mesh.until_quiet()
    box = await mesh.admin.fetchval("SELECT mailbox_id FROM conversation")
    today = datetime.now(UTC).date()
    for pending, until, refusal in (
        (True, today + timedelta(days=1), "RESERVATION_PENDING"),
        (True, today - timedelta(days=1), ""),
        (False, today + timedelta(days=1), ""),
    ):
        stay = Stay(today - timedelta(days=3), until, 2, 0)
        room = Room("double", {}, stay, Money(Decimal(9), "EUR"))
        booked = Reservation("1", "K7M2QX9P", "1", room, pending=pending)
        state = to_json(State(reservations=(booked,))).encode()
        await mesh.admin.execute("UPDATE conversation SET state = $1", state)
        if refusal:
            error = await refused(erase(mesh, conversation_id=box))
            assert (error.reason, error.metadata) == (refusal, {"confirmation_codes": "K7M2QX9P"})
            assert await tells(mesh, PHONE)
            place = ("--target", mesh.target, "--yes")
            named = ("guest", "erase", TENANT, "--conversation", str(box), *place)
            told = await conserje(*named)
            assert (told.code, "K7M2QX9P; wait" in told.err) == (1, True), told
            assert "`--forced` erases" in told.err
            assert (await conserje(*named, "--forced")).code == 0
        else:
            await erase(mesh, conversation_id=box)
        assert await tells(mesh, PHONE) == set()
        await mesh.say(stub, text("hola", phone=PHONE))
        await mesh.until_quiet()
        box = await mesh.admin.fetchval("SELECT mailbox_id FROM conversation")


async def test_the_command_erases_a_guest(mesh: Mesh, keys: str, conserje: Conserje) -> None:
    stub = await mesh.start(keys_folder=keys)
    await mesh.say(stub, text("hola", phone=PHONE))
    await mesh.until_quiet()
    named = (
        "guest",
        "erase",
        TENANT,
        "--guest",
        PHONE,
        "--number",
        NUMBER,
        "--target",
        mesh.target,
    )
    unasked = await conserje(*named)
    assert (unasked.code, f"whether {PHONE} is to be erased: add --yes" in unasked.err) == (2, True)
    assert await tells(mesh, PHONE)
    told = await conserje(*named, "--yes")
    assert (told.code, "1 message of the guest, 1 of ours" in told.out) == (0, True), told
    again = await conserje(*named, "--yes")
    assert again.code == 1, again
