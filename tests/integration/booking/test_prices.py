"""One price from the offer to the cancellation, whatever is imported in between."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from meshkit.errors import FailedPrecondition, MeshError, NotFound
from meshkit.money import Money
from meshkit.postgres import Postgres
from services.booking.domain import Guests, Lock, LockRequest, Reservation, RoomWish
from services.booking.inventory.book import PriceBook
from services.booking.inventory.catalogue import Restriction
from services.booking.metrics import BookingMetrics
from services.booking.reservations import domain
from services.booking.reservations.domain import Order
from services.booking.reservations.taking import Wishes
from services.booking.reservations.terms import Charge, ChargeKind, Terms
from services.booking.store import BookingStore
from tests.integration.booking.hotel import PRICE, Hotel, Sql, assert_consistent
from tests.integration.booking.priced import (
    CITY_TAX,
    FULL,
    SAVER_PRICE,
    SUPPLEMENT,
    VAT,
    sell,
    total,
)
from tests.integration.booking.test_batches import waiting

SELECT_WRITTEN = """
SELECT (SELECT count(*) FROM room_lock), (SELECT count(*) FROM stay),
    (SELECT sum(held + sold) FROM night_inventory)
"""


def restricted(hotel: Hotel, first: int, last: int, **limits: Any) -> Restriction:
    """A restriction on days counted from today."""
    start = hotel.today + dt.timedelta(days=first)
    return Restriction(start, start + dt.timedelta(days=last - first), **limits)


def order(hotel: Hotel) -> Order:
    """A request of a guest."""
    return Order(hotel.tenant_id, uuid4(), b"order")


async def lock(store: BookingStore, request: LockRequest) -> Lock:
    """A lock, which has to be granted."""
    (answer,) = await store.acquire([request])
    if isinstance(answer, MeshError):
        raise answer
    return answer


async def confirm(store: BookingStore, held: Lock) -> Reservation:
    """The reservation of a lock."""
    key = (held.lock_id, held.owner_token, held.fencing_number)
    return await store.confirm(held.tenant_id, uuid4(), b"confirm", *key)


def changed(request: LockRequest, **changes: Any) -> LockRequest:
    """Another request for nearly the same."""
    return LockRequest(**({name: getattr(request, name) for name in request.__slots__} | changes))


async def test_what_was_quoted_is_locked_booked_and_owed(
    store: BookingStore, postgres: Postgres, hotel: Hotel
) -> None:
    await sell(postgres, hotel, terms=FULL)
    held = await lock(store, hotel.request("double"))
    assert held.quote.total_price == total(2, 2)
    assert [(one.levy_id, one.amount, one.included) for one in held.quote.lines] == [
        ("vat", Decimal("18.27"), True),  # 201.00 × 10 / 110 = 18.2727…
        ("city", Decimal("6.00"), False),
    ]
    assert await store.lock(hotel.tenant_id, held.lock_id) == held
    # What is imported now concerns later guests.
    await sell(postgres, hotel, levies=(), terms=Terms(), price=Decimal(300))
    booked = await confirm(store, held)
    assert booked.quote == held.quote
    assert booked.terms == FULL
    owed = domain.cancellation_quote(booked, await store.facts(booked))
    assert owed.penalty == total(2, 2)
    assert await store.reservation(hotel.tenant_id, booked.reservation_id) == booked
    assert (await lock(store, hotel.request("double"))).quote.total_price == 600


async def test_guests_and_plans_change_the_price_everywhere(
    store: BookingStore, postgres: Postgres, hotel: Hotel
) -> None:
    await sell(postgres, hotel)
    alone = await lock(store, hotel.request("double", guests=1))
    assert alone.quote.total_price == total(2, 1, PRICE + SUPPLEMENT)
    saver = await lock(store, changed(hotel.request("double"), rate_plan_id="saver"))
    assert (saver.quote.total_price, saver.quote.rate_plan_id) == (
        total(2, 2, SAVER_PRICE),
        "saver",
    )
    assert (await confirm(store, saver)).terms == FULL
    rooms = [RoomWish("double", Guests(1, 0)), RoomWish("single", Guests(2, 0))]
    booked = await store.create(order(hotel), "guest", hotel.stay(), rooms, "saver")
    assert booked.total_price == total(2, 1, SAVER_PRICE + SUPPLEMENT) + total(2, 2, SAVER_PRICE)
    assert booked.terms == FULL
    with pytest.raises(NotFound, match="RATE_PLAN_UNKNOWN"):
        await lock(store, changed(hotel.request(), rate_plan_id="no"))


async def test_a_type_without_prices_under_a_plan_is_closed_under_it(
    store: BookingStore, postgres: Postgres, hotel: Hotel
) -> None:
    """To whoever asks, whatever the way, and to nobody who asks beside."""
    await sell(postgres, hotel)
    under = {"rate_plan_id": "saver"}
    held = await lock(store, changed(hotel.request("suite"), **under))
    booked = await store.create(
        order(hotel), "guest", hotel.stay(), [RoomWish("double", Guests(2, 0))], "saver"
    )
    await hotel.lapse()
    await sell(postgres, hotel, without_plan=["suite"])
    suite, double = (changed(hotel.request(one), **under) for one in ("suite", "double"))
    closed, granted = await store.acquire([suite, double])
    assert (closed.reason, isinstance(granted, Lock)) == ("CLOSED", True)  # type: ignore[union-attr]
    more = changed(double, request_id=uuid4(), other_rooms=(RoomWish("suite", Guests(2, 0)),))
    wish = RoomWish("suite", Guests(2, 0))
    for asking in (
        lock(store, more),
        store.create(order(hotel), "guest", hotel.stay(), [wish], "saver"),
        store.modify(order(hotel), booked.reservation_id, Wishes(rooms=(wish,))),
    ):
        with pytest.raises(FailedPrecondition, match="CLOSED"):
            await asking
    with pytest.raises(FailedPrecondition, match="LOCK_EXPIRED"):
        await confirm(store, held)


REFUSED: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("MINIMUM_STAY", {"min_nights_on_arrival": 3}, {"nights": "3"}),
    ("MINIMUM_STAY", {"min_nights_through": 4}, {"nights": "4"}),
    ("MAXIMUM_STAY", {"max_nights": 1}, {"nights": "1"}),
    ("CLOSED", {"closed": True}, {}),
    ("CLOSED_TO_ARRIVAL", {"closed_to_arrival": True}, {}),
    ("CLOSED_TO_DEPARTURE", {"closed_to_departure": True}, {}),
    ("ADVANCE_NOTICE", {"min_notice_days": 11}, {"days": "11"}),
]


@pytest.mark.parametrize(("reason", "limits", "facts"), REFUSED)
async def test_what_is_not_sold_is_neither_locked_nor_booked_nor_moved_onto(
    store: BookingStore,
    postgres: Postgres,
    hotel: Hotel,
    sql: Sql,
    reason: str,
    limits: dict[str, Any],
    facts: dict[str, str],
) -> None:
    await sell(postgres, hotel, restricted(hotel, 10, 12, **limits))
    booked = await store.create(
        order(hotel), "guest", hotel.stay(30), [RoomWish("double", Guests(2, 0))]
    )
    before = await sql.fetchrow(SELECT_WRITTEN)
    asked = hotel.request("double")
    wish = Wishes(check_in=asked.stay.check_in, check_out=asked.stay.check_out)
    creating, modifying = order(hotel), order(hotel)
    for _ in range(2):  # Remembered as it was said.
        with pytest.raises(FailedPrecondition) as locking:
            await lock(store, asked)
        with pytest.raises(FailedPrecondition) as taking:
            await store.create(creating, "guest", asked.stay, [RoomWish("double", asked.guests)])
        with pytest.raises(FailedPrecondition) as moving:
            await store.modify(modifying, booked.reservation_id, wish)
        for caught in (locking, taking, moving):
            assert caught.value.reason == reason
            assert {name: str(value) for name, value in caught.value.metadata.items()} == facts
        await sell(postgres, hotel)
    assert await sql.fetchrow(SELECT_WRITTEN) == before
    # The restriction is gone, and another request is decided anew.
    assert (await lock(store, hotel.request("double"))).stay == asked.stay
    await assert_consistent(sql)


async def test_nobody_pays_more_than_was_shown_without_being_told(
    store: BookingStore, postgres: Postgres, hotel: Hotel
) -> None:
    await sell(postgres, hotel)
    shown = Money(total(2, 2), "EUR")
    asked = changed(hotel.request("double"), accepted_total=shown)
    assert (await lock(store, asked)).quote.total_price == shown.amount
    await sell(postgres, hotel, price=PRICE + 1)
    dearer = changed(hotel.request("double"), accepted_total=shown)
    for _ in range(2):
        with pytest.raises(FailedPrecondition, match="PRICE_CHANGED") as caught:
            await lock(store, dearer)
        facts = {"total_price": str(total(2, 2, PRICE + 1)), "currency_code": "EUR"}
        assert caught.value.metadata == facts
    # Less is no reason to refuse, and a replay hears the price that it was granted at.
    await sell(postgres, hotel, price=PRICE - 1)
    cheaper = await lock(store, changed(hotel.request("double"), accepted_total=shown))
    assert cheaper.quote.total_price == total(2, 2, PRICE - 1)
    assert (await lock(store, asked)).quote.total_price == shown.amount


async def test_prices_imported_while_locks_wait_are_the_ones_that_count(
    store: BookingStore, postgres: Postgres, hotel: Hotel, sql: Sql, metrics: BookingMetrics
) -> None:
    """The import has the types' rows; requests were priced before it and decided after it."""
    await sell(postgres, hotel)
    other = await Hotel.create(sql, "luna", {"suite": 9})
    await lock(store, hotel.request("single"))
    async with postgres.of(hotel.tenant_id, other.tenant_id).acquire() as connection:
        await connection.execute(
            "SELECT lock_room_types(array_agg(tenant_id), array_agg(room_type_id)) FROM room_type"
            " WHERE tenant_id = $1",
            hotel.tenant_id,
        )
        requests = [hotel.request("double"), hotel.request("double"), other.request()]
        deciding = asyncio.ensure_future(store.acquire(requests))
        await waiting(sql, 1)
        await connection.execute("UPDATE night_inventory SET price = price + 10")
        await connection.execute("UPDATE property SET inventory_version = inventory_version + 1")
    answers = await deciding
    assert [one.quote.total_price for one in answers if isinstance(one, Lock)] == [
        total(2, 2, PRICE + 10),
        total(2, 2, PRICE + 10),
        2 * (PRICE + 10),
    ]
    assert metrics.locks.labels("INVENTORY_MOVED")._value.get() >= 2
    await assert_consistent(sql)


