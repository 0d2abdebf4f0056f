"""A number that moves between hotels, and a number of several: whose each item is."""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime
from typing import Any
from uuid import uuid4

from conserje.booking.v1.booking_service_pb2 import ConfirmReservationRequest
from conserje.messaging.v1.messaging_operations_service_pb2 import ReleaseQuarantineRequest
from conserje.tenant.v1.tenant_pb2 import TENANT_STATE_ACTIVE, TENANT_STATE_SUSPENDED

from meshkit.errors import Unavailable
from meshkit.postgres import Postgres
from services.messaging.clients import HOTEL_DECIDED
from services.messaging.store.news import News, NewsStore
from tests.integration.messaging.mesh import NUMBER, TENANT, Mesh, tap, text
from tests.integration.messaging.test_effects import offered

OTHER = "hotel-nuevo"
OWNERS = """
SELECT array_agg(tenant_id ORDER BY inbox_id) FROM inbox WHERE state = 'DONE' AND mailbox_id =
    (SELECT min(mailbox_id) FROM mailbox)
"""
SENDERS = "SELECT array_agg(tenant_id ORDER BY outbox_number) FROM outbox"
SENDERS_TO = """
SELECT m.whatsapp_id AS guest, o.tenant_id FROM outbox o JOIN mailbox m USING (mailbox_id)
ORDER BY m.whatsapp_id
"""
NOW = "SELECT clock_timestamp()"


async def move(mesh: Mesh, tenant_id: str = OTHER) -> None:
    """The number becomes another hotel's, and the replicas know it."""
    mesh.tenants.move(NUMBER, tenant_id)
    await mesh.until_told()


async def test_what_came_before_the_move_is_answered_by_the_old_hotel(mesh: Mesh) -> None:
    serving = await mesh.start("serve")
    await mesh.say(serving, text("uno"))
    await mesh.say(serving, text("dos"))
    mesh.tenants.move(NUMBER, OTHER)
    await mesh.say(serving, text("tres"))
    mesh.tenants.move(NUMBER, TENANT)
    await mesh.say(serving, text("cuatro"))
    await mesh.start("steps", "send")
    await mesh.until_quiet()
    assert await mesh.admin.fetchval(OWNERS) == [TENANT, TENANT, OTHER, TENANT]
    assert await mesh.admin.fetchval("SELECT count(*) FROM conversation") == 2
    assert set(await mesh.admin.fetchval(SENDERS)) == {TENANT, OTHER}


async def test_a_number_that_moves_under_traffic_leaves_each_item_with_its_hotel(
    mesh: Mesh,
) -> None:
    stub = await mesh.start()
    guests = itertools.cycle(f"346000000{n:02}" for n in range(20))
    said = 0
    stopping = asyncio.Event()

    async def write() -> None:
        nonlocal said
        while not stopping.is_set():
            await mesh.say(stub, *(text(phone=next(guests)) for _ in range(5)))
            said += 5

    async def written(count: int) -> None:
        wanted = said + count
        while said < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    writer = asyncio.create_task(write())
    moves: list[tuple[datetime, datetime, str]] = []
    for owner in (OTHER, TENANT, OTHER):
        await written(30)
        before = await mesh.admin.fetchval(NOW)
        await move(mesh, owner)
        moves.append((before, await mesh.admin.fetchval(NOW), owner))
    await written(30)
    stopping.set()
    await writer
    await mesh.until_quiet()

    items = await mesh.admin.fetch("SELECT arrive_time, tenant_id, state FROM inbox")
    assert len(items) == said
    for item in items:
        assert item["state"] == "DONE"
        assert item["tenant_id"] in _owners(item["arrive_time"], moves)
    answered = "SELECT count(*) FROM (SELECT DISTINCT unnest(answers) FROM outbox) AS one"
    assert await mesh.admin.fetchval(answered) == said
    assert await mesh.admin.fetchval("SELECT count(*) FROM quarantine") == 0


def _owners(arrived: datetime, moves: list[tuple[datetime, datetime, str]]) -> set[str]:
    """Whose it may be: while a move spreads, either hotel's."""
    owners = {TENANT}
    for begun, told, owner in moves:
        if arrived >= told:
            owners = {owner}
        elif arrived >= begun:
            owners |= {owner}
    return owners


