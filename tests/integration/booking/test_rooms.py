"""Rooms out of order: what they take from sale, whom they move, and what forcing them leaves."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry

from meshkit.errors import FailedPrecondition, MeshError, NotFound
from meshkit.postgres import Postgres
from services.booking.domain import Guests, Lock, LockState, Reservation, RoomWish, Stay
from services.booking.inventory.draft import Draft, TypeDraft
from services.booking.inventory.rates import rules
from services.booking.inventory.store import InventoryStore
from services.booking.metrics import BookingMetrics
from services.booking.reservations import domain
from services.booking.reservations.domain import Actor, ActorKind, Order
from services.booking.reservations.taking import Wishes
from services.booking.rooms.assigned import Assigned, Assignment
from services.booking.rooms.domain import FIRST, Closure, Span
from services.booking.rooms.store import RoomStore, Shut
from services.booking.search.domain import search
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Hotel, Sql, assert_consistent
from tests.integration.booking.searching import Searches

STAFF = Actor(ActorKind.STAFF, "eva")
FIRST_DEBT = (dt.date(1, 1, 1), "")

SELECT_ROOMS = """
SELECT r.room_id, s.nights FROM stay s JOIN room r ON r.room_key = s.room_key
WHERE s.tenant_id = $1 AND s.occupying ORDER BY r.room_id
"""


@pytest.fixture
def rooms(postgres: Postgres) -> RoomStore:
    """The store under test."""
    return RoomStore(postgres, BookingMetrics(CollectorRegistry()))


def order(hotel: Hotel, request_id: UUID | None = None) -> Order:
    """A request of the staff."""
    return Order(hotel.tenant_id, request_id or uuid4(), b"same", STAFF, "painted")


def span(hotel: Hotel, first: int, nights: int = 1) -> Span:
    """The nights that begin `first` days from today."""
    night = hotel.today + dt.timedelta(days=first)
    return Span(night, night + dt.timedelta(days=nights - 1))


async def shut(
    rooms: RoomStore, hotel: Hotel, room: str, first: int, nights: int = 1, *, forced: bool = False
) -> Shut:
    """A room taken out of order."""
    return await rooms.shut(order(hotel), room, span(hotel, first, nights), forced=forced)


async def lock(store: BookingStore, hotel: Hotel, first: int, nights: int) -> Lock | MeshError:
    """A lock of a double room."""
    (answer,) = await store.acquire([hotel.request("double", hotel.stay(first, nights))])
    return answer


async def book(store: BookingStore, hotel: Hotel, first: int, nights: int) -> Reservation:
    """A direct booking of a double room."""
    wish = RoomWish("double", Guests(2, 0))
    return await store.create(order(hotel), uuid4().hex, hotel.stay(first, nights), [wish])


async def confirm(store: BookingStore, hotel: Hotel, one: Lock) -> Reservation:
    """A lock turned into a reservation."""
    held = (one.lock_id, one.owner_token, one.fencing_number)
    return await store.confirm(hotel.tenant_id, uuid4(), b"", *held)


async def free(searches: Searches, hotel: Hotel, stay: Stay) -> int:
    """How many doubles a search says are free."""
    inventory = await searches.inventory(hotel.tenant_id, stay)
    offers = search(inventory, stay, Guests(2, 0)).offers
    return next(one.free_count for one in offers if one.room_type.room_type_id == "double")


@pytest.fixture
async def small(sql: Sql) -> Hotel:
    """A hotel with two double rooms."""
    return await Hotel.create(sql, "small", {"double": 2})


async def test_a_shut_room_is_neither_found_nor_sold_until_it_is_opened_again(
    store: BookingStore, rooms: RoomStore, searches: Searches, small: Hotel, sql: Sql
) -> None:
    done = await shut(rooms, small, "double-1", 10, 3)
    assert done.reservation_ids == []
    assert await free(searches, small, small.stay(9, 1)) == 2
    assert await free(searches, small, small.stay(9, 2)) == 1
    assert isinstance(await lock(store, small, 11, 2), Lock)
    refused = await lock(store, small, 12, 3)
    assert isinstance(refused, MeshError)
    assert (refused.reason, refused.metadata) == ("SOLD_OUT", {})
    assert isinstance(await lock(store, small, 13, 3), Lock)

    listed = await rooms.closures(small.tenant_id, "", FIRST, 10)
    assert listed == [done.closure]
    assert (listed[0].room_number, listed[0].reason, listed[0].actor_id) == ("1", "painted", "eva")
    opened = await rooms.reopen(order(small), done.closure.closure_id)
    assert opened.end_time is not None
    assert await rooms.closures(small.tenant_id, "", FIRST, 10) == []
    assert isinstance(await lock(store, small, 12, 1), Lock)
    await assert_consistent(sql)


async def test_one_free_each_night_is_not_a_room_for_both_nights(
    store: BookingStore, rooms: RoomStore, searches: Searches, small: Hotel, sql: Sql
) -> None:
    await shut(rooms, small, "double-1", 10)
    await shut(rooms, small, "double-2", 11)
    inventory = await searches.inventory(small.tenant_id, small.stay(10, 2))
    (offer,) = search(inventory, small.stay(10, 2), Guests(2, 0)).offers
    assert (offer.free_count, offer.unavailable) == (0, "SOLD_OUT")
    assert offer.nearest is not None
    assert offer.nearest.stay == small.stay(11, 2)
    assert [await free(searches, small, small.stay(first, 1)) for first in (10, 11)] == [1, 1]
    refused = await lock(store, small, 10, 2)
    assert isinstance(refused, MeshError)
    assert (refused.reason, refused.metadata) == ("SOLD_OUT", {"each_night_free": "true"})
    with pytest.raises(FailedPrecondition, match="that many rooms left") as direct:
        await book(store, small, 10, 2)
    assert direct.value.metadata == refused.metadata
    for first in (10, 11):
        held = await lock(store, small, first, 1)
        assert isinstance(held, Lock)
        assert (await confirm(store, small, held)).room_number
    await assert_consistent(sql)


async def test_who_has_not_arrived_makes_room_for_the_next(
    store: BookingStore, rooms: RoomStore, searches: Searches, small: Hotel, sql: Sql
) -> None:
    await shut(rooms, small, "double-2", 14)
    short = await book(store, small, 10, 2)
    assert short.room_number == "1"
    assert await free(searches, small, small.stay(10, 6)) == 1
    long = await book(store, small, 10, 6)
    assert long.room_number == "1"
    taken = {row["room_id"] for row in await sql.fetch(SELECT_ROOMS, small.tenant_id)}
    assert taken == {"double-1", "double-2"}
    await assert_consistent(sql)


async def test_shutting_moves_guests_and_locks_out_of_the_way(
    store: BookingStore, rooms: RoomStore, small: Hotel, sql: Sql
) -> None:
    held = await lock(store, small, 10, 3)
    booked = await book(store, small, 12, 3)
    assert isinstance(held, Lock)
    assert booked.room_number == "1"
    await shut(rooms, small, "double-1", 13, 2)
    assert (await confirm(store, small, held)).room_number == "1"
    assert (await store.reservation(small.tenant_id, booked.reservation_id)).room_number == "2"
    await assert_consistent(sql)


async def test_what_is_sold_is_not_shut_and_named(
    store: BookingStore, rooms: RoomStore, small: Hotel, sql: Sql
) -> None:
    first, second = [await book(store, small, 10, 2) for _ in range(2)]
    same = order(small)
    for _ in range(2):
        with pytest.raises(FailedPrecondition) as refused:
            await rooms.shut(same, "double-1", span(small, 11, 3), forced=False)
        assert refused.value.reason == "ROOM_SOLD"
        assert refused.value.metadata == {"reservations": first.confirmation_code}
    assert await rooms.closures(small.tenant_id, "", FIRST, 10) == []
    assert await rooms.debts(small.tenant_id, FIRST_DEBT, 10) == []
    held = await lock(store, small, 13, 1)
    assert isinstance(held, Lock)
    assert isinstance(await lock(store, small, 13, 1), Lock)
    with pytest.raises(FailedPrecondition) as refused:
        await shut(rooms, small, "double-1", 13)
    assert refused.value.metadata["locks"]
    assert second.room_number == "2"
    await assert_consistent(sql)


async def test_a_lock_of_several_rooms_is_named_as_its_owner_knows_it(
    store: BookingStore, rooms: RoomStore, hotel: Hotel
) -> None:
    suite = RoomWish("suite", Guests(2, 0))
    (held,) = await store.acquire([replace(hotel.request("double"), other_rooms=(suite,))])
    assert isinstance(held, Lock)
    with pytest.raises(FailedPrecondition, match="ROOM_SOLD") as refused:
        await shut(rooms, hotel, "suite-1", 10)
    assert refused.value.metadata == {"locks": str(held.lock_id)}


async def test_a_lapsed_lock_outlives_its_room(
    store: BookingStore, postgres: Postgres, hotel: Hotel, sql: Sql
) -> None:
    particular = replace(hotel.request("single"), room_id="single-3")
    (held,) = await store.acquire([particular])
    assert isinstance(held, Lock)
    await hotel.lapse()
    inventories = InventoryStore(postgres)
    had = await inventories.inventory(hotel.tenant_id)
    last = had.inventory.last_night
    types = [
        TypeDraft(
            one.room_type_id,
            one.display_names,
            one.max_guest_count,
            [place for place in one.rooms.items() if place[0] != "single-3"],
            rules(one.prices, had.today, last),
        )
        for one in had.inventory.room_types.values()
    ]
    draft = Draft(had.etag, "UTC", "EUR", last, types)
    await inventories.replace(hotel.tenant_id, draft, validate_only=False)
    with pytest.raises(FailedPrecondition, match="LOCK_EXPIRED"):
        await confirm(store, hotel, held)
    assert await sql.fetchval("SELECT count(*) FROM reservation") == 0
    await assert_consistent(sql)


async def test_forced_it_is_debt_until_somebody_leaves(
    store: BookingStore, rooms: RoomStore, small: Hotel, sql: Sql
) -> None:
    first, second = [await book(store, small, 10, 2) for _ in range(2)]
    same = order(small)
    done = await rooms.shut(same, "double-1", span(small, 11, 2), forced=True)
    assert done.reservation_ids == [str(first.reservation_id)]
    assert await rooms.shut(same, "double-1", span(small, 11, 2), forced=True) == done
    debts = await rooms.debts(small.tenant_id, FIRST_DEBT, 10)
    night = small.today + dt.timedelta(days=10)
    assert [(one.night, one.room_count, list(one.reservation_ids)) for one in debts] == [
        (night, 0, [first.reservation_id]),
        (night + dt.timedelta(days=1), 1, [first.reservation_id]),
    ]
    assert await rooms.debts(small.tenant_id, (night, "double"), 10) == debts[1:]
    # Nothing more is sold, also not what the next cancellation gives back.
    assert isinstance(await lock(store, small, 11, 1), MeshError)
    await store.cancel(small.tenant_id, uuid4(), b"", second.reservation_id)
    refused = await lock(store, small, 11, 1)
    assert isinstance(refused, MeshError)
    assert [one.room_count for one in await rooms.debts(small.tenant_id, FIRST_DEBT, 10)] == [0, 0]
    # Whoever settles next gives the room to who has none.
    assert isinstance(await lock(store, small, 20, 1), Lock)
    assert await rooms.debts(small.tenant_id, FIRST_DEBT, 10) == []
    assert (await store.reservation(small.tenant_id, first.reservation_id)).room_number == "2"
    await assert_consistent(sql)


async def test_opened_again_the_room_goes_to_who_has_none(
    store: BookingStore, rooms: RoomStore, small: Hotel, sql: Sql
) -> None:
    booked = [await book(store, small, 10, 2) for _ in range(2)]
    done = await shut(rooms, small, "double-1", 10, 2, forced=True)
    await rooms.reopen(order(small), done.closure.closure_id)
    again = [await store.reservation(small.tenant_id, one.reservation_id) for one in booked]
    assert {one.room_number for one in again} == {"1", "2"}
    await assert_consistent(sql)
    assert await small.counters("double", small.stay(10, 2)) == [(0, 2), (0, 2)]
    with pytest.raises(FailedPrecondition, match="that many rooms left"):
        await book(store, small, 10, 2)


async def test_a_guest_who_is_inside_is_named_and_moved_only_by_force(
    store: BookingStore, rooms: RoomStore, small: Hotel, sql: Sql
) -> None:
    inside = await book(store, small, 0, 3)
    key = (order(small), inside.reservation_id, domain.check_in)
    await store.change("CheckInReservation", *key)
    with pytest.raises(FailedPrecondition) as refused:
        await shut(rooms, small, "double-1", 1)
    assert refused.value.metadata == {"reservations": inside.confirmation_code}
    assert (await shut(rooms, small, "double-1", 1, forced=True)).reservation_ids == []
    assert (await store.reservation(small.tenant_id, inside.reservation_id)).room_number == "2"
    await assert_consistent(sql)


async def test_a_change_near_a_shut_room_is_refused_whole(
    store: BookingStore, rooms: RoomStore, small: Hotel, sql: Sql
) -> None:
    await shut(rooms, small, "double-1", 11)
    await shut(rooms, small, "double-2", 12)
    booked = await book(store, small, 11, 1)
    wishes = Wishes(check_out=small.today + dt.timedelta(days=13))
    with pytest.raises(FailedPrecondition) as refused:
        await store.modify(order(small), booked.reservation_id, wishes)
    assert refused.value.reason == "SOLD_OUT"
    assert await store.reservation(small.tenant_id, booked.reservation_id) == booked
    await assert_consistent(sql)


async def test_a_lapsed_lock_is_not_taken_again_where_nobody_can_make_room(
    store: BookingStore, rooms: RoomStore, small: Hotel, sql: Sql
) -> None:
    held = await lock(store, small, 10, 2)
    assert isinstance(held, Lock)
    await small.lapse(held.lock_id)
    await shut(rooms, small, "double-1", 10)
    await shut(rooms, small, "double-2", 11)
    request_id = uuid4()
    for _ in range(2):
        with pytest.raises(FailedPrecondition) as refused:
            await store.confirm(
                small.tenant_id,
                request_id,
                b"",
                held.lock_id,
                held.owner_token,
                held.fencing_number,
            )
        assert refused.value.reason == "LOCK_EXPIRED"
    await assert_consistent(sql)


async def test_a_lock_in_time_whose_room_was_shut_by_force_is_good_again_once_that_is_open(
    store: BookingStore, rooms: RoomStore, small: Hotel, sql: Sql
) -> None:
    locks = [await lock(store, small, 10, 1) for _ in range(2)]
    done = await shut(rooms, small, "double-1", 10, forced=True)
    left_out = await sql.fetchval("SELECT lock_id FROM room_lock WHERE left_out")
    (held,) = [one for one in locks if isinstance(one, Lock) and one.lock_id == left_out]
    request = (small.tenant_id, uuid4(), b"", held.lock_id, held.owner_token, held.fencing_number)
    for _ in range(2):
        with pytest.raises(FailedPrecondition) as refused:
            await store.confirm(*request)
        assert (refused.value.reason, refused.value.metadata) == ("SOLD_OUT", {})
    assert (await store.lock(small.tenant_id, held.lock_id)).state is LockState.LIVE
    await assert_consistent(sql)
    await rooms.reopen(order(small), done.closure.closure_id)
    assert (await confirm(store, small, held)).room_number
    await assert_consistent(sql)


async def test_a_lapsed_lock_of_this_very_room_is_taken_again_where_others_can_move(
    store: BookingStore, small: Hotel
) -> None:
    wanted = replace(small.request("double", small.stay(10, 1)), room_id="double-1")
    (this_room,) = await store.acquire([wanted])
    assert isinstance(this_room, Lock)
    await small.lapse(this_room.lock_id)
    other = await book(store, small, 10, 1)
    booked = await confirm(store, small, this_room)
    assert [room.room_number for room in booked.rooms] == ["1"]
    moved = await store.reservation(*_key(other))
    assert [room.room_number for room in moved.rooms] == ["2"]


async def test_shut_twice_opened_twice_and_unknown(
    rooms: RoomStore, small: Hotel, hotel: Hotel
) -> None:
    done = await shut(rooms, small, "double-1", 10, 3)
    with pytest.raises(FailedPrecondition, match="is shut on one"):
        await shut(rooms, small, "double-1", 12)
    with pytest.raises(NotFound, match="no room under this id"):
        await shut(rooms, hotel, "suite-7", 12)
    with pytest.raises(NotFound, match="has not shut"):
        await rooms.reopen(order(hotel), done.closure.closure_id)
    for _ in range(2):
        await rooms.reopen(order(small), done.closure.closure_id)
    assert isinstance((await shut(rooms, small, "double-1", 12)).closure, Closure)


async def test_rooms_are_assigned_with_the_fewest_moves(
    store: BookingStore, rooms: RoomStore, hotel: Hotel, sql: Sql
) -> None:
    booked = [await book(store, hotel, 10, 2) for _ in range(3)]
    first, second, _ = booked
    assert [one.room_number for one in booked] == ["1", "2", "3"]
    assert isinstance(await lock(store, hotel, 10, 2), Lock)
    same = order(hotel)
    wish = [Assignment(first.reservation_id, 1, "double-2")]
    done = await rooms.assign_rooms(same, wish)
    assert {(one.previous_number, one.number) for one in done.moves} > {("1", "2")}
    assert len(done.moves) == 2
    assert await rooms.assign_rooms(same, wish) == done
    assert (await rooms.assign_rooms(order(hotel), ())).moves == []
    numbers = [(await store.reservation(*_key(one))).room_number for one in booked]
    assert numbers[0] == "2"
    assert len(set(numbers)) == 3
    both = [*wish, Assignment(second.reservation_id, 1, "double-2")]
    with pytest.raises(FailedPrecondition, match="would lose the room"):
        await rooms.assign_rooms(order(hotel), both)
    with pytest.raises(NotFound, match="no room under this id"):
        await rooms.assign_rooms(order(hotel), [Assignment(first.reservation_id, 1, "attic")])
    with pytest.raises(NotFound, match="no such reservation"):
        await rooms.assign_rooms(order(hotel), [Assignment(first.reservation_id, 1, "suite-1")])
    await assert_consistent(sql)


async def test_wishes_that_cannot_be_had_move_nobody(
    store: BookingStore, rooms: RoomStore, hotel: Hotel, sql: Sql
) -> None:
    double = await book(store, hotel, 10, 2)
    single = [RoomWish("single", Guests(2, 0))]
    singles = [
        await store.create(order(hotel), uuid4().hex, hotel.stay(10, 2), single) for _ in range(2)
    ]
    wishes = [Assignment(double.reservation_id, 1, "double-5")]
    wishes += [Assignment(one.reservation_id, 1, "single-3") for one in singles]
    with pytest.raises(FailedPrecondition, match="would lose the room"):
        await rooms.assign_rooms(order(hotel), wishes)
    assert await store.reservation(*_key(double)) == double
    (move,) = (await rooms.assign_rooms(order(hotel), wishes[:1])).moves
    assert move.number == "5"
    await assert_consistent(sql)


async def test_assigning_gives_a_room_to_who_was_left_without(
    store: BookingStore, rooms: RoomStore, small: Hotel, sql: Sql
) -> None:
    first, second = [await book(store, small, 10, 2) for _ in range(2)]
    await shut(rooms, small, "double-1", 11, 1, forced=True)
    still = await rooms.assign_rooms(order(small), ())
    assert still == Assigned([], [str(first.reservation_id)])
    await store.cancel(small.tenant_id, uuid4(), b"", second.reservation_id)
    (move,) = (await rooms.assign_rooms(order(small), ())).moves
    assert (move.reservation_id, move.previous_number, move.number) == (
        str(first.reservation_id),
        "",
        "2",
    )
    await assert_consistent(sql)


def _key(one: Reservation) -> tuple[str, UUID]:
    return one.tenant_id, one.reservation_id


async def test_rooms_shut_while_locks_are_taken_leave_a_room_for_everybody(
    store: BookingStore, rooms: RoomStore, hotel: Hotel, sql: Sql
) -> None:
    async def taking(number: int) -> None:
        for first in range(10, 22):
            held = await lock(store, hotel, first, 1 + (number + first) % 4)
            if isinstance(held, Lock) and number % 2:
                assert (await confirm(store, hotel, held)).room_number

    async def shutting(number: int) -> None:
        for first in range(10, 22, 3):
            with contextlib.suppress(FailedPrecondition):
                await shut(rooms, hotel, f"double-{number}", first, 2)

    await asyncio.gather(
        *(taking(one) for one in range(8)), *(shutting(one) for one in range(1, 5))
    )
    await assert_consistent(sql)