async def test_a_lock_that_ran_out_is_had_again_at_its_price_or_the_new_one_is_told(
    store: BookingStore, postgres: Postgres, hotel: Hotel, sql: Sql
) -> None:
    await sell(postgres, hotel)
    same, dearer, closed = [await lock(store, hotel.request("double")) for _ in range(3)]
    await hotel.lapse()
    # Another inventory, in which this stay costs the same.
    await sell(postgres, hotel, restricted(hotel, 40, 41, closed=True))
    assert (await confirm(store, same)).quote == same.quote
    more = (VAT, CITY_TAX, CITY_TAX.__class__("spa", {}, CITY_TAX.basis, False, amount=Decimal(1)))
    await sell(postgres, hotel, levies=more)
    for _ in range(2):
        with pytest.raises(FailedPrecondition, match="PRICE_CHANGED") as caught:
            await confirm(store, dearer)
        assert caught.value.metadata["total_price"] == str(total(2, 2) + 4)
    await sell(postgres, hotel, restricted(hotel, 10, 10, closed=True))
    with pytest.raises(FailedPrecondition, match="LOCK_EXPIRED"):
        await confirm(store, closed)
    await assert_consistent(sql)


async def test_others_that_have_run_out_do_not_stand_in_the_way_of_the_new_price(
    store: BookingStore, postgres: Postgres, hotel: Hotel, sql: Sql
) -> None:
    await sell(postgres, hotel)
    first = await lock(store, hotel.request("suite"))
    await hotel.lapse(first.lock_id)
    await store.sweep_locks()
    second = await lock(store, hotel.request("suite"))
    await sell(postgres, hotel, price=PRICE + 1)
    # It has run out as well, and nobody has looked since.
    await hotel.lapse(second.lock_id)
    with pytest.raises(FailedPrecondition, match="PRICE_CHANGED"):
        await confirm(store, first)
    await assert_consistent(sql)


