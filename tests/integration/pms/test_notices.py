"""A hotel's system tells that something has changed: believed by its signature, and only asked."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from meshkit.errors import ResourceExhausted, Unauthenticated
from meshkit.rate_limit import Bucket, Limit
from sandbox.databases import DatabaseUrls
from sandbox.pms.client import PmsControl
from sandbox.pms.notices import headers
from services.booking.pms import notices
from services.booking.pms.notices import Notice, Notices, NoticeStore
from services.booking.pms.secrets import PmsSecrets
from tests.integration.booking.hotel import Sql
from tests.integration.pms.front import Front
from tests.integration.pms.test_document import DOCUMENT
from tests.integration.pms.test_reconcile import book_at_desk, hotel_of, sold_of
from tests.waiting import eventually

SECRET, NEXT, OTHER = (
    "whsec_" + base64.b64encode(word * 4).decode() for word in (b"one-one", b"two-two", b"another")
)
BODY = b'{"type": "bookings.changed", "property_id": "h1"}'
STORED = "SELECT (SELECT count(*) FROM pms_notice), (SELECT count(notice_time) FROM pms_connection)"
OLD = 301
"""Seconds: a signature is believed for 300."""

Make = Callable[..., Awaitable[Front]]


@dataclass
class World:
    """Two replicas that take notices in, and the owner's connection to their database."""

    replicas: list[Front]
    takers: list[Notices]
    admin: Sql
    store: NoticeStore

    @property
    def taker(self) -> Notices:
        """One of the replicas."""
        return self.takers[0]

    async def stored(self) -> tuple[int, int]:
        """How many notices are remembered, and for how many hotels one waits."""
        row: Any = await self.admin.fetchrow(STORED)
        return tuple(row)


@pytest.fixture
async def world(fronts: Make, sql: tuple[Sql, DatabaseUrls], tmp_path: Path) -> World:
    """Hotel `mirador` with two secrets: one is being changed for the other."""
    (tmp_path / "mirador.notices").write_text(f"{SECRET}\n{NEXT}\n")
    replicas = [await fronts(), await fronts()]
    takers = [_taker(one, PmsSecrets(tmp_path)) for one in replicas]
    return World(replicas, takers, sql[0], NoticeStore(replicas[0].store._postgres))


def _taker(front: Front, secrets: PmsSecrets) -> Notices:
    store = NoticeStore(front.store._postgres)
    connections = front.connections
    limiter = front.limiter
    return Notices(store, connections, secrets, limiter, front.reconciler, front.metrics)


def signed(
    notice_id: str = "n-1", secret: str = SECRET, body: bytes = BODY, *, ago: int = 0
) -> Notice:
    """A notice as the hotel's system sends it."""
    told = headers(secret, notice_id, int(time.time()) - ago, body)
    return Notice("mirador", notice_id, told["webhook-timestamp"], told["webhook-signature"], body)


def forged() -> dict[str, Notice]:
    """What looks like a notice of just now, each with one thing wrong."""
    good = signed()
    return {
        "another secret": signed(secret=OTHER),
        "no signature": replace(good, signature=""),
        "a truncated signature": replace(good, signature=good.signature[:-4]),
        "not base64": replace(good, signature="v1,ñ"),
        "no version": replace(good, signature=good.signature.removeprefix("v1,")),
        "another version": replace(good, signature=good.signature.replace("v1", "v2")),
        "another body": replace(good, body=BODY + b" "),
        "a body that is no text": replace(good, body=b"\xff\xfe"),
        "another id": replace(good, notice_id="n-2"),
        "another time": replace(good, timestamp=str(int(good.timestamp) + 1)),
        "no time": replace(good, timestamp=""),
        "too old": signed(ago=OLD),
        "from the future": signed(ago=-OLD - 60),
        "a hotel without a system": replace(good, tenant_id="luna"),
        "no hotel": replace(good, tenant_id="../mirador"),
    }


async def test_what_is_not_signed_by_the_hotel_is_refused_and_nothing_is_stored(
    world: World, pms: PmsControl
) -> None:
    believed = [
        what for what, notice in forged().items() if not await _refused(world.taker, notice)
    ]
    assert believed == []
    assert await world.stored() == (0, 0)
    await world.taker.look()
    assert "h1" not in (await pms.report())["calls"]


async def test_without_a_secret_nothing_is_believed(world: World, tmp_path: Path) -> None:
    with pytest.raises(Unauthenticated):
        await _taker(world.replicas[0], PmsSecrets(None)).receive(signed())
    # Nor by a secret that is none, whoever signs with an empty one.
    (tmp_path / "mirador.notices").write_text("whsec_ = whsec_x\n")
    with pytest.raises(Unauthenticated):
        await world.taker.receive(signed(secret="whsec_"))
    assert await world.stored() == (0, 0)


async def test_a_notice_that_comes_again_changes_nothing(world: World, pms: PmsControl) -> None:
    first = signed()
    assert await world.taker.receive(first)
    await world.taker.look()
    await world.taker.idle()
    before = await _asked(pms)
    # Replayed as it was; at another replica; and sent once more under the same id.
    for taker, notice in (
        (world.takers[0], first),
        (world.takers[1], first),
        (world.takers[1], signed(ago=-1)),
    ):
        assert not await taker.receive(notice)
    assert await world.stored() == (1, 0)
    assert await _asked(pms) == before


