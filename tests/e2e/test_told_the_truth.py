"""Guests book in a hotel whose own system fails in every way, and are told nothing false."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import grpc
import pytest
from conserje.booking.v1.pms_pb2 import PMS_KIND_GENERIC, PmsConnection
from conserje.booking.v1.pms_service_pb2 import SetPmsConnectionRequest
from conserje.booking.v1.pms_service_pb2_grpc import PmsServiceStub

from sandbox.mesh import Mesh
from sandbox.pms.app import serving
from sandbox.pms.client import PmsControl
from sandbox.pms.faults import KINDS
from sandbox.servers import Given
from tests.e2e.folders import NO_PAUSE, mesh_folder
from tests.e2e.guests import MIRADOR, Guest, Reply
from tests.e2e.truth import Event, Lock, Reservation, Told, Version, Wish, World, judged

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("CONSERJE_TEST_SEED", "20261127"))
HOTEL, PROPERTY = "hotel-mirador", "truth"
SIZES = {"short": 60, "full": 500}
AT_ONCE = 20
PATIENCE = 120
"""Seconds that a guest waits for an answer; a loaded machine is slow."""
TYPES = {"individual": ("SGL", "Habitación individual"), "doble": ("DBL", "Habitación doble")}
ROOMS_HERE = {"individual": 3, "doble": 5}
ROOMS_THERE = {"individual": 2, "doble": 3}
SETTLES = {"CONSERJE_BOOKING_PMS_SETTLE_SECONDS": "1"}
"""Longer than the fake system works on a request that it answers late."""
SECONDS_OF_FAULTS = 0.3

LOCKS = """
SELECT guest_id, room_type_id, check_in, check_out, extract(epoch FROM create_time)::float8,
    extract(epoch FROM expire_time)::float8,
    extract(epoch FROM least(coalesce(end_time, expire_time), expire_time))::float8
FROM room_lock WHERE tenant_id = $1
"""
RESERVATIONS = """
SELECT r.reservation_id::text AS id, r.confirmation_code, r.guest_id, s.room_type_id,
    lower(s.nights), upper(s.nights),
    array_agg(extract(epoch FROM e.event_time)::float8 ORDER BY e.version) AS times,
    array_agg(e.to_state ORDER BY e.version) AS states
FROM reservation r
JOIN stay s ON s.tenant_id = r.tenant_id AND s.reservation_id = r.reservation_id
JOIN reservation_event e ON e.tenant_id = r.tenant_id AND e.reservation_id = r.reservation_id
WHERE r.tenant_id = $1 GROUP BY r.tenant_id, r.reservation_id, s.room_type_id, s.nights
"""
# A conversation is known by its guest's number, with a letter in front.
MAILBOX = """
SELECT mailbox_id FROM mailbox_alias WHERE phone_number_id = $1 AND position($2 IN alias) > 0
"""
OPEN = "SELECT count(*) FROM pms_booking WHERE step <> 'NONE'"


@dataclass
class Person:
    """A guest, what he wants, and when he wrote."""

    guest: Guest
    room_type_id: str
    check_in: date
    check_out: date
    chance: random.Random
    wrote: list[float] = field(default_factory=list)

    async def say(self, text: str) -> Reply:
        self.wrote.append(time.time())
        return await self.guest.say(text, timeout=PATIENCE)

    async def tap(self, reply_id: str) -> Reply:
        self.wrote.append(time.time())
        return await self.guest.tap(reply_id, timeout=PATIENCE)


@pytest.fixture
async def mesh(run_servers: Given) -> AsyncIterator[Mesh]:
    """A mesh of its own, two replicas of booking among it."""
    processes = ("graph", "tenant", "booking-1", "booking-2", "messaging", "gateway")
    with mesh_folder() as folder:
        env = NO_PAUSE | SETTLES
        async with Mesh(folder, given=run_servers, processes=processes, env=env) as running:
            yield running


@pytest.mark.parametrize("size", ["short", pytest.param("full", marks=pytest.mark.soak)])
async def test_no_guest_is_told_anything_false(mesh: Mesh, size: str) -> None:
    """A fifth of all requests to the hotel's system goes wrong; all texts are judged afterwards."""
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    people = _people(mesh, SIZES[size], chance)
    began = time.time()
    async with _connected(mesh, people) as pms:
        await pms.fault("slow", operation="create", seconds=4.0, count=3)
        await pms.chance(0.2, kinds=list(KINDS), seconds=SECONDS_OF_FAULTS, seed=SEED)
        places = asyncio.Semaphore(AT_ONCE)
        half = len(people) // 2
        await asyncio.gather(*(_books(one, places) for one in people[:half]))
        await pms.restart(0.5)
        await asyncio.gather(*(_books(one, places) for one in people[half:]))
        world = await _settled(mesh, pms, began)
        report = await pms.report()
    transcript = await _transcript(mesh, people)
    judgement = judged(world, transcript)
    print(f"{len(transcript)} texts said {judgement.said} through {report['faults']}")
    assert judgement.lies == []
    _both_sides_agree(world, time.time())
    assert judgement.said["CONFIRMED"] > SIZES[size] / 5
    assert judgement.said["HOTEL_ASKED"] > 0
    assert sum(judgement.said.get(name, 0) for name in ("WISH_SOLD_OUT", "OFFER")) > 0
    _the_judge_is_awake(world, transcript)