async def test_nights_that_are_kept_keep_price_and_right_and_taxes_follow_the_stay(
    store: BookingStore, postgres: Postgres, hotel: Hotel
) -> None:
    await sell(postgres, hotel)
    booked = await store.create(
        order(hotel), "guest", hotel.stay(), [RoomWish("double", Guests(2, 0))]
    )
    await sell(postgres, hotel, restricted(hotel, 10, 11, closed=True), price=PRICE + 10)
    longer = Wishes(
        check_out=booked.stay.check_out + dt.timedelta(days=1),
        accepted_total=Money(Decimal(999), "EUR"),
    )
    moved = await store.modify(order(hotel), booked.reservation_id, longer)
    assert list(moved.quote.nightly_prices) == [PRICE, PRICE, PRICE + 10]
    assert moved.total_price == sum(moved.quote.nightly_prices) + 9
    back = Wishes(check_out=booked.stay.check_out)
    assert (await store.modify(order(hotel), booked.reservation_id, back)).quote == booked.quote


async def test_restrictions_are_not_walked_around_by_a_change(
    store: BookingStore, postgres: Postgres, hotel: Hotel
) -> None:
    """Of a stay that was sold a shorter one was not, nor one that arrives on another day."""
    weekend = restricted(hotel, 10, 12, min_nights_on_arrival=3, min_nights_through=2)
    shut = restricted(hotel, 11, 11, closed_to_arrival=True, min_notice_days=12)
    await sell(postgres, hotel, weekend, shut)
    booked = await store.create(
        order(hotel), "guest", hotel.stay(10, 3), [RoomWish("double", Guests(2, 0))]
    )
    day = dt.timedelta(days=1)
    first, last = booked.stay.check_in, booked.stay.check_out
    for reason, wishes in (
        ("MINIMUM_STAY", Wishes(check_out=first + day)),
        ("CLOSED_TO_ARRIVAL", Wishes(check_in=first + day, check_out=last + 2 * day)),
    ):
        with pytest.raises(FailedPrecondition, match=reason):
            await store.modify(order(hotel), booked.reservation_id, wishes)
    assert await store.reservation(hotel.tenant_id, booked.reservation_id) == booked
    # Since then nothing of it is sold any more: only guests, or the very room, are changed.
    never = restricted(
        hotel, 0, 59, closed=True, closed_to_arrival=True, min_nights_through=9, min_notice_days=99
    )
    await sell(postgres, hotel, never)
    one = Wishes(rooms=(RoomWish("double", Guests(1, 0)),))
    alone = await store.modify(order(hotel), booked.reservation_id, one)
    assert (alone.stay, alone.rooms[0].guests) == (booked.stay, Guests(1, 0))
    other = Wishes(rooms=(RoomWish("suite", Guests(1, 0)),))
    with pytest.raises(FailedPrecondition, match="CLOSED"):
        await store.modify(order(hotel), booked.reservation_id, other)


