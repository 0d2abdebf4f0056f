"""The whole service while what it leans on comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from conserje.booking.v1.booking_service_pb2 import (
    AcquireLockRequest,
    AcquireLockResponse,
    ConfirmReservationRequest,
    SearchAvailabilityRequest,
)
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.booking.v1.reservation_pb2 import Reservation
from conserje.booking.v1.room_type_pb2 import FRESHNESS_CACHED, FRESHNESS_LIVE
from redis.asyncio import Redis

from meshkit.config import load
from meshkit.dates import from_date
from meshkit.errors import FailedPrecondition, Unavailable
from meshkit.kit import Kit
from meshkit.migrate import migrate
from sandbox.embedded import EmbeddedPostgres, EmbeddedRedis
from services.booking.app import build
from services.booking.settings import BookingSettings
from tests.integration.booking.hotel import Hotel, assert_consistent
from tests.waiting import eventually


@pytest.fixture
async def urls(own_postgres: EmbeddedPostgres) -> tuple[str, str]:
    """Owner's and app's URL of a database that the test may stop."""
    made = await own_postgres.create_service_database("booking")
    await migrate(made.owner_url, "services.booking", "conserje_booking")
    return made.owner_url, made.app_url


@pytest.fixture
async def hotel(urls: tuple[str, str]) -> Hotel:
    """One suite; the connection that made it is not needed again."""
    sql = await asyncpg.connect(urls[0])
    made = await Hotel.create(sql, "mirador", {"suite": 1})
    await sql.close()
    return made


@pytest.fixture
async def kit(urls: tuple[str, str], own_redis: EmbeddedRedis) -> AsyncIterator[Kit]:
    """The service, as `python -m services.booking` puts it together."""
    environ = {
        "CONSERJE_BOOKING_DATABASE_URL": urls[1],
        "CONSERJE_REDIS_URL": own_redis.url,
        "CONSERJE_BOOKING_DRAIN_SECONDS": "1",
        "CONSERJE_BOOKING_CACHE_SECONDS": "60",
    }
    settings = load(BookingSettings, "booking", environ)
    made = Kit("booking", settings, migrations="services.booking")
    await build(made, settings)
    await made.start()
    yield made
    await made.drain()


@pytest.fixture
async def stub(kit: Kit) -> BookingServiceStub:
    """Calls the service over a socket."""
    channel = kit.channel("booking", f"127.0.0.1:{kit.ports['grpc']}")
    return channel.stub(BookingServiceStub)


def search_request(hotel: Hotel, first: int = 10) -> SearchAvailabilityRequest:
    """Two nights for two."""
    stay = hotel.stay(first)
    return SearchAvailabilityRequest(
        tenant_id=hotel.tenant_id,
        check_in_date=from_date(stay.check_in),
        check_out_date=from_date(stay.check_out),
        adult_count=2,
    )


def lock_request(hotel: Hotel, first: int = 10) -> AcquireLockRequest:
    """The suite for two nights."""
    stay = hotel.stay(first)
    return AcquireLockRequest(
        tenant_id=hotel.tenant_id,
        request_id=str(uuid4()),
        room_type_id="suite",
        check_in_date=from_date(stay.check_in),
        check_out_date=from_date(stay.check_out),
        adult_count=2,
        guest_id=uuid4().hex,
    )


async def book(stub: BookingServiceStub, hotel: Hotel, first: int) -> Reservation:
    """Search, lock, confirm."""
    found = await stub.SearchAvailability(search_request(hotel, first))  # type: ignore[misc]
    assert found.room_types[0].free_count == 1
    lock = (await stub.AcquireLock(lock_request(hotel, first))).lock  # type: ignore[misc]
    confirmed = await stub.ConfirmReservation(  # type: ignore[misc]
        ConfirmReservationRequest(
            tenant_id=hotel.tenant_id,
            request_id=str(uuid4()),
            lock_id=lock.lock_id,
            owner_token=lock.owner_token,
            fencing_number=lock.fencing_number,
        )
    )
    reservation: Reservation = confirmed.reservation
    return reservation


async def freshness(stub: BookingServiceStub, hotel: Hotel, free_count: int) -> int:
    """Where an answer came from that says so many are free."""
    found = await stub.SearchAvailability(search_request(hotel))  # type: ignore[misc]
    assert found.room_types[0].free_count == free_count
    return int(found.freshness)


async def test_a_grant_is_seen_by_the_next_search(stub: BookingServiceStub, hotel: Hotel) -> None:
    assert await freshness(stub, hotel, 1) == FRESHNESS_LIVE
    assert await freshness(stub, hotel, 1) == FRESHNESS_CACHED
    await stub.AcquireLock(lock_request(hotel))  # type: ignore[misc]
    assert await freshness(stub, hotel, 0) == FRESHNESS_LIVE
    assert await freshness(stub, hotel, 0) == FRESHNESS_CACHED


async def test_single_callers_share_the_calls_of_the_database(
    kit: Kit, stub: BookingServiceStub, hotel: Hotel, urls: tuple[str, str]
) -> None:
    """Who asks while the type is held waits for one call with the others; each has its answer."""

    def told(name: str, **labels: str) -> float:
        return kit.registry.get_sample_value(name, labels) or 0.0

    def all_are_there() -> bool:
        waiting = told("coalescer_waiting_items", coalescer="acquire")
        return waiting + told("booking_lock_batch_size_sum") == 64

    async def acquire(request: AcquireLockRequest) -> AcquireLockResponse | FailedPrecondition:
        try:
            response: AcquireLockResponse = await stub.AcquireLock(request)  # type: ignore[misc]
        except FailedPrecondition as refused:
            return refused
        return response

    asked = [lock_request(hotel) for _ in range(64)]
    holder = await asyncpg.connect(urls[0])
    async with holder.transaction():
        await holder.execute("SELECT FROM room_type FOR NO KEY UPDATE")
        calls = [asyncio.ensure_future(acquire(one)) for one in asked]
        await eventually(all_are_there, 20.0)
    await holder.close()
    outcomes = await asyncio.gather(*calls)
    granted = [
        (request, one.lock)
        for request, one in zip(asked, outcomes, strict=True)
        if isinstance(one, AcquireLockResponse)
    ]
    assert [lock.guest_id for _, lock in granted] == [request.guest_id for request, _ in granted]
    refused = [one.reason for one in outcomes if isinstance(one, FailedPrecondition)]
    assert (len(granted), refused) == (1, ["SOLD_OUT"] * 63)
    # Two were under way, and what waited left when the first of them was answered.
    assert told("booking_lock_batch_size_count") <= 6


async def test_redis_emptied_and_stopped_while_guests_book(
    stub: BookingServiceStub,
    kit: Kit,
    hotel: Hotel,
    own_redis: EmbeddedRedis,
    urls: tuple[str, str],
) -> None:
    """Bookings complete, never twice, and the process stays ready."""
    codes = {(await book(stub, hotel, 10)).confirmation_code}
    async with Redis.from_url(own_redis.admin_url) as admin:
        await admin.flushall()
    codes.add((await book(stub, hotel, 12)).confirmation_code)
    own_redis.kill()
    codes.add((await book(stub, hotel, 14)).confirmation_code)
    with pytest.raises(FailedPrecondition, match="SOLD_OUT"):
        await stub.AcquireLock(lock_request(hotel, 14))  # type: ignore[misc]
    assert kit.health.is_ready()
    own_redis.start()
    codes.add((await book(stub, hotel, 16)).confirmation_code)
    assert len(codes) == 4
    sql = await asyncpg.connect(urls[0])
    assert await sql.fetchval("SELECT count(*) FROM reservation") == 4
    await assert_consistent(sql)
    await sql.close()


async def test_postgres_stopped_and_back(
    stub: BookingServiceStub, kit: Kit, hotel: Hotel, own_postgres: EmbeddedPostgres
) -> None:
    """Nothing is decided without it, and nothing needs a restart when it returns."""
    await book(stub, hotel, 10)
    own_postgres.stop()
    with pytest.raises(Unavailable):
        await stub.AcquireLock(lock_request(hotel, 20))  # type: ignore[misc]
    with pytest.raises(Unavailable):
        await stub.SearchAvailability(search_request(hotel, 20))  # type: ignore[misc]
    own_postgres.start()
    await book(stub, hotel, 20)