async def _books(one: Person, places: asyncio.Semaphore) -> None:
    """Asks, chooses, confirms or lets go, waits for the hotel, perhaps cancels."""
    async with places:
        adults = 1 if one.room_type_id == "individual" else 2
        reply = await one.say(
            f"habitación {one.room_type_id} del {one.check_in} al {one.check_out} para {adults}"
        )
        if not reply.buttons and (row := _row(reply, one)):
            reply = await one.tap(row)
        if "Confirmar" not in reply.buttons.values():
            return
        if one.chance.random() < 0.1:
            await one.tap(reply.button("Cancelar"))
            return
        reply = await one.tap(reply.button("Confirmar"))
        while "Confirmar" in reply.buttons.values():  # It could not be, just now.
            reply = await one.tap(reply.button("Confirmar"))
        if "espero su confirmación" in reply.text:
            reply = await one.guest.hears(timeout=PATIENCE)
        if "confirmada" in reply.text and one.chance.random() < 0.2:
            reply = await one.say("quiero cancelar mi reserva")
            await one.tap(reply.button("Sí, cancelar"))


def _row(reply: Reply, one: Person) -> str:
    """The row of the wanted type for the wanted nights; empty when it is not offered."""
    if "Elige" not in reply.text or "fechas cercanas" in reply.text:
        return ""
    name = TYPES[one.room_type_id][1]
    return next((row for row, title in reply.rows.items() if title == name), "")


