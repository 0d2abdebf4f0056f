"""Direct bookings of several rooms, and reservations that change, on real Postgres."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry

from meshkit.errors import Aborted, FailedPrecondition, InvalidArgument, MeshError, NotFound
from meshkit.money import Money
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from services.booking.domain import Guests, Lock, Reservation, ReservationState, RoomWish
from services.booking.metrics import BookingMetrics
from services.booking.reservations import domain
from services.booking.reservations.domain import Order
from services.booking.reservations.taking import Wishes
from services.booking.store import BookingStore
from tests.integration.booking.hotel import COUNT_CHANGE, PRICE, Hotel, Sql, assert_consistent
from tests.integration.booking.test_reservation_life import (
    SELECT_UNEXPLAINED,
    STAFF,
    change,
    set_terms,
)

ANY_PRICE = Money(Decimal(100_000), "EUR")


@pytest.fixture
async def other(database: DatabaseUrls) -> AsyncIterator[BookingStore]:
    """The store of another replica, with connections of its own."""
    pool = Postgres(database.app_url)
    await pool.start()
    yield BookingStore(pool, BookingMetrics(CollectorRegistry()))
    await pool.close()


def rooms(*types: str) -> tuple[RoomWish, ...]:
    """A room for two of each type."""
    return tuple(RoomWish(one, Guests(2, 0)) for one in types)


async def create(
    store: BookingStore,
    hotel: Hotel,
    *types: str,
    first: int = 10,
    nights: int = 2,
    request_id: UUID | None = None,
) -> Reservation:
    """A direct booking."""
    order = Order(hotel.tenant_id, request_id or uuid4(), b"", STAFF)
    return await store.create(order, "guest", hotel.stay(first, nights), rooms(*types))


async def modify(store: BookingStore, before: Reservation, **wishes: Any) -> Reservation:
    """A change by a person of the hotel."""
    order = Order(before.tenant_id, wishes.pop("request_id", uuid4()), b"", STAFF)
    wishes.setdefault("accepted_total", ANY_PRICE)
    return await store.modify(order, before.reservation_id, Wishes(**wishes))


def day(hotel: Hotel, after: int) -> dt.date:
    """So many days from today."""
    return hotel.today + dt.timedelta(days=after)


async def assert_explained(sql: Sql) -> None:
    """Counters, rooms, audit and events agree."""
    await assert_consistent(sql)
    assert await sql.fetch(SELECT_UNEXPLAINED) == []


async def test_several_rooms_in_one_reservation(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    booked = await create(store, hotel, "double", "single", "double")
    assert [one.room_type_id for one in booked.rooms] == ["double", "single", "double"]
    assert booked.total_price == PRICE * 6
    assert len({(one.room_type_id, one.room_number) for one in booked.rooms}) == 3
    assert await hotel.counters("double", booked.stay) == [(0, 2)] * 2
    assert await store.reservation(hotel.tenant_id, booked.confirmation_code) == booked
    await change(store, booked, domain.cancel())
    assert await hotel.counters("double", booked.stay) == [(0, 0)] * 2
    assert await hotel.counters("single", booked.stay) == [(0, 0)] * 2
    await assert_explained(sql)


async def test_all_rooms_or_none(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    request_id = uuid4()
    for _ in range(2):
        with pytest.raises(FailedPrecondition, match="SOLD_OUT"):
            await create(store, hotel, "double", "suite", "suite", request_id=request_id)
    assert await hotel.counters("double", hotel.stay()) == [(0, 0)] * 2
    assert await sql.fetchval("SELECT count(*) FROM reservation") == 0
    await create(store, hotel, "suite")
    await assert_explained(sql)


@pytest.mark.parametrize(
    ("types", "first", "kind", "reason"),
    [
        (("palace",), 10, NotFound, "ROOM_TYPE_UNKNOWN"),
        (("suite",), -1, InvalidArgument, "CHECK_IN_PAST"),
        (("suite",), 59, InvalidArgument, "BEYOND_HORIZON"),
    ],
)
async def test_what_cannot_be_booked_leaves_nothing(
    store: BookingStore,
    hotel: Hotel,
    sql: Sql,
    types: tuple[str, ...],
    first: int,
    kind: type[MeshError],
    reason: str,
) -> None:
    with pytest.raises(kind, match=reason):
        await create(store, hotel, *types, first=first)
    booked = await create(store, hotel, "suite")
    with pytest.raises(kind, match=reason):
        await modify(
            store,
            booked,
            check_in=day(hotel, first),
            check_out=day(hotel, first + 2),
            rooms=rooms(*types),
        )
    assert await store.reservation(hotel.tenant_id, booked.reservation_id) == booked
    assert await sql.fetchval("SELECT count(*) FROM request_answer") == 1
    await assert_explained(sql)


async def test_lapsed_locks_are_in_nobodys_way(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    await store.acquire([hotel.request("suite")])
    with pytest.raises(FailedPrecondition, match="SOLD_OUT"):
        await create(store, hotel, "suite")
    await hotel.lapse()
    await create(store, hotel, "suite")
    await assert_explained(sql)


async def test_a_direct_booking_awaits_its_deposit(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    await set_terms(sql, deposit={"kind": "PERCENT", "value": "50"})
    booked = await create(store, hotel, "double", "single")
    assert booked.state is ReservationState.AWAITING_DEPOSIT
    assert booked.deposit is not None
    assert booked.deposit.amount == PRICE * 2
    await assert_explained(sql)


async def test_a_deposit_that_is_awaited_follows_the_price_and_keeps_its_deadline(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    await set_terms(sql, deposit={"kind": "PERCENT", "value": "100"})
    booked = await create(store, hotel, "double", nights=4)
    await set_terms(sql, deposit={"kind": "PERCENT", "value": "10"})
    assert booked.deposit is not None
    for nights in (1, 6):
        changed = await modify(store, booked, check_out=day(hotel, 10 + nights))
        assert changed.total_price == PRICE * nights
        assert changed.deposit == replace(booked.deposit, amount=PRICE * nights)
    shown = await change(store, booked, domain.submit_receipt("receipt"))
    shorter = await modify(store, booked, check_out=day(hotel, 11))
    assert shorter.deposit == shown.deposit
    assert await store.reservation(hotel.tenant_id, booked.reservation_id) == shorter
    await assert_explained(sql)


async def test_a_stay_moves_onto_its_own_nights(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """Longer and later, in the only room there is; nights that are kept keep their price."""
    booked = await create(store, hotel, "suite", nights=3)
    await sql.execute("UPDATE night_inventory SET price = 200")
    await sql.execute(COUNT_CHANGE)
    moved = await modify(store, booked, check_in=day(hotel, 11), check_out=day(hotel, 15))
    assert moved.stay == hotel.stay(11, 4)
    assert moved.quote.nightly_prices == (PRICE, PRICE, Decimal(200), Decimal(200))
    assert moved.room_number == booked.room_number
    assert moved.confirmation_code == booked.confirmation_code
    assert await hotel.counters("suite", hotel.stay(10, 5)) == [(0, 0)] + [(0, 1)] * 4
    assert moved == await store.reservation(hotel.tenant_id, booked.reservation_id)
    await assert_explained(sql)


async def test_the_old_stay_is_kept_until_the_new_one_is_sure(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    taken = await create(store, hotel, "suite", first=20)
    booked = await create(store, hotel, "double", "suite")
    request_id = uuid4()
    for _ in range(2):
        with pytest.raises(FailedPrecondition, match="SOLD_OUT"):
            await modify(
                store,
                booked,
                check_in=day(hotel, 20),
                check_out=day(hotel, 22),
                request_id=request_id,
            )
    assert await store.reservation(hotel.tenant_id, booked.reservation_id) == booked
    assert await hotel.counters("double", booked.stay) == [(0, 1)] * 2
    await change(store, taken, domain.cancel())
    moved = await modify(store, booked, check_in=day(hotel, 20), check_out=day(hotel, 22))
    assert moved.stay == taken.stay
    await assert_explained(sql)


async def test_other_rooms_and_other_guests(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    booked = await create(store, hotel, "single")
    larger = await modify(store, booked, rooms=(RoomWish("suite", Guests(2, 2)),))
    assert (larger.room_type_id, larger.rooms[0].guests) == ("suite", Guests(2, 2))
    with pytest.raises(FailedPrecondition, match="TOO_MANY_GUESTS"):
        await modify(store, larger, rooms=(RoomWish("suite", Guests(4, 1)),))
    two = await modify(store, larger, rooms=rooms("suite", "double"))
    assert [one.stay_number for one in two.rooms] == [1, 2]
    await assert_explained(sql)


async def test_nobody_pays_more_than_was_agreed_to(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    booked = await create(store, hotel, "double")
    longer = {"check_out": day(hotel, 13)}
    with pytest.raises(FailedPrecondition, match="TOTAL_PRICE_CHANGED") as caught:
        await modify(store, booked, accepted_total=None, **longer)
    assert caught.value.metadata == {"total_price": "301.50", "currency_code": "EUR"}
    agreed = Money(Decimal("301.50"), "EUR")
    assert (await modify(store, booked, accepted_total=agreed, **longer)).stay.night_count == 3
    shorter = await modify(store, booked, accepted_total=None, check_out=day(hotel, 11))
    assert shorter.total_price == PRICE
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await modify(store, booked, etag="1", **longer)
    await assert_explained(sql)


async def test_guests_who_are_in_stay_in_their_room(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    booked = await create(store, hotel, "suite", first=0)
    await change(store, booked, domain.check_in)
    longer = await modify(store, booked, check_out=day(hotel, 4))
    assert longer.state is ReservationState.CHECKED_IN
    for wishes in ({"check_in": day(hotel, 1)}, {"rooms": rooms("suite", "double")}):
        with pytest.raises(FailedPrecondition, match="ROOM_TAKEN"):
            await modify(store, booked, **wishes)
    await change(store, booked, domain.check_out)
    with pytest.raises(FailedPrecondition, match="WRONG_STATE"):
        await modify(store, booked, check_out=day(hotel, 5))
    await assert_explained(sql)


async def test_other_guests_of_the_same_type_keep_their_room(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """Those who are in it, and those whom this very room was sold."""
    first = await create(store, hotel, "double", first=0)
    inside = await create(store, hotel, "double", first=0)
    await change(store, inside, domain.check_in)
    order = Order(hotel.tenant_id, uuid4(), b"")
    wish = RoomWish("double", Guests(2, 0), "double-3")
    sold = await store.create(order, uuid4().hex, hotel.stay(0), [wish])
    await change(store, first, domain.cancel())
    for before in (inside, sold):
        after = await modify(store, before, rooms=(RoomWish("double", Guests(1, 0)),))
        assert after.rooms[0].guests == Guests(1, 0)
        assert after.room_number == before.room_number
    pinned = "SELECT reservation_id FROM stay WHERE pinned"
    assert [row[0] for row in await sql.fetch(pinned)] == [sold.reservation_id]
    await assert_explained(sql)


async def test_whoever_has_not_arrived_makes_way_for_guests_who_are_in(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    booked = await create(store, hotel, "single", "single", first=0)
    await change(store, booked, domain.check_in)
    one, other = [await create(store, hotel, "single", first=2) for _ in range(2)]
    numbers = [room.room_number for room in booked.rooms]
    assert [one.room_number, other.room_number] == numbers
    with pytest.raises(FailedPrecondition, match="SOLD_OUT"):
        await modify(store, booked, check_out=day(hotel, 4))
    await change(store, other, domain.cancel())
    longer = await modify(store, booked, check_out=day(hotel, 4))
    assert [room.room_number for room in longer.rooms] == numbers
    moved = await store.reservation(hotel.tenant_id, one.reservation_id)
    assert moved.room_number not in numbers
    await assert_explained(sql)


async def test_guests_who_are_in_stay_where_the_next_bought_their_room(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    booked = await create(store, hotel, "single", first=0)
    await change(store, booked, domain.check_in)
    order = Order(hotel.tenant_id, uuid4(), b"", STAFF)
    very = [RoomWish("single", Guests(2, 0), f"single-{booked.room_number}")]
    await store.create(order, "guest", hotel.stay(2, 2), very)
    with pytest.raises(FailedPrecondition, match="ROOM_TAKEN"):
        await modify(store, booked, check_out=day(hotel, 3))
    assert (await modify(store, booked, check_out=day(hotel, 1))).room_number == booked.room_number
    with pytest.raises(FailedPrecondition, match="ROOM_TAKEN"):
        await modify(store, booked, rooms=(replace(very[0], room_id="single-3"),))
    await assert_explained(sql)


# A day goes by.
NIGHT_BEFORE = """
INSERT INTO night_inventory (tenant_id, room_type_id, night, sellable, sold, price)
SELECT tenant_id, room_type_id, night - 1, sellable, sold, price FROM night_inventory
WHERE night = $1
"""
EARLIER = """
UPDATE stay SET nights = daterange(lower(nights) - 1, upper(nights)),
    nightly_prices = 90.00 || nightly_prices