async def test_what_came_under_the_new_account_before_we_were_told_is_the_new_hotels(
    mesh: Mesh,
) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text("uno", account="77"), text("dos", phone="34600000002"))
    await mesh.until("SELECT count(*) FROM quarantine WHERE reason = 'WABA_MISMATCH'", value=1)
    mesh.tenants.move(NUMBER, OTHER, account="77")
    await mesh.until_told()
    await mesh.operations().ReleaseQuarantine(ReleaseQuarantineRequest(phone_number_id=NUMBER))
    await mesh.until_answered(2)
    # Two guests, who are answered in any order.
    told = await mesh.admin.fetch(SENDERS_TO)
    assert [(row["guest"], row["tenant_id"]) for row in told] == [
        (b"34600000001", OTHER),
        (b"34600000002", TENANT),
    ]


async def test_who_gave_a_command_hears_what_became_of_it(mesh: Mesh) -> None:
    stub = await mesh.start()
    row = await offered(mesh, stub)
    mesh.bookings.before = lambda _: Unavailable("AWAY")
    await mesh.say(stub, tap(row))
    await mesh.until("SELECT count(*) FROM effect WHERE attempt_count > 0", value=1)
    await move(mesh)
    await mesh.say(stub, text("hola"))
    await mesh.accepted(2)
    assert await mesh.admin.fetchval(SENDERS) == [TENANT, OTHER]
    mesh.bookings.before = lambda _: None
    await mesh.accepted(3)
    await mesh.until_quiet()
    assert await mesh.admin.fetchval("SELECT state FROM effect") == "DONE"
    assert await mesh.admin.fetchval(SENDERS) == [TENANT, OTHER, TENANT]


async def test_what_a_hotel_tells_by_itself_after_the_move_comes_from_that_hotel(
    mesh: Mesh,
) -> None:
    stub = await mesh.start()
    await mesh.say(stub, tap(await offered(mesh, stub)))
    await mesh.accepted(2)
    await mesh.until_quiet()
    await move(mesh)
    postgres = Postgres(mesh.urls.app_url)
    await postgres.start()
    mailbox: Any = await mesh.admin.fetchval("SELECT mailbox_id FROM mailbox")
    decided = mesh.bookings.answer(ConfirmReservationRequest(lock_id="lock-1")).reservation
    news = News(TENANT, uuid4(), mailbox, HOTEL_DECIDED, decided.SerializeToString())
    await NewsStore(postgres).take_in(1, [news])
    await postgres.close()
    await mesh.until(
        "SELECT state FROM effect WHERE request_id = $1", news.request_id, value="DONE"
    )
    await mesh.until_quiet()
    assert set(await mesh.admin.fetchval(SENDERS)) == {TENANT}


async def test_a_hotel_that_lost_the_number_while_suspended_holds_nobody_up(mesh: Mesh) -> None:
    mesh.tenants.be(TENANT_STATE_SUSPENDED)
    stub = await mesh.start(suspended_seconds=0.1)
    await mesh.say(stub, text("uno"))
    await mesh.until("SELECT lease_number > 1 FROM mailbox")
    await move(mesh)
    await mesh.say(stub, text("dos"))
    await mesh.accepted(1)
    assert await mesh.admin.fetchval(SENDERS) == [OTHER]
    claims: Any = await mesh.admin.fetchval("SELECT lease_number FROM mailbox")
    await mesh.until("SELECT lease_number > $1 FROM mailbox", claims + 2)
    assert await mesh.admin.fetchval("SELECT count(*) FROM inbox WHERE state = 'PENDING'") == 1
    mesh.tenants.change_past(NUMBER, TENANT_STATE_ACTIVE)
    await mesh.until_quiet()
    assert await mesh.admin.fetchval(SENDERS) == [OTHER, TENANT]


async def test_who_writes_to_a_shared_number_is_the_hotels_whose_guest_he_is(mesh: Mesh) -> None:
    mesh.tenants.add("555", "platform", shared=True)
    mesh.tenants.guests["+5511982345678"] = OTHER
    stub = await mesh.start()
    await mesh.say(
        stub,
        text(number="555", phone="551182345678"),
        text(number="555", phone="34600000001"),
        text(number="555", phone="", user="ES.1"),
        text(phone="551182345678"),
    )
    await mesh.until_quiet()
    owners = await mesh.admin.fetch("SELECT tenant_id FROM inbox ORDER BY inbox_id")
    assert [row["tenant_id"] for row in owners] == [OTHER, "platform", "platform", TENANT]
    # Only who is known by a number is asked for, and only of a shared one.
    assert mesh.tenants.resolved == 2
