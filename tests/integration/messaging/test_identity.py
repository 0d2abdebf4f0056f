"""A guest is one conversation, whatever WhatsApp calls him at the moment."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Any

import pytest
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.event_pb2 import InboundEvent
from conserje.messaging.v1.messaging_service_pb2 import IngestEventRequest, TraceMessageRequest

from meshkit.errors import Unavailable
from meshkit.phones import whatsapp_key
from tests.integration.cli.conftest import Conserje
from tests.integration.cli.conftest import conserje as conserje
from tests.integration.messaging.mesh import ACCOUNT, NUMBER, TENANT, Mesh, ids_in, tap, text
from tests.waiting import eventually

ASKS = "del 10 al 12 de diciembre para 2 personas"
LIVE = "SELECT mailbox_id FROM mailbox WHERE merged_into IS NULL ORDER BY mailbox_id"
MERGED = "SELECT count(*) FROM mailbox_merge WHERE done_time IS NOT NULL"
GUESTS = 20
OWNER = "SELECT mailbox_id FROM mailbox_alias WHERE alias = $1"


def system(**about: Any) -> IngestEventRequest:
    """WhatsApp tells of a change: `new_phone`, `new_user`."""
    new_phone, new_user = about.pop("new_phone", ""), about.pop("new_user", "")
    request = text(**about)
    message = request.event.message
    message.type = "system"
    message.system.type = "user_changed_number" if new_phone else "user_changed_user_id"
    message.system.new_whatsapp_id, message.system.new_user_id = new_phone, new_user
    return request


def user_id_update(previous: str, current: str, phone: str = "") -> IngestEventRequest:
    told = {"user_id": {"previous": previous, "current": current}, "timestamp": str(_now())}
    value = {"user_id_update": [told | ({"wa_id": phone} if phone else {}), "odd"]}
    event = InboundEvent(
        phone_number_id=NUMBER,
        whatsapp_business_account_id=ACCOUNT,
        item_key=previous.encode(),
        raw_json=json.dumps(value).encode(),
    )
    event.field_update.field = "user_id_update"
    return IngestEventRequest(event=event)


def _now() -> int:
    return int(time.time())


async def live(mesh: Mesh) -> list[int]:
    return [row["mailbox_id"] for row in await mesh.admin.fetch(LIVE)]


async def state_of(mesh: Mesh, box: int) -> dict[str, Any]:
    stored = await mesh.admin.fetchval("SELECT state FROM conversation WHERE mailbox_id = $1", box)
    state: dict[str, Any] = json.loads(stored)
    return state


async def test_a_phone_number_and_a_user_id_named_together_are_one_conversation(
    mesh: Mesh,
) -> None:
    stub = await mesh.start()
    # Known by the number he asks and takes a room, known by the user id he says hello.
    await mesh.say(stub, text(ASKS, phone="341", wamid="wamid.first"))
    offer = (await mesh.accepted(1))[0]
    await mesh.say(stub, tap(ids_in(offer)[0], phone="341"))
    await mesh.accepted(2)
    await mesh.say(stub, text("hola", phone="", user="ES.1"))
    await mesh.accepted(3)
    assert len(await live(mesh)) == 2
    await mesh.say(stub, text("y ahora", phone="341", user="ES.1"))
    await mesh.until(MERGED, value=1)
    await mesh.accepted(4)
    (box,) = await live(mesh)
    assert (await state_of(mesh, box))["lock"] is not None
    for table in ("outbox", "effect", "conversation", "mailbox_alias"):
        boxes = await mesh.admin.fetch(f"SELECT DISTINCT mailbox_id FROM {table}")
        assert [row["mailbox_id"] for row in boxes] == [box], table
    # The button that confirms it still does.
    confirm = ids_in(mesh.graph.accepted[1])[0]
    await mesh.say(stub, tap(confirm, phone="", user="ES.1"))
    sent = await mesh.accepted(5)
    assert "K7M2QX9P" in sent[4]["text"]["body"]
    told = await mesh.operations().ListMerges(pb.ListMergesRequest(tenant_id=TENANT))
    (merge,) = told.merges
    assert (merge.into_conversation_id, merge.reason) == (box, "NAMED_TOGETHER")
    other = await mesh.operations().ListMerges(pb.ListMergesRequest(tenant_id="hotel-other"))
    assert not other.merges
    # What came before is still found with all that was said about it.
    trace = await stub.TraceMessage(TraceMessageRequest(whatsapp_message_id="wamid.first"))
    assert "graph.accepted" in [hop.name for hop in trace.hops]


async def test_a_number_that_became_somebody_elses_tells_nothing_of_before(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text(ASKS, phone="341", user="ES.1"))
    await mesh.accepted(1)
    await mesh.say(stub, text("hola", phone="341", user="ES.2"))
    await mesh.accepted(2)
    first, second = await live(mesh)
    assert (await state_of(mesh, second))["offer"] is None
    await mesh.say(stub, text("hola", phone="341"), text("hola", phone="", user="ES.1"))
    await mesh.accepted(4)
    assert await mesh.admin.fetchval(OWNER, b"p:341") == second
    assert await mesh.admin.fetchval(OWNER, b"u:ES.1") == first
    assert await mesh.admin.fetchval("SELECT count(*) FROM mailbox_merge") == 0


async def test_who_lost_a_number_is_not_written_to_by_it(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text(ASKS, phone="5215512345678", user="MX.1"), text(ASKS, phone="342"))
    await mesh.accepted(2)
    await mesh.admin.execute("UPDATE mailbox SET create_time = now() - interval '1 day'")
    # The one is known by the user id still; nothing leads to the other any more.
    await mesh.say(stub, text("hola", phone="525512345678", user="MX.2"))
    await mesh.say(stub, text("hola", phone="341"))
    await mesh.say(stub, system(phone="341", new_phone="342"))
    await mesh.accepted(5)
    await mesh.say(stub, text("gracias", phone="", user="MX.1"))
    sent = (await mesh.accepted(6))[-1]
    assert ("to" in sent, sent.get("recipient")) == (False, "MX.1")
    await mesh.until_quiet()
    (stranger,) = await mesh.admin.fetch(
        "SELECT m.mailbox_id, o.outbox_id FROM mailbox m JOIN outbox o USING (mailbox_id)"
        " WHERE m.whatsapp_id = '342' AND o.mailbox_id <>"
        " (SELECT mailbox_id FROM mailbox_alias WHERE alias = 'p:342')"
    )
    await mesh.admin.execute(
        "UPDATE outbox SET state = 'PENDING', due_time = now() WHERE outbox_id = $1",
        stranger["outbox_id"],
    )
    await mesh.until("SELECT count(*) FROM outbox WHERE state = 'HELD'", value=1)
    (held,) = (
        await mesh.operations().ListHeldSends(pb.ListHeldSendsRequest(tenant_id=TENANT))
    ).sends
    assert (held.conversation_id, held.reason) == (stranger["mailbox_id"], "NO_ADDRESS")
    assert len(mesh.graph.asked) == 6


@pytest.mark.parametrize(
    "written",
    [
        "34600000001",
        "5215512345678",
        "551187654321",
        "54111512345678",
        "54911151234567",
        "5493511512345",
        "542345151234567",
        "5423451512345678",
        "x",
        "549111512345678",
    ],
)
async def test_the_database_names_a_number_as_we_do(mesh: Mesh, written: str) -> None:
    name = await mesh.admin.fetchval("SELECT phone_name($1)", written.encode())
    assert name == f"p:{whatsapp_key(written)}".encode()


@pytest.mark.parametrize("first", ["message", "system"])
async def test_a_new_number_continues_the_conversation_whatever_comes_first(
    mesh: Mesh, first: str
) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text(ASKS, phone="341", seconds=_now() - 60))
    await mesh.accepted(1)
    news = [text("gracias", phone="342"), system(phone="341", new_phone="342")]
    for item in news if first == "message" else news[::-1]:
        await mesh.say(stub, item)
        await mesh.until_quiet()
    await mesh.until("SELECT NOT EXISTS (SELECT FROM mailbox_merge WHERE done_time IS NULL)")
    (box,) = await live(mesh)
    assert (await state_of(mesh, box))["offer"] is not None
    await mesh.say(stub, text("gracias", phone="342", seconds=_now() + 1))
    await mesh.until_quiet()
    assert mesh.graph.accepted[-1]["to"] == "342"
    assert await mesh.admin.fetchval("SELECT count(*) FROM conversation") == 1


async def test_who_had_the_new_number_before_is_somebody_else(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text(ASKS, phone="342"))
    await mesh.accepted(1)
    await mesh.admin.execute("UPDATE mailbox SET create_time = now() - interval '1 day'")
    await mesh.say(stub, text("hola", phone="341"))
    await mesh.accepted(2)
    await mesh.say(stub, system(phone="341", new_phone="342"), text("aquí", phone="342"))
    await mesh.until_quiet()
    stranger, box = await live(mesh)
    assert await mesh.admin.fetchval(OWNER, b"p:342") == box
    assert (await state_of(mesh, box))["offer"] is None
    assert (await state_of(mesh, stranger))["offer"] is not None
    assert await mesh.admin.fetchval("SELECT count(*) FROM mailbox_merge") == 0


@pytest.mark.parametrize("told_by", ["message", "field"])
async def test_a_new_user_id_continues_the_conversation_and_is_written_to(
    mesh: Mesh, told_by: str
) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text(ASKS, phone="", user="ES.1", seconds=_now() - 60))
    await mesh.accepted(1)
    news = system(phone="", user="ES.1", new_user="ES.2")
    if told_by == "field":
        news = user_id_update("ES.1", "ES.2")
    await mesh.say(stub, text("gracias", phone="", user="ES.2"))
    await mesh.accepted(2)
    await mesh.say(stub, news)
    await mesh.until(MERGED, value=1)
    await mesh.say(stub, text("gracias", phone="", user="ES.2"))
    await mesh.until_quiet()
    (box,) = await live(mesh)
    assert (await state_of(mesh, box))["offer"] is not None
    assert mesh.graph.accepted[-1]["recipient"] == "ES.2"


async def test_what_was_written_earlier_and_comes_later_changes_no_address(mesh: Mesh) -> None:
    stub = await mesh.start()
    now = _now()
    await mesh.say(stub, text(phone="5215512345678", user="MX.1", seconds=now - 10))
    await mesh.say(stub, text(phone="525512345678", user="MX.1", seconds=now - 300))
    await mesh.until_quiet()
    assert len(await live(mesh)) == 1
    assert {sent["to"] for sent in mesh.graph.accepted} == {"5215512345678"}
    await mesh.say(stub, text(phone="525512345678", user="MX.1", seconds=now))
    await mesh.until_quiet()
    assert mesh.graph.accepted[-1]["to"] == "525512345678"


async def test_a_step_that_was_under_way_is_thrown_away_and_taken_again(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text("hola", phone="", user="ES.1"))
    await mesh.accepted(1)
    mesh.bookings.open.clear()
    await mesh.say(stub, text(ASKS, phone="341"))
    await asyncio.wait_for(mesh.bookings.waiting.wait(), 10)
    await mesh.say(stub, text("gracias", phone="341", user="ES.1"))
    await mesh.until(MERGED, value=1)
    mesh.bookings.open.set()
    await mesh.until_answered(3)
    await mesh.until_quiet()
    (box,) = await live(mesh)
    answered = await mesh.admin.fetch("SELECT unnest(answers) AS item FROM outbox ORDER BY item")
    items = await mesh.admin.fetch("SELECT inbox_id AS item FROM inbox ORDER BY inbox_id")
    assert [row["item"] for row in answered] == [row["item"] for row in items]
    assert len(mesh.graph.accepted) == 3
    assert (await state_of(mesh, box))["offer"] is not None


async def test_an_open_command_ends_where_it_began(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text("hola", phone="", user="ES.1"), text(ASKS, phone="341"))
    sent = await mesh.accepted(2)
    offer = next(one for one in sent if one.get("to") == "341")
    away = asyncio.Event()
    mesh.bookings.before = lambda _: None if away.is_set() else Unavailable("AWAY")
    await mesh.say(stub, tap(ids_in(offer)[0], phone="341"))
    await mesh.until("SELECT attempt_count > 0 FROM effect")
    await mesh.say(stub, text("hola", phone="341", user="ES.1"))
    counter = "mailbox_merges_total"
    await eventually(lambda: mesh.kits[0].registry.get_sample_value(counter, {"outcome": "busy"}))
    assert len(await live(mesh)) == 2
    away.set()
    await mesh.until(MERGED, value=1)
    await mesh.until_quiet()
    (box,) = await live(mesh)
    assert (await state_of(mesh, box))["lock"] is not None
    assert len(mesh.bookings.decided) == 1


async def test_two_under_way_at_once_are_not_two_to_one_guest(mesh: Mesh) -> None:
    mesh.graph.script = ["hang", "hang"]
    stub = await mesh.start()
    await mesh.say(stub, text("hola", phone="", user="ES.1"), text("hola", phone="341"))
    await mesh.until("SELECT count(*) FROM outbox WHERE state = 'SENDING'", value=2)
    await mesh.say(stub, text("hola", phone="341", user="ES.1"))
    await mesh.until(MERGED, value=1)
    states = "SELECT count(*) FILTER (WHERE state = 'SENDING') FROM outbox"
    assert await mesh.admin.fetchval(states) == 1
    mesh.graph.release.set()
    await mesh.until("SELECT count(*) FROM outbox WHERE state = 'SENT'", value=3)
    assert len(mesh.graph.asked) == 3


async def test_however_guests_are_named_each_is_one_conversation_in_the_end(mesh: Mesh) -> None:
    """Guests, each named by number, user id or both, shuffled, through two replicas."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    stubs = [await mesh.start(), await mesh.start()]
    guests = [(f"3460000{n:04}", f"ES.{n}") for n in range(GUESTS)]
    items = [
        text(f"hola {turn}", phone=phone, user=user)
        for number, user_id in guests
        for turn, (phone, user) in enumerate(
            [*chance.choices([(number, ""), ("", user_id), (number, user_id)], k=4)]
        )
    ]
    chance.shuffle(items)
    last = [text("adiós", phone=phone, user=user) for phone, user in guests]
    batches = [items[at : at + 8] for at in range(0, len(items), 8)]
    for two in zip(batches[::2], batches[1::2], strict=True):
        work = zip(stubs, two, strict=True)
        await asyncio.gather(*(mesh.say(stub, *batch) for stub, batch in work))
    await mesh.say(stubs[0], *last)
    await mesh.until("SELECT NOT EXISTS (SELECT FROM mailbox_merge WHERE done_time IS NULL)")
    await mesh.until_quiet()
    names = await mesh.admin.fetch(
        "SELECT mailbox_id, count(*) FROM mailbox_alias GROUP BY mailbox_id"
    )
    assert [row["count"] for row in names] == [2] * GUESTS
    assert await mesh.admin.fetchval("SELECT count(*) FROM conversation") == GUESTS
    answered = await mesh.admin.fetch("SELECT unnest(answers) AS item FROM outbox")
    assert len({row["item"] for row in answered}) == len(answered) == len(items) + len(last)