async def test_a_percentage_of_a_deposit_is_of_all_that_is_paid(
    store: BookingStore, postgres: Postgres, hotel: Hotel
) -> None:
    half = Terms(deposit=Charge(ChargeKind.PERCENT, Decimal(50)))
    await sell(postgres, hotel, terms=half)
    booked = await confirm(store, await lock(store, hotel.request("double")))
    assert booked.deposit is not None
    assert booked.deposit.amount == total(2, 2) / 2


async def test_the_price_book_is_bounded_and_reads_what_changed(
    postgres: Postgres, hotel: Hotel, sql: Sql, metrics: BookingMetrics
) -> None:
    book = PriceBook(postgres, metrics, most=3)
    names = [f"hotel-{number}" for number in range(5)]
    for name in names:
        await Hotel.create(sql, name, {"suite": 1})
        assert (await book.pages([name]))[name].version == 0
    assert metrics.pages._value.get() == 3
    before = postgres.statements
    assert set(await book.pages(names[2:])) == set(names[2:])
    assert await book.pages([]) == {}
    assert postgres.statements == before
    read = await book.pages([*names, "nobody"], dict.fromkeys(names, 0))
    assert set(read) == set(names)
    assert postgres.statements == before + 1
    await sell(postgres, hotel)
    assert (await book.pages([hotel.tenant_id], {hotel.tenant_id: 1}))[hotel.tenant_id].version == 1