"""


async def test_a_child_joins_guests_who_are_in(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    await create(store, hotel, "double", first=0)
    booked = await create(store, hotel, "double", first=0)
    await sql.execute(NIGHT_BEFORE, hotel.today)
    await sql.execute(EARLIER)
    await change(store, booked, domain.check_in)
    with_child = (RoomWish("double", Guests(2, 1)),)
    more = await modify(store, booked, rooms=with_child, check_out=day(hotel, 3))
    assert more.rooms[0].guests == Guests(2, 1)
    assert more.room_number == booked.room_number == "2"
    assert more.quote.nightly_prices == (Decimal("90.00"), PRICE, PRICE, PRICE)
    await assert_explained(sql)


ELSEWHERE = """
INSERT INTO pms_elsewhere (tenant_id, booking_id, room_place, room_type_id, nights)
VALUES ('mirador', 'theirs', 1, 'suite', daterange($1::date, $1::date + 1))
"""
RECOUNT = "SELECT FROM recount_elsewhere('mirador', ARRAY['suite'], $1)"
DEBTS = "SELECT night FROM night_inventory WHERE debt > 0"


async def test_a_guest_of_an_oversold_night_may_still_change(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    booked = await create(store, hotel, "suite")
    await sql.execute(ELSEWHERE, day(hotel, 10))
    await sql.execute(RECOUNT, hotel.today)
    longer = await modify(store, booked, check_out=day(hotel, 13))
    assert longer.room_number == booked.room_number
    assert [row["night"] for row in await sql.fetch(DEBTS)] == [day(hotel, 10)]
    with pytest.raises(FailedPrecondition, match="SOLD_OUT"):
        await modify(store, booked, rooms=rooms("suite", "suite"))
    with pytest.raises(FailedPrecondition, match="SOLD_OUT"):
        await create(store, hotel, "suite", first=10, nights=1)
    later = await modify(store, booked, check_in=day(hotel, 11))
    assert later.stay.night_count == 2
    assert await sql.fetch(DEBTS) == []
    with pytest.raises(FailedPrecondition, match="SOLD_OUT"):
        await modify(store, booked, check_in=day(hotel, 10))


async def test_copies_at_two_replicas_get_one_answer(
    store: BookingStore, other: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    request_id = uuid4()
    booked = await asyncio.gather(
        *(create(one, hotel, "double", request_id=request_id) for one in (store, other) * 8)
    )
    assert len(set(booked)) == 1
    request_id = uuid4()
    longer = {"check_out": day(hotel, 14), "request_id": request_id}
    moved = await asyncio.gather(*(modify(one, booked[0], **longer) for one in (store, other) * 8))
    assert len(set(moved)) == 1
    await change(store, booked[0], domain.cancel())
    assert await modify(other, booked[0], **longer) == moved[0]
    assert await sql.fetchval("SELECT count(*) FROM reservation_event") == 3
    await assert_explained(sql)


async def test_changes_locks_and_bookings_fight_for_few_rooms(
    store: BookingStore, other: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """Whoever loses keeps what it had; nothing drifts and nobody deadlocks for good."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    types = ("single", "double", "suite")
    answered = 0

    async def guest(replica: BookingStore) -> None:
        nonlocal answered
        mine: Reservation | None = None
        for _ in range(8):
            first, nights = rng.randint(1, 6), rng.randint(1, 3)
            wanted = rng.sample(types, rng.randint(1, 2))
            try:
                if mine is None:
                    mine = await create(replica, hotel, *wanted, first=first, nights=nights)
                elif rng.random() < 0.7:
                    stay = hotel.stay(first, nights)
                    mine = await modify(
                        replica,
                        mine,
                        check_in=stay.check_in,
                        check_out=stay.check_out,
                        rooms=rooms(*wanted),
                    )
                else:
                    await change(replica, mine, domain.cancel())
                    mine = None
            except FailedPrecondition as refused:
                assert refused.reason == "SOLD_OUT"  # noqa: PT017
            if mine is not None:
                now = await replica.reservation(hotel.tenant_id, mine.reservation_id)
                assert (now.stay, now.version) == (mine.stay, mine.version)
            (lock,) = await replica.acquire([hotel.request(wanted[0], hotel.stay(first, nights))])
            if isinstance(lock, Lock) and rng.random() < 0.5:
                await replica.release(hotel.tenant_id, uuid4(), b"", lock.lock_id, lock.owner_token)
            answered += 1

    await asyncio.gather(*(guest(one) for one in (store, other) * 8))
    assert answered == 16 * 8
    await assert_explained(sql)