def _people(mesh: Mesh, count: int, chance: random.Random) -> list[Person]:
    """More wishes than rooms, around nights that are half sold at the desk."""
    first = date.today() + timedelta(days=210)
    people = []
    for number in range(count):
        check_in = first + timedelta(days=chance.randrange(max(6, count // 10)))
        check_out = check_in + timedelta(days=chance.choice((1, 1, 2)))
        kind = chance.choice(list(TYPES))
        people.append(Person(Guest(mesh), kind, check_in, check_out, random.Random(SEED + number)))
    return people


@asynccontextmanager
async def _connected(mesh: Mesh, people: list[Person]) -> AsyncIterator[PmsControl]:
    """The hotel with a system of its own, in which every fifth night is sold already."""
    async with (
        serving() as addresses,
        PmsControl(addresses.control) as control,
        grpc.aio.insecure_channel(mesh.address("booking-1").grpc) as channel,
    ):
        rooms = {TYPES[one][0]: count for one, count in ROOMS_THERE.items()}
        await control.property(PROPERTY, rooms, secret="", idempotent=False)
        for night in {one.check_in for one in people if one.check_in.toordinal() % 5 == 0}:
            nights = {"check_in": str(night), "check_out": str(night + timedelta(days=1))}
            for kind, count in rooms.items():
                for _ in range(count):
                    await control.book(PROPERTY, kind, **nights)
        connection = PmsConnection(
            tenant_id=HOTEL,
            kind=PMS_KIND_GENERIC,
            base_url=addresses.url,
            property_id=PROPERTY,
            room_types={one: theirs for one, (theirs, _) in TYPES.items()},
            requests_per_second=500,
        )
        stub = PmsServiceStub(channel)
        await stub.SetPmsConnection(SetPmsConnectionRequest(tenant_id=HOTEL, connection=connection))
        yield control


async def _settled(mesh: Mesh, pms: PmsControl, began: float) -> World:
    """Both sides, once nothing is under way between them."""
    sql = await asyncpg.connect(mesh.databases["booking"].owner_url)
    try:
        async with asyncio.timeout(PATIENCE):
            while await sql.fetchval(OPEN):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        locks = [Lock(*row) for row in await sql.fetch(LOCKS, HOTEL)]
        reservations = [_reservation(row) for row in await sql.fetch(RESERVATIONS, HOTEL)]
    finally:
        await sql.close()
    versions = [_version(one) for one in await pms.history(PROPERTY)]
    return World(locks, reservations, versions, ROOMS_HERE, ROOMS_THERE, began)


def _reservation(row: Any) -> Reservation:
    reservation_id, code, guest_id, room_type_id, check_in, check_out, times, states = row
    events = [Event(*one) for one in zip(times, states, strict=True)]
    key = f"cj:{reservation_id}"
    return Reservation(key, code, guest_id, room_type_id, check_in, check_out, events)


def _version(one: Any) -> Version:
    booking = one["booking"]
    ours = {theirs: our for our, (theirs, _) in TYPES.items()}
    return Version(
        time=one["time"],
        booking_id=booking["booking_id"],
        key=booking["key"],
        code=booking["confirmation_code"],
        room_type_id=ours[booking["rooms"][0]["room_type_id"]],
        check_in=date.fromisoformat(booking["check_in"]),
        check_out=date.fromisoformat(booking["check_out"]),
        active=booking["state"] == "booked",
        total=Decimal(booking["total"]),
    )


async def _transcript(mesh: Mesh, people: list[Person]) -> list[Told]:
    """Every text that left messaging for one of these, as WhatsApp accepted it."""
    known = {one.guest.wa_id: one for one in people}
    sql = await asyncpg.connect(mesh.databases["messaging"].owner_url)
    try:
        boxes = {wa_id: await sql.fetchval(MAILBOX, MIRADOR, wa_id.encode()) for wa_id in known}
    finally:
        await sql.close()
    told = []
    for sent in await mesh.graph.accepted():
        if (one := known.get(sent["to"])) is None:
            continue
        wish = Wish(
            f"mailbox-{boxes[sent['to']]}",
            TYPES[one.room_type_id][1],
            one.room_type_id,
            one.check_in,
            one.check_out,
        )
        asked = max(moment for moment in one.wrote if moment <= sent["time"])
        reply = Reply(sent["body"])
        told.append(Told(wish, asked, sent["time"], reply.text, list(reply.rows.values())))
    return told


def _both_sides_agree(world: World, now: float) -> None:
    """One booking there for each that is certain here, none for any other, none unknown."""
    wanted = sorted(one.key for one in world.reservations if one.state(now) == "CONFIRMED")
    assert wanted == sorted(one.key for one in world.there(now) if one.key)
    assert {one.state(now) for one in world.reservations} <= {"CONFIRMED", "REFUSED", "CANCELLED"}


def _the_judge_is_awake(world: World, transcript: list[Told]) -> None:
    """The same texts, told too early, to somebody else, or about another world, are lies."""
    confirmed = [one for one in transcript if "¡Reserva confirmada!" in one.body]
    (first, second) = confirmed[:2]
    assert judged(world, [replace(first, wish=second.wish)]).lies
    assert judged(world, [replace(first, time=world.began)]).lies
    assert judged(replace(world, versions=[]), [first]).lies
    kept = next(one for one in transcript if "Te guardo" in one.body)
    assert judged(replace(world, locks=[]), [kept]).lies
    assert judged(world, [replace(first, body="Tu habitación te espera.")]).lies