async def test_what_comes_for_a_mailbox_that_was_merged_goes_on_to_the_other(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text("hola", phone="", user="ES.1"), text(ASKS, phone="341"))
    await mesh.accepted(2)
    old = await mesh.admin.fetchval(OWNER, b"p:341")
    await mesh.say(stub, text("gracias", phone="341", user="ES.1"))
    await mesh.until(MERGED, value=1)
    await mesh.until_quiet()
    # As a batch does that looked for the mailbox before the merge, and stores after it.
    await mesh.admin.execute("UPDATE mailbox_alias SET mailbox_id = $1 WHERE alias = 'p:341'", old)
    await mesh.say(stub, text("hola", phone="341"))
    await mesh.until_answered(4)
    (box,) = await live(mesh)
    assert await mesh.admin.fetchval("SELECT count(*) FROM conversation") == 1
    boxes = await mesh.admin.fetch("SELECT DISTINCT mailbox_id FROM outbox")
    assert [row["mailbox_id"] for row in boxes] == [box]


async def test_a_wish_to_merge_that_was_fulfilled_already_holds_nobody_up(mesh: Mesh) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text("hola", phone="341"))
    await mesh.accepted(1)
    await mesh.admin.execute("UPDATE mailbox SET merging = true, due_time = now()")
    await mesh.say(stub, text("hola", phone="341"))
    await mesh.accepted(2)
    assert not await mesh.admin.fetchval("SELECT merging FROM mailbox")


async def test_the_command_lists_merges(mesh: Mesh, conserje: Conserje) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text("hola", phone="", user="ES.1"), text("hola", phone="341"))
    await mesh.accepted(2)
    await mesh.say(stub, text("hola", phone="341", user="ES.1"))
    await mesh.until(MERGED, value=1)
    told = await conserje("window", "merges", TENANT, "--target", mesh.target)
    (box,) = await live(mesh)
    assert (told.code, f"is {box} now  NAMED_TOGETHER" in told.out) == (0, True), told
