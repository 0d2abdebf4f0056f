"""Many at once: one gets the room, the others are told the truth, nothing drifts."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from meshkit.errors import FailedPrecondition, MeshError
from services.booking.domain import Lock, Reservation
from services.booking.metrics import BookingMetrics
from services.booking.reservations.domain import Actor, ActorKind, Order
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Hotel, Sql, assert_consistent

GUESTS = 64


async def book(store: BookingStore, hotel: Hotel, first: int) -> Reservation | str:
    """One guest's way: a lock, then the reservation; the reason when there is none."""
    (lock,) = await store.acquire([hotel.request("suite", hotel.stay(first, 3))])
    if isinstance(lock, MeshError):
        return lock.reason
    return await store.confirm(
        hotel.tenant_id, uuid4(), b"", lock.lock_id, lock.owner_token, lock.fencing_number
    )


async def test_64_guests_want_one_room(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    """Night 12 is in everybody's stay."""
    with capture_logs() as logged:
        outcomes = await asyncio.gather(
            *(book(store, hotel, 10 + number % 3) for number in range(GUESTS))
        )
    booked = [one for one in outcomes if isinstance(one, Reservation)]
    assert len(booked) == 1
    assert Counter(one for one in outcomes if isinstance(one, str)) == {"SOLD_OUT": GUESTS - 1}
    assert logged == []
    assert await sql.fetchval("SELECT count(*) FROM reservation") == 1
    assert await sql.fetchval("SELECT count(*) FROM lock_audit WHERE event = 'REFUSED'") == 63
    await assert_consistent(sql)


async def test_back_to_back_at_once(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    outcomes = await asyncio.gather(*(book(store, hotel, first) for first in range(3, 30, 3)))
    assert all(isinstance(one, Reservation) for one in outcomes)
    await assert_consistent(sql)


async def test_32_copies_of_one_request_get_one_lock(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    request = hotel.request("double")
    answers = await asyncio.gather(*(store.acquire([request]) for _ in range(32)))
    locks = {one for (one,) in answers if isinstance(one, Lock)}
    assert len(locks) == 1
    assert all(isinstance(one, Lock) for (one,) in answers)
    assert await hotel.counters("double", request.stay) == [(1, 0)] * 2
    await assert_consistent(sql)


async def test_32_copies_of_one_confirmation(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    (lock,) = await store.acquire([hotel.request("double")])
    assert isinstance(lock, Lock)
    request_id = uuid4()
    held = (lock.lock_id, lock.owner_token, lock.fencing_number)
    answers = await asyncio.gather(
        *(store.confirm(hotel.tenant_id, request_id, b"same", *held) for _ in range(32))
    )
    assert len(set(answers)) == 1
    assert await hotel.counters("double", lock.stay) == [(0, 1)] * 2
    await assert_consistent(sql)


async def test_confirm_release_and_lapse_race_for_one_lock(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """Exactly one of them ends each lock."""
    for first in range(1, 25, 2):
        (lock,) = await store.acquire([hotel.request("suite", hotel.stay(first))])
        assert isinstance(lock, Lock)
        held = (hotel.tenant_id, uuid4(), b"", lock.lock_id, lock.owner_token)
        order = Order(hotel.tenant_id, uuid4(), b"", Actor(ActorKind.STAFF))
        by_owner = first % 4 == 1
        release = store.release(*held) if by_owner else store.revoke(order, lock.lock_id)
        confirm = store.confirm(
            hotel.tenant_id, uuid4(), b"", lock.lock_id, lock.owner_token, lock.fencing_number
        )
        both = await asyncio.gather(release, confirm, return_exceptions=True)
        refused = [one for one in both if isinstance(one, BaseException)]
        assert len(refused) == 1
        assert isinstance(refused[0], FailedPrecondition)
        assert refused[0].reason in ("LOCK_RELEASED", "LOCK_CONVERTED")
    await assert_consistent(sql)


async def test_a_crowd_of_everything_leaves_counters_equal_to_the_ledger(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """Batches, confirmations, releases, cancellations, expiries and sweeps of three types."""
    rng = random.Random(20261123)

    async def guest() -> None:
        for _ in range(12):
            types = rng.choices(("single", "double", "suite"), k=rng.randint(1, 4))
            requests = [
                hotel.request(one, hotel.stay(rng.randint(1, 8), rng.randint(1, 3)))
                for one in types
            ]
            for lock in await store.acquire(requests):
                if isinstance(lock, Lock):
                    await end(lock)

    async def end(lock: Lock) -> None:
        held = (hotel.tenant_id, uuid4(), b"", lock.lock_id, lock.owner_token)
        what = rng.random()
        try:
            if what < 0.3:
                await store.release(*held)
            elif what < 0.8:
                reservation = await store.confirm(*held, lock.fencing_number)
                if what < 0.7:
                    key = reservation.reservation_id
                    await store.cancel(hotel.tenant_id, uuid4(), b"", key)
        except FailedPrecondition as error:
            if error.reason != "LOCK_EXPIRED":
                raise

    async def time_passes(guests: list[asyncio.Task[None]]) -> None:
        while not all(one.done() for one in guests):
            await hotel.lapse()
            await store.sweep_locks()

    async with asyncio.TaskGroup() as group:
        guests = [group.create_task(guest()) for _ in range(12)]
        await time_passes(guests)
    await assert_consistent(sql)


async def test_a_deadlock_proves_nothing_and_is_tried_again(
    store: BookingStore, hotel: Hotel, sql: Sql, metrics: BookingMetrics
) -> None:
    await sql.execute(
        """
        CREATE SEQUENCE attempts;
        CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('attempts') = 1 THEN
                RAISE EXCEPTION USING ERRCODE = '40P01';
            END IF;
            RETURN NEW;
        END $$;
        GRANT USAGE ON SEQUENCE attempts TO PUBLIC;
        CREATE TRIGGER fail_once BEFORE INSERT ON room_lock FOR EACH ROW
        EXECUTE FUNCTION fail_once();
        """
    )
    (lock,) = await store.acquire([hotel.request()])
    assert isinstance(lock, Lock)
    assert metrics.retries._value.get() == 1


async def test_a_connection_lost_in_a_decision_is_tried_again(
    store: BookingStore, hotel: Hotel, sql: Sql, metrics: BookingMetrics
) -> None:
    """The request id makes it safe, whether or not the first attempt was committed."""
    await sql.execute(
        """
        CREATE SEQUENCE attempts;
        GRANT USAGE ON SEQUENCE attempts TO PUBLIC;
        CREATE FUNCTION die_once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('attempts') = 1 THEN
                PERFORM pg_terminate_backend(pg_backend_pid());
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER die_once BEFORE INSERT ON room_lock FOR EACH ROW
        EXECUTE FUNCTION die_once();
        """
    )
    (lock,) = await store.acquire([hotel.request()])
    assert isinstance(lock, Lock)
    assert metrics.retries._value.get() == 1
    await assert_consistent(sql)


async def test_a_confirmation_code_that_is_taken_is_drawn_again(
    store: BookingStore, hotel: Hotel, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = iter(["TAKEN123", "TAKEN123", "FREE1234"])
    monkeypatch.setattr("services.booking.reservations.store.new_code", lambda: next(codes))
    booked = [await book(store, hotel, first) for first in (1, 10)]
    assert [one.confirmation_code for one in booked if isinstance(one, Reservation)] == [
        "TAKEN123",
        "FREE1234",
    ]


async def test_the_exclusion_constraint_is_a_wall_of_its_own(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    await book(store, hotel, 10)
    with pytest.raises(asyncpg.ExclusionViolationError, match="stay_room_taken_once"):
        await sql.execute(
            """
            INSERT INTO stay (tenant_id, reservation_id, stay_number, room_type_id, nights,
                adult_count, child_count, nightly_prices, currency_code, occupying, room_key)
            SELECT tenant_id, reservation_id, 2, room_type_id, nights, adult_count, child_count,
                nightly_prices, currency_code, occupying, room_key FROM stay
            """
        )
