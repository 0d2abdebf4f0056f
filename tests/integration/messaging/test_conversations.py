"""A hotel's people see whom it has talked with, the newest first, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import orjson
import pytest
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_service_pb2 import TraceMessageRequest

from meshkit.errors import InvalidArgument
from meshkit.pages import to_token
from meshkit.postgres import Postgres
from meshkit.status import from_rpc_error
from services.messaging.overview.servicer import NEWEST
from services.messaging.store.conversations import OF_GUEST, PAGE
from tests.integration.cli.conftest import Conserje
from tests.integration.cli.conftest import conserje as conserje
from tests.integration.messaging.mesh import NUMBER, TENANT, Mesh, text

ASKS = "del 10 al 12 de diciembre para 2 personas"
PHONE = "34611222333"
MANY = """
INSERT INTO mailbox (mailbox_id, phone_number_id, whatsapp_id)
SELECT n, '100', '34600000000' FROM generate_series(1, 20000) n;
INSERT INTO conversation (tenant_id, mailbox_id, state, update_time)
SELECT 'hotel-' || n % 4, n, '{}', now() - n * interval '1 minute'
FROM generate_series(1, 20000) n;
"""


async def listed(mesh: Mesh, tenant: str = TENANT, **asked: Any) -> pb.ListConversationsResponse:
    request = pb.ListConversationsRequest(tenant_id=tenant, **asked)
    page: pb.ListConversationsResponse = await mesh.operations().ListConversations(request)
    return page


async def violated(mesh: Mesh, **asked: Any) -> list[str]:
    """The fields that a request is refused for."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await listed(mesh, **asked)
    error = from_rpc_error(caught.value)
    assert isinstance(error, InvalidArgument)
    return [one.field for one in error.violations]


async def test_conversations_are_listed_newest_first_to_their_own_hotel(mesh: Mesh) -> None:
    stub = await mesh.start()
    phones = ["34600000001", "34600000002", PHONE]
    for count, phone in enumerate(phones, start=1):
        await mesh.say(stub, text("hola", phone=phone))
        await mesh.accepted(count)
    await mesh.say(stub, text(ASKS, phone=phones[0]))
    await mesh.accepted(4)
    found = (await listed(mesh)).conversations
    assert [(one.masked_guest, one.state) for one in found] == [
        ("…0001", pb.CONVERSATION_STATE_OFFERED),
        ("…2333", pb.CONVERSATION_STATE_TALKING),
        ("…0002", pb.CONVERSATION_STATE_TALKING),
    ]
    newest = found[0]
    assert (newest.phone_number_id, newest.language_code) == (NUMBER, "es")
    assert newest.window_open
    assert newest.window_close_time.seconds == newest.last_inbound_time.seconds + 86_400
    first = await listed(mesh, page_size=2)
    second = await listed(mesh, page_size=2, page_token=first.next_page_token)
    assert [*first.conversations, *second.conversations] == list(found)
    assert second.next_page_token == ""
    assert list((await listed(mesh, "hotel-luna")).conversations) == []


async def test_one_guests_conversation_is_found_by_his_names(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text("hola", phone=PHONE), text("hola", phone="", user="ES.canary"))
    await mesh.accepted(2)
    by_number = await listed(mesh, whatsapp_id=PHONE, phone_number_id=NUMBER)
    assert [one.masked_guest for one in by_number.conversations] == ["…2333"]
    by_user = await listed(mesh, user_id="ES.canary", phone_number_id=NUMBER)
    assert [one.masked_guest for one in by_user.conversations] == ["…nary"]
    other = await listed(mesh, "hotel-luna", whatsapp_id=PHONE, phone_number_id=NUMBER)
    assert list(other.conversations) == []


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"whatsapp_id": PHONE}, "phone_number_id"),
        ({"phone_number_id": NUMBER}, "phone_number_id"),
        ({"page_token": "nope"}, "page_token"),
        ({"page_token": to_token("yesterday", 1)}, "page_token"),
        (
            {"page_token": to_token(datetime(2026, 1, 1, tzinfo=UTC).isoformat(), 2**63)},
            "page_token",
        ),
    ],
)
async def test_what_makes_no_sense_is_named(mesh: Mesh, asked: dict[str, Any], field: str) -> None:
    await mesh.start("serve")
    assert await violated(mesh, **asked) == [field]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's nodes, all of them."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


async def test_a_page_is_read_by_its_index_however_many_there_are(mesh: Mesh) -> None:
    await mesh.admin.execute(MANY)
    await mesh.admin.execute("VACUUM ANALYZE conversation")
    await mesh.admin.execute("VACUUM ANALYZE mailbox")
    postgres = Postgres(mesh.urls.app_url, kept=1, overflow=1)
    await postgres.start()
    asked = ((PAGE, (*NEWEST, 51)), (OF_GUEST, ("100", b"p:34600000000")))
    async with postgres.of("hotel-1").acquire() as connection:
        for statement, arguments in asked:
            told = await connection.fetchval(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", "hotel-1", *arguments
            )
            plan = orjson.loads(told)[0]["Plan"]
            kinds = {node["Node Type"] for node in nodes(plan)}
            assert not kinds & {"Seq Scan", "Sort", "Incremental Sort"}, plan
            assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 500, plan
    await postgres.close()


async def test_the_commands_tell_the_id_of_a_conversation(mesh: Mesh, conserje: Conserje) -> None:
    stub = await mesh.start()
    asked = text("hola", phone=PHONE, wamid="wamid.mine")
    asked.event.item_key = b"mwamid.mine"
    await mesh.say(stub, asked)
    await mesh.accepted(1)
    await mesh.until_quiet()
    box = await mesh.admin.fetchval("SELECT mailbox_id FROM conversation")
    traced = await stub.TraceMessage(TraceMessageRequest(whatsapp_message_id="wamid.mine"))
    assert traced.conversation_id == box
    found = await conserje("trace", "wamid.mine", "--target", mesh.target)
    assert f"conversation  {box}" in found.out, found
    told = await conserje("conversations", "list", TENANT, "--target", mesh.target)
    assert (told.code, told.out.split()[:2]) == (0, [str(box), "…2333"]), told
    assert PHONE not in told.out
    none = await conserje("conversations", "list", "hotel-luna", "--target", mesh.target)
    assert (none.code, none.out) == (0, "no conversations\n"), none
