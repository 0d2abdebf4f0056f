"""What the stores answer, in Postgres and in memory: whoever trusts the fake trusts these."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable
from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from meshkit.errors import MeshError
from meshkit.postgres import Postgres
from services.booking.domain import (
    Guests,
    Lock,
    LockRequest,
    LockState,
    Reservation,
    ReservationState,
    RoomWish,
)
from services.booking.metrics import BookingMetrics
from services.booking.reservations import domain
from services.booking.reservations.domain import Actor, ActorKind, Order
from services.booking.reservations.taking import Wishes
from services.booking.rooms.assigned import Assignment
from services.booking.rooms.domain import Span
from services.booking.rooms.store import RoomStore
from services.booking.search.domain import search
from services.booking.store import BookingStore
from tests.integration.booking.desk import Desk, PostgresDesk
from tests.integration.booking.fake import FakeDesk
from tests.integration.booking.hotel import NIGHTS, PRICE, Hotel, Sql
from tests.integration.booking.searching import Searches

ROOMS = {"single": 2, "double": 3, "suite": 1}
STAFF = Actor(ActorKind.STAFF, "eva")
TWO = Guests(2, 0)


@pytest.fixture
async def in_postgres(
    postgres: Postgres, metrics: BookingMetrics, searches: Searches, sql: Sql
) -> Desk:
    """A hotel with six rooms, and the stores of the service."""
    hotel = await Hotel.create(sql, "mirador", ROOMS)
    stores = BookingStore(postgres, metrics), RoomStore(postgres, metrics), searches
    return PostgresDesk(hotel, *stores)


@pytest.fixture
def in_memory() -> Desk:
    """A hotel with six rooms, and the fake."""
    return FakeDesk("mirador", ROOMS, nights=NIGHTS)


@pytest.fixture(params=["in_postgres", "in_memory"])
def desk(request: pytest.FixtureRequest) -> Desk:
    """Either."""
    found: Desk = request.getfixturevalue(request.param)
    return found


def order(desk: Desk, request_id: UUID | None = None, digest: bytes = b"") -> Order:
    """A request of the staff."""
    return Order(desk.hotel.tenant_id, request_id or uuid4(), digest, STAFF)


async def acquire(desk: Desk, request: LockRequest) -> Lock:
    """The lock; a refusal is raised."""
    (said,) = await desk.bookings.acquire([request])
    if isinstance(said, MeshError):
        raise said
    return said


async def confirm(desk: Desk, one: Lock, request_id: UUID | None = None) -> Reservation:
    """The lock as a reservation."""
    held = (one.lock_id, one.owner_token, one.fencing_number)
    return await desk.bookings.confirm(one.tenant_id, request_id or uuid4(), b"", *held)


async def release(desk: Desk, one: Lock) -> Lock:
    """The lock, given back."""
    held = (one.lock_id, one.owner_token)
    return await desk.bookings.release(one.tenant_id, uuid4(), b"", *held)


async def extend(desk: Desk, one: Lock) -> Lock:
    """The lock, for longer."""
    held = (one.lock_id, one.owner_token, one.fencing_number)
    return await desk.bookings.extend(one.tenant_id, uuid4(), b"", *held)


async def book(desk: Desk, room: str = "suite", room_id: str = "", first: int = 10) -> Reservation:
    """Two nights without a lock."""
    wish = RoomWish(room, TWO, room_id)
    return await desk.bookings.create(order(desk), "ana", desk.hotel.stay(first), [wish])


async def shut(desk: Desk, room_id: str, first: int = 10) -> UUID:
    """Two nights out of order."""
    stay = desk.hotel.stay(first)
    nights = Span(stay.check_in, stay.check_out - dt.timedelta(days=1))
    return (await desk.rooms.shut(order(desk), room_id, nights, forced=False)).closure.closure_id


async def free(desk: Desk, kind: str, first: int = 10) -> int:
    """What a search shows."""
    stay = desk.hotel.stay(first)
    found = search(await desk.inventory(stay), stay, TWO).offers
    return next(one.free_count for one in found if one.room_type.room_type_id == kind)


async def refused(work: Awaitable[object]) -> str:
    """Why not."""
    with pytest.raises(MeshError) as caught:
        await work
    return caught.value.reason


async def test_a_lock_keeps_a_room_at_its_price_and_term(desk: Desk) -> None:
    request = replace(desk.hotel.request("double"), other_rooms=(RoomWish("single", TWO),))
    one = await acquire(desk, request)
    assert (one.stay, one.guest_id, one.state) == (request.stay, request.guest_id, LockState.LIVE)
    assert one.quote.nightly_prices == (PRICE, PRICE)
    assert [room.room_type_id for room in one.other_rooms] == ["single"]
    assert one.total_price == 4 * PRICE
    assert one.expire_time - one.create_time == dt.timedelta(minutes=20)
    assert (await free(desk, "double"), await free(desk, "single")) == (2, 1)


async def test_items_of_a_batch_fail_alone(desk: Desk) -> None:
    same = desk.hotel.request()
    asked = [same, desk.hotel.request(), desk.hotel.request("palace"), desk.hotel.request("single")]
    said = await desk.bookings.acquire([*asked, same])
    reasons = [one.reason if isinstance(one, MeshError) else "" for one in said]
    assert reasons == ["", "SOLD_OUT", "ROOM_TYPE_UNKNOWN", "", ""]
    assert said[0] == said[4]


async def test_why_a_lock_is_refused(desk: Desk) -> None:
    hotel = desk.hotel
    asked = {
        "TOO_MANY_GUESTS": hotel.request(guests=5),
        "CHECK_IN_PAST": hotel.request(stay=hotel.stay(-1)),
        "BEYOND_HORIZON": hotel.request(stay=hotel.stay(NIGHTS - 1)),
        "ROOM_UNKNOWN": replace(hotel.request(), room_id="suite-9"),
    }
    assert [await refused(acquire(desk, one)) for one in asked.values()] == list(asked)
    for kind in ("single", "double"):
        await acquire(desk, hotel.request(kind, guest_id="ana"))
    assert await refused(acquire(desk, hotel.request(guest_id="ana"))) == "TOO_MANY_LOCKS"


async def test_a_request_is_answered_once(desk: Desk) -> None:
    request, late = desk.hotel.request(), desk.hotel.request()
    one = await acquire(desk, request)
    assert await refused(acquire(desk, late)) == "SOLD_OUT"
    await release(desk, one)
    assert await acquire(desk, request) == one
    assert await refused(acquire(desk, late)) == "SOLD_OUT"
    other = replace(request, room_type_id="double")
    assert await refused(acquire(desk, other)) == "REQUEST_ID_REUSED"


async def test_a_lock_is_its_owners(desk: Desk) -> None:
    one = await acquire(desk, desk.hotel.request())
    for wrong, reason in (
        (replace(one, lock_id=uuid4()), "LOCK_UNKNOWN"),
        (replace(one, owner_token=str(uuid4())), "NOT_LOCK_OWNER"),
        (replace(one, fencing_number=one.fencing_number + 1), "STALE_FENCE"),
    ):
        assert await refused(confirm(desk, wrong)) == reason
        assert await refused(extend(desk, wrong)) == reason
    assert (await release(desk, one)).state is LockState.RELEASED
    assert await refused(extend(desk, one)) == "LOCK_RELEASED"
    assert await refused(confirm(desk, one)) == "LOCK_RELEASED"


async def test_the_hotel_takes_a_lock_from_its_owner(desk: Desk) -> None:
    request = replace(desk.hotel.request(), other_rooms=(RoomWish("double", TWO),))
    one, asked = await acquire(desk, request), order(desk, digest=b"it")
    assert (await desk.bookings.revoke(asked, one.lock_id)).state is LockState.RELEASED
    assert (await free(desk, "suite"), await free(desk, "double")) == (1, 3)
    assert await refused(confirm(desk, one)) == await refused(extend(desk, one)) == "LOCK_RELEASED"
    assert (await desk.bookings.revoke(asked, one.lock_id)).state is LockState.RELEASED
    again = order(desk, asked.request_id, b"else")
    assert await refused(desk.bookings.revoke(again, one.lock_id)) == "REQUEST_ID_REUSED"


async def test_the_hotel_takes_what_is_live_alone(desk: Desk) -> None:
    released, late, sold = [
        await acquire(desk, desk.hotel.request(kind)) for kind in ("suite", "single", "double")
    ]
    await release(desk, released)
    await desk.lapse(late.lock_id)
    await confirm(desk, sold)
    for lock_id, reason in (
        (released.lock_id, "LOCK_RELEASED"),
        (late.lock_id, "LOCK_EXPIRED"),
        (sold.lock_id, "LOCK_CONVERTED"),
        (uuid4(), "LOCK_UNKNOWN"),
    ):
        assert await refused(desk.bookings.revoke(order(desk), lock_id)) == reason
    # What ran out is still its owner's to have again.
    assert (await confirm(desk, late)).quote == late.quote


async def test_a_lock_that_ran_out_is_had_again_while_it_can(desk: Desk) -> None:
    one = await acquire(desk, desk.hotel.request())
    assert (await extend(desk, one)).expire_time > one.expire_time
    await desk.lapse(one.lock_id)
    assert await free(desk, "suite") == 1
    assert await refused(extend(desk, one)) == "LOCK_EXPIRED"
    assert (await confirm(desk, one)).quote == one.quote
    assert await refused(confirm(desk, one)) == "LOCK_CONVERTED"
    assert await refused(release(desk, one)) == "LOCK_CONVERTED"


async def test_one_that_is_gone_and_one_that_costs_something_else(desk: Desk) -> None:
    gone, dearer = [await acquire(desk, desk.hotel.request(one)) for one in ("suite", "double")]
    for one in (gone, dearer):
        await desk.lapse(one.lock_id)
        await desk.reprice(one.room_type_id, one.stay.check_in, Decimal(99))
    await book(desk)
    assert await refused(confirm(desk, gone)) == "LOCK_EXPIRED"
    assert await refused(confirm(desk, dearer)) == "PRICE_CHANGED"


async def test_a_confirmation_is_booked_once(desk: Desk) -> None:
    one, request_id = await acquire(desk, desk.hotel.request()), uuid4()
    booked = await confirm(desk, one, request_id)
    assert booked.state is ReservationState.CONFIRMED
    assert (booked.stay, booked.guest_id, booked.version) == (one.stay, one.guest_id, 1)
    assert [room.room_number for room in booked.rooms] == ["1"]
    assert await confirm(desk, one, request_id) == booked


async def test_all_rooms_of_a_booking_or_none(desk: Desk) -> None:
    await book(desk)
    both = [RoomWish("single", TWO), RoomWish("suite", TWO)]
    work = desk.bookings.create(order(desk), "ana", desk.hotel.stay(), both)
    assert await refused(work) == "SOLD_OUT"
    assert await free(desk, "single") == 2


async def test_other_dates_or_everything_as_it_was(desk: Desk) -> None:
    await book(desk, first=20)
    mine = await book(desk)
    later, full = desk.hotel.stay(11), desk.hotel.stay(19)
    wanted = Wishes(later.check_in, later.check_out)
    moved = await desk.bookings.modify(order(desk), mine.reservation_id, wanted)
    assert (moved.stay, moved.version, moved.total_price) == (later, 2, mine.total_price)
    work = desk.bookings.modify(
        order(desk), mine.reservation_id, Wishes(full.check_in, full.check_out)
    )
    assert await refused(work) == "SOLD_OUT"
    work = desk.bookings.modify(order(desk), mine.reservation_id, replace(wanted, etag="1"))
    assert await refused(work) == "ETAG_MISMATCH"
    longer = desk.bookings.modify(
        order(desk), mine.reservation_id, Wishes(None, desk.hotel.stay(12).check_out)
    )
    assert await refused(longer) == "TOTAL_PRICE_CHANGED"
    assert (await free(desk, "suite", 8), await free(desk, "suite", 11)) == (1, 0)


async def test_what_is_cancelled_is_free(desk: Desk) -> None:
    mine, asked = await book(desk), uuid4()
    key = (desk.hotel.tenant_id, asked, b"", mine.reservation_id)
    gone = await desk.bookings.cancel(*key)
    assert (gone.state, gone.version) == (ReservationState.CANCELLED, 2)
    await book(desk)
    assert await desk.bookings.cancel(*key) == gone


async def test_who_is_inside_stays_in_the_room(desk: Desk) -> None:
    inside = await book(desk, "double", first=0)
    change = (order(desk), inside.reservation_id, domain.check_in)
    inside = await desk.bookings.change("CheckInReservation", *change)
    assert inside.state is ReservationState.CHECKED_IN
    room = f"double-{inside.room_number}"
    assert await refused(shut(desk, room, first=0)) == "ROOM_SOLD"
    key = (desk.hotel.tenant_id, uuid4(), b"", inside.reservation_id)
    assert await refused(desk.bookings.cancel(*key)) == "WRONG_STATE"
    early = await book(desk)
    work = desk.bookings.change(
        "CheckInReservation", order(desk), early.reservation_id, domain.check_in
    )
    assert await refused(work) == "TOO_EARLY"


async def test_a_room_is_shut_while_nobody_needs_it(desk: Desk) -> None:
    closure_id = await shut(desk, "single-1")
    assert await free(desk, "single") == 1
    assert await refused(shut(desk, "single-1", first=11)) == "ALREADY_SHUT"
    assert (await book(desk, "single")).room_number == "2"
    assert await refused(shut(desk, "single-2")) == "ROOM_SOLD"
    assert await refused(book(desk, "single")) == "SOLD_OUT"
    for _ in range(2):
        opened = await desk.rooms.reopen(order(desk), closure_id)
        assert opened.end_time is not None
    assert (await book(desk, "single")).room_number == "1"
    assert await refused(desk.rooms.reopen(order(desk), uuid4())) == "CLOSURE_UNKNOWN"
    assert await refused(shut(desk, "single-9")) == "ROOM_UNKNOWN"


async def test_this_very_room_is_sold_once_and_others_make_way(desk: Desk) -> None:
    await book(desk, "double")
    one = replace(desk.hotel.request("double"), room_id="double-1")
    assert (await confirm(desk, await acquire(desk, one))).room_number == "1"
    again = replace(one, request_id=uuid4(), guest_id="luis")
    assert await refused(acquire(desk, again)) == "SOLD_OUT"
    assert await refused(book(desk, "double", "double-1")) == "SOLD_OUT"
    assert (await book(desk, "double", "double-3")).room_number == "3"
    assert {room for room, _ in (await desk.look()).placed} == {"double-1", "double-2", "double-3"}


async def test_who_is_wanted_elsewhere_is_moved(desk: Desk) -> None:
    mine, fixed = await book(desk, "double"), await book(desk, "double", "double-3")
    wish = Assignment(mine.reservation_id, 1, "double-2")
    done = await desk.rooms.assign_rooms(order(desk), [wish])
    assert [(one.previous_number, one.number) for one in done.moves] == [(mine.room_number, "2")]
    taken = Assignment(mine.reservation_id, 1, "double-3")
    assert await refused(desk.rooms.assign_rooms(order(desk), [taken])) == "NO_ASSIGNMENT"
    stuck = Assignment(fixed.reservation_id, 1, "double-1")
    assert await refused(desk.rooms.assign_rooms(order(desk), [stuck])) == "NO_ASSIGNMENT"
    assert await desk.rooms.assign_rooms(order(desk), []) == replace(done, moves=[], without=[])