async def test_either_secret_is_good_while_one_is_being_changed(world: World) -> None:
    assert await world.taker.receive(signed("n-1", SECRET))
    assert await world.taker.receive(signed("n-2", NEXT))
    both = replace(
        signed("n-3", NEXT), signature=f"{signed('n-3', OTHER).signature} {signed('n-3').signature}"
    )
    assert await world.taker.receive(both)


async def test_a_booking_made_elsewhere_is_counted_by_its_notice_alone(
    world: World, pms: PmsControl, arrival: dt.date
) -> None:
    """No regular look runs here; the notice is a hint, and the system is asked."""
    await world.replicas[0].reconciler.follow(await hotel_of(world.replicas[0]))
    there = await book_at_desk(pms, "SUI", arrival, 1)
    stopping = asyncio.Event()
    running = [asyncio.create_task(one.run(stopping)) for one in world.takers]
    assert await world.taker.receive(signed("n-1"))

    async def sold() -> bool:
        return await sold_of(world.admin, "suite") == {arrival: 1}

    await eventually(sold)
    await pms.cancel("h1", there)
    assert await world.takers[1].receive(signed("n-2"))

    async def free() -> bool:
        return await sold_of(world.admin, "suite") == {}

    await eventually(free)
    stopping.set()
    await asyncio.gather(*running)


async def test_a_storm_costs_one_question_and_one_for_what_came_meanwhile(
    world: World, pms: PmsControl, arrival: dt.date, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "FOLLOW_SECONDS", 3600.0)
    monkeypatch.setattr(notices, "BUCKET", Bucket("notices", Limit(1000.0, burst=1000.0)))
    await world.replicas[0].reconciler.follow(await hotel_of(world.replicas[0]))
    before = await _asked(pms)
    await book_at_desk(pms, "SUI", arrival, 1)
    for number in range(100):
        assert await world.takers[number % 2].receive(signed(f"n-{number}"))
        await asyncio.gather(*(one.look() for one in world.takers))
    await asyncio.gather(*(one.idle() for one in world.takers))
    assert await _asked(pms) - before == 1
    # What came after the question is not forgotten: it waits for its turn.
    assert await world.stored() == (100, 1)
    monkeypatch.setattr(notices, "FOLLOW_SECONDS", 0.0)
    await asyncio.gather(*(one.look() for one in world.takers))
    await asyncio.gather(*(one.idle() for one in world.takers))
    assert await _asked(pms) - before == 2
    assert await world.stored() == (100, 0)
    assert await sold_of(world.admin, "suite") == {arrival: 1}


async def test_a_hotel_that_tells_too_much_is_held_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "BUCKET", Bucket("notices", Limit(0.001, burst=3.0)))
    for number in range(3):
        await world.taker.receive(signed(f"n-{number}"))
    with pytest.raises(ResourceExhausted) as refused:
        await world.taker.receive(signed("n-3"))
    assert refused.value.reason == "TOO_MANY_NOTICES"
    assert await world.stored() == (3, 1)


async def test_what_a_failed_question_has_missed_is_found_by_the_next_regular_look(
    world: World, pms: PmsControl, arrival: dt.date
) -> None:
    await pms.mode("down")
    await world.taker.receive(signed())
    await world.taker.look()
    await world.taker.idle()
    await book_at_desk(pms, "SUI", arrival, 1)
    await pms.mode("up")
    await world.replicas[1].reconciler.follow(await hotel_of(world.replicas[1]))
    assert await sold_of(world.admin, "suite") == {arrival: 1}


async def test_ids_are_forgotten_once_no_signature_is_believed_any_more(world: World) -> None:
    await world.taker.receive(signed("n-1"))
    await world.admin.execute(
        "UPDATE pms_notice SET receive_time = clock_timestamp() - $1 * interval '1 second'",
        notices.KEEP_SECONDS + 1.0,
    )
    await world.taker.receive(signed("n-2"))
    assert await world.store.sweep() == 1
    assert (await world.stored())[0] == 1


def test_the_document_describes_what_is_sent() -> None:
    told = yaml.safe_load(DOCUMENT.read_text())
    operation = told["webhooks"]["changed"]["post"]
    sent = headers(SECRET, "n-1", int(time.time()), BODY)
    assert {one["name"] for one in operation["parameters"]} == sent.keys() - {"Content-Type"}
    for one in operation["parameters"]:
        assert re.fullmatch(one["schema"].get("pattern", ".{1,128}"), sent[one["name"]])
    assert orjson.loads(BODY).keys() == told["components"]["schemas"]["Notice"]["properties"].keys()
    assert operation["responses"].keys() == {"200", "401", "409", "413", "429", "503"}


async def _refused(taker: Notices, notice: Notice) -> bool:
    try:
        await taker.receive(notice)
    except Unauthenticated as refused:
        return refused.reason == "NOTICE_NOT_AUTHENTIC"
    return False


async def _asked(pms: PmsControl) -> int:
    calls: dict[str, int] = (await pms.report())["calls"].get("h1", {})
    return calls.get("read", 0)
