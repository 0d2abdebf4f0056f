"""What others book in the hotel's own system is counted here, and differences are named."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from meshkit.errors import Aborted
from sandbox.databases import DatabaseUrls
from sandbox.pms.app import Addresses
from sandbox.pms.client import PmsControl
from services.booking.domain import Reservation, ReservationState
from services.booking.pms.compare import DifferenceKind
from services.booking.pms.connections import Connected
from services.booking.pms.store import Kind
from tests.integration.booking.hotel import NIGHTS, PRICE, Sql
from tests.integration.pms.front import Front, Running, connection, stay_from
from tests.waiting import eventually

COUNTERS = """
SELECT night, sold, elsewhere, debt FROM night_inventory
WHERE tenant_id = 'mirador' AND room_type_id = $1 ORDER BY night
"""


@pytest.fixture
def admin(sql: tuple[Sql, DatabaseUrls]) -> Sql:
    """A connection as the owner."""
    return sql[0]


async def test_a_booking_at_the_desk_is_sold_here_until_it_is_cancelled(
    front: Front, admin: Sql, pms: PmsControl, arrival: dt.date
) -> None:
    hotel = await hotel_of(front)
    await front.reconciler.follow(hotel)
    there = await book_at_desk(pms, "SUI", arrival, 2)
    await front.reconciler.follow(hotel)
    assert await sold_of(admin, "suite") == {arrival: 1, _day(arrival, 1): 1}
    await pms.cancel("h1", there)
    await front.reconciler.follow(hotel)
    assert await sold_of(admin, "suite") == {}


async def test_what_the_system_has_oversold_is_debt_and_ends_with_it(
    front: Front, admin: Sql, pms: PmsControl, arrival: dt.date
) -> None:
    hotel = await hotel_of(front)
    booked = await front.book("ana", "suite", stay_from(arrival))
    async with Running(front):
        await _settle(front, booked)
    there = await book_at_desk(pms, "SUI", arrival, 1, force=True)
    await front.reconciler.follow(hotel)
    rows = {
        row["night"]: (row["sold"], row["debt"]) for row in await admin.fetch(COUNTERS, "suite")
    }
    assert rows[arrival] == (2, 1)
    assert front.registry.get_sample_value("pms_oversold_nights_total") == 1
    await pms.cancel("h1", there)
    await front.reconciler.follow(hotel)
    rows = {
        row["night"]: (row["sold"], row["debt"]) for row in await admin.fetch(COUNTERS, "suite")
    }
    assert rows[arrival] == (1, 0)


@pytest.mark.parametrize("kind", [Kind.GENERIC, Kind.QLOAPPS])
async def test_the_counters_are_both_sides_bookings_whatever_happens(
    front: Front, admin: Sql, pms: PmsControl, addresses: Addresses, arrival: dt.date, kind: Kind
) -> None:
    seed = int(os.environ.get("CONSERJE_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    if kind is not Kind.GENERIC:
        await front.store.set_connection(connection(addresses.url, kind=kind, version=1))
        front.connections.outdate()
    hotel = await hotel_of(front)
    desk: list[str] = []
    ours: list[Reservation] = []
    async with Running(front):
        for number in range(25):
            day = _day(arrival, chance.randrange(5))
            what = chance.random()
            if what < 0.5:
                desk.append(await book_at_desk(pms, "DBL", day, chance.randrange(1, 4), force=True))
            elif what < 0.7 and desk:
                await pms.cancel("h1", desk.pop(chance.randrange(len(desk))))
            elif what < 0.8:
                await front.reconciler.follow(hotel)
            else:
                booked = await front.book(f"g{number}", "single", stay_from(_day(day, number)))
                ours.append(booked)
        for booked in ours:
            await _settle(front, booked)
    await front.reconciler.follow(hotel)
    there: Counter[dt.date] = Counter()
    for one in await pms.bookings("h1"):
        if one["rooms"][0]["room_type_id"] == "DBL":
            first, last = (dt.date.fromisoformat(one[d]) for d in ("check_in", "check_out"))
            there.update(_day(first, n) for n in range((last - first).days))
    assert await sold_of(admin, "double") == dict(there)
    for row in await admin.fetch(COUNTERS, "double"):
        assert row["debt"] == max(row["sold"] - 5, 0)
    assert not [one for one in await front.reconciler.compare(hotel) if one.reservation_id]


async def test_two_replicas_count_a_change_once(
    fronts: Callable[..., Awaitable[Front]], admin: Sql, pms: PmsControl, arrival: dt.date
) -> None:
    replicas = [await fronts(), await fronts()]
    hotel = await hotel_of(replicas[0])
    await book_at_desk(pms, "DBL", arrival, 1)
    told = await asyncio.gather(
        *(one.reconciler.follow(hotel) for one in replicas for _ in range(4)),
        return_exceptions=True,
    )
    assert all(one is None or isinstance(one, Aborted) for one in told)
    assert await sold_of(admin, "double") == {arrival: 1}


async def test_nights_that_come_on_sale_later_know_what_is_booked(
    front: Front, admin: Sql, pms: PmsControl, arrival: dt.date
) -> None:
    hotel = await hotel_of(front)
    late = _day(arrival, NIGHTS)
    await book_at_desk(pms, "DBL", late, 1)
    await front.reconciler.follow(hotel)
    await admin.execute(
        "INSERT INTO night_inventory (tenant_id, room_type_id, night, sellable, price)"
        " VALUES ('mirador', 'double', $1, 5, $2)",
        late,
        PRICE,
    )
    await front.reconciler.follow(hotel)
    assert await sold_of(admin, "double") == {late: 1}


async def test_a_booking_of_ours_that_should_not_be_there_is_cancelled(
    front: Front, pms: PmsControl, arrival: dt.date
) -> None:
    hotel = await hotel_of(front)
    booked = await front.book("ana", "double", stay_from(arrival))
    async with Running(front):
        await _settle(front, booked)
        await front.bookings.cancel("mirador", uuid4(), b"x", booked.reservation_id)
        await eventually(lambda: _nothing_open(front))
        # It turns up again, long after everything was settled.
        await book_at_desk(pms, "DBL", arrival, 1, key=f"cj:{booked.reservation_id}")
        await front.reconciler.follow(hotel)
        await eventually(lambda: _nothing_open(front))
    assert await pms.bookings("h1") == []


async def test_every_difference_is_named(front: Front, pms: PmsControl, arrival: dt.date) -> None:
    hotel = await hotel_of(front)
    names = ("missing", "twice", "moved", "swapped", "gone", "fine")
    booked = {
        name: await front.book(name, "double" if n < 5 else "single", stay_from(arrival))
        for n, name in enumerate(names)
    }
    async with Running(front):
        for one in booked.values():
            await _settle(front, one)
        await eventually(lambda: _nothing_open(front))
    there = {one["key"]: one["booking_id"] for one in await pms.bookings("h1")}
    key = {name: f"cj:{one.reservation_id}" for name, one in booked.items()}
    for name in ("missing", "moved", "swapped"):
        await pms.cancel("h1", there[key[name]])
    await book_at_desk(pms, "DBL", _day(arrival, 3), 1, key=key["moved"])
    await book_at_desk(pms, "SGL", arrival, 1, key=key["swapped"])
    await book_at_desk(pms, "DBL", arrival, 1, key=key["twice"])
    await book_at_desk(pms, "DBL", _day(arrival, 5), 1, key=f"cj:{uuid4()}")
    await front.bookings.cancel("mirador", uuid4(), b"x", booked["gone"].reservation_id)
    await front.store._postgres.of("mirador").execute("UPDATE pms_booking SET step = 'NONE'")
    found = await front.reconciler.compare(hotel)
    assert Counter(one.kind for one in found) == {
        DifferenceKind.MISSING_THERE: 1,
        DifferenceKind.TWICE_THERE: 2,
        DifferenceKind.OTHER_DATES: 1,
        DifferenceKind.OTHER_ROOMS: 1,
        DifferenceKind.NOT_WANTED_THERE: 1,
        DifferenceKind.UNKNOWN_HERE: 1,
    }
    (missing,) = [one for one in found if one.kind is DifferenceKind.MISSING_THERE]
    assert missing.confirmation_code == booked["missing"].confirmation_code
    assert missing.here.startswith(f"CONFIRMED {arrival} to ")


async def test_what_was_booked_before_the_system_was_connected_is_missing_there(
    front: Front, admin: Sql, pms: PmsControl, arrival: dt.date
) -> None:
    hotel = await hotel_of(front)
    before = await front.book("ana", "double", stay_from(arrival))
    # Without a connection nothing is noted for the hotel's system.
    await admin.execute("DELETE FROM pms_booking")
    await admin.execute("UPDATE reservation SET state = 'CONFIRMED'")
    (found,) = await front.reconciler.compare(hotel)
    assert found.kind is DifferenceKind.MISSING_THERE
    assert found.confirmation_code == before.confirmation_code


async def hotel_of(front: Front) -> Connected:
    found = await front.connections.of("mirador")
    assert found is not None
    return found


async def book_at_desk(
    pms: PmsControl, kind: str, day: dt.date, nights: int, **more: object
) -> str:
    dates = {"check_in": str(day), "check_out": str(_day(day, nights))}
    made = await pms.book("h1", kind, **dates, **more)
    return str(made["booking_id"])


async def sold_of(sql: Sql, room_type: str) -> dict[dt.date, int]:
    return {
        row["night"]: row["sold"] for row in await sql.fetch(COUNTERS, room_type) if row["sold"]
    }


async def _settle(front: Front, booked: Reservation) -> None:
    async def settled() -> bool:
        return await front.state(booked.reservation_id) is not ReservationState.PENDING_PMS

    await eventually(settled)


async def _nothing_open(front: Front) -> bool:
    sql = "SELECT count(*) FROM pms_booking WHERE step <> 'NONE'"
    return bool(await front.store._postgres.of("mirador").fetchval(sql) == 0)


def _day(day: dt.date, later: int) -> dt.date:
    return day + dt.timedelta(days=later)
