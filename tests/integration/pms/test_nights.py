"""What a hotel's own system has free: asked once, told with its age, not believed for long."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from meshkit.clock import SystemClock
from meshkit.errors import MeshError
from meshkit.redis_pool import make_redis
from sandbox.pms.app import Addresses
from sandbox.pms.client import PmsControl
from services.booking.domain import Guests, LockRequest
from services.booking.pms import breaker
from services.booking.pms import nights as nights_module
from services.booking.pms.ahead import ReadAhead
from services.booking.pms.connections import Connected
from services.booking.pms.http import READ_ATTEMPTS
from services.booking.pms.metrics import PmsMetrics
from services.booking.pms.nights import Freshness, PmsNights
from services.booking.pms.overlay import PmsOverlay, Seen
from services.booking.pms.port import TypeNight
from tests.integration.booking.hotel import Hotel, Sql
from tests.integration.pms.front import Front, connection, stay_from
from tests.waiting import eventually


class LaterClock(SystemClock):
    """The machine's clock, ahead by `ahead`."""

    ahead = dt.timedelta()

    def now(self) -> dt.datetime:
        return super().now() + self.ahead


@pytest.fixture
async def hotel(front: Front) -> Connected:
    """Hotel `mirador`, connected."""
    found = await front.connections.of("mirador")
    assert found is not None
    return found


@pytest.fixture
def clock() -> LaterClock:
    """Can be set ahead."""
    return LaterClock()


@pytest.fixture
async def nights(redis_url: str, clock: LaterClock) -> AsyncIterator[PmsNights]:
    """What is remembered, by a clock that can be set ahead."""
    redis = make_redis(redis_url)
    yield PmsNights(redis, clock, PmsMetrics(CollectorRegistry()))
    await redis.aclose()


async def test_a_crowd_on_two_replicas_asks_once(
    fronts: Callable[..., Awaitable[Front]], pms: PmsControl, arrival: dt.date
) -> None:
    replicas = [await fronts(), await fronts()]
    stay = stay_from(arrival, 2)
    hotels = [await one.connections.of("mirador") for one in replicas]
    seen = await asyncio.gather(
        *(
            one.nights.around(hotel, stay)
            for one, hotel in zip(replicas, hotels, strict=True)
            if hotel
            for _ in range(20)
        )
    )
    assert {one.freshness for one in seen} == {Freshness.SELL}
    assert {one.nights[TypeNight("DBL", arrival)].free_count for one in seen} == {5}
    # Other dates close by are known as well.
    assert hotels[0] is not None
    await replicas[1].nights.around(hotels[0], stay_from(arrival + dt.timedelta(days=9), 3))
    assert await _reads(pms) == 1


async def test_an_answer_is_sold_from_shown_or_subject_to_confirmation_by_its_age(
    nights: PmsNights, clock: LaterClock, hotel: Connected, pms: PmsControl, arrival: dt.date
) -> None:
    stay = stay_from(arrival)
    first = await nights.around(hotel, stay)
    await pms.mode("down")
    for seconds, freshness in (
        (59, Freshness.SELL),
        (61, Freshness.SHOW),
        (14 * 60, Freshness.SHOW),
        (16 * 60, Freshness.ASK),
    ):
        clock.ahead = dt.timedelta(seconds=seconds)
        seen = await nights.around(hotel, stay)
        assert (seen.freshness, seen.as_of) == (freshness, first.as_of)
        assert seen.nights == first.nights  # Never hidden because it went stale.


async def test_a_dead_system_is_left_alone_and_heard_again_by_itself(
    nights: PmsNights,
    clock: LaterClock,
    hotel: Connected,
    pms: PmsControl,
    arrival: dt.date,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten minutes of it: guests hear what was said last, and how old it is, without a call."""
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 0.3)
    stay = stay_from(arrival)
    first = await nights.around(hotel, stay)
    await pms.mode("down")
    clock.ahead = dt.timedelta(minutes=10)
    before = await _reads(pms)
    for _ in range(20):
        seen = await nights.around(hotel, stay)
        assert (seen.freshness, seen.as_of) == (Freshness.SHOW, first.as_of)
    # Each failed call was tried three times; all others were stopped before they left, but for
    # the one that tries whether it is back.
    assert await _reads(pms) - before <= (breaker.FAILURES + 1) * READ_ATTEMPTS
    await pms.mode("up")

    async def heard() -> bool:
        seen = await nights.around(hotel, stay)
        return seen.freshness is Freshness.SELL or seen.as_of != first.as_of

    await eventually(heard, 10)


async def test_what_is_there_is_told_while_a_slow_call_goes_on(
    nights: PmsNights, clock: LaterClock, hotel: Connected, pms: PmsControl, arrival: dt.date
) -> None:
    stay = stay_from(arrival)
    await nights.around(hotel, stay)
    clock.ahead = dt.timedelta(seconds=90)
    await pms.fault("slow", operation="read", seconds=1.2)
    assert (await nights.around(hotel, stay)).freshness is Freshness.SHOW
    clock.ahead = dt.timedelta()

    async def newer() -> bool:
        return (await pms.report())["faults"].get("slow") == 1 and await _reads(pms) == 2

    await eventually(newer)


async def test_after_a_failed_call_nobody_waits_for_the_next_one_to_fail(
    nights: PmsNights,
    clock: LaterClock,
    hotel: Connected,
    pms: PmsControl,
    arrival: dt.date,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However patient one is with a system that works."""
    monkeypatch.setattr(nights_module, "STALE_SECONDS", nights_module.REFRESH_SECONDS)
    monkeypatch.setattr(nights_module, "IMPATIENT_SECONDS", 0.0)
    stay = stay_from(arrival)
    await nights.around(hotel, stay)
    clock.ahead = dt.timedelta(seconds=90)
    await pms.mode("down")
    assert (await nights.around(hotel, stay)).freshness is Freshness.SHOW
    await pms.mode("up")
    await pms.fault("slow", operation="read", seconds=0.5)
    assert (await nights.around(hotel, stay)).freshness is Freshness.SHOW
    assert nights._running  # The call goes on, and what it brings ends the impatience.

    async def works() -> bool:
        clock.ahead += dt.timedelta(seconds=90)
        await nights.around(hotel, stay)
        return not nights._failing

    await eventually(works)


async def test_without_redis_the_system_is_asked_by_one_call_at_a_time(
    hotel: Connected, pms: PmsControl, arrival: dt.date
) -> None:
    redis = make_redis("redis://127.0.0.1:1")
    alone = PmsNights(redis, SystemClock(), PmsMetrics(CollectorRegistry()))
    await pms.fault("slow", operation="read", seconds=0.3)
    seen = await asyncio.gather(*(alone.around(hotel, stay_from(arrival)) for _ in range(20)))
    assert {one.freshness for one in seen} == {Freshness.SELL}
    assert await _reads(pms) == 1
    await redis.aclose()


async def test_two_hotels_on_one_host_do_not_see_each_others_nights(
    fronts: Callable[..., Awaitable[Front]],
    sql: tuple[Sql, object],
    pms: PmsControl,
    addresses: Addresses,
    tmp_path: Path,
    arrival: dt.date,
) -> None:
    front = await fronts()
    await Hotel.create(sql[0], "luna", {"double": 9})
    await pms.property("h2", {"DBL": 9})
    (tmp_path / "luna").write_text("h2")
    await front.store.set_connection(connection(addresses.url, "luna", "h2"))
    free = {}
    for tenant_id in ("mirador", "luna"):
        found = await front.connections.of(tenant_id)
        assert found is not None
        seen = await front.nights.around(found, stay_from(arrival))
        free[tenant_id] = seen.nights[TypeNight("DBL", arrival)].free_count
    assert free == {"mirador": 5, "luna": 9}


async def test_a_room_is_kept_only_after_a_young_answer_and_asked_for_when_there_is_none(
    front: Front,
    nights: PmsNights,
    clock: LaterClock,
    hotel: Connected,
    pms: PmsControl,
    arrival: dt.date,
) -> None:
    overlay = PmsOverlay(front.connections, nights, front.bookings)
    stay = stay_from(arrival)
    assert await _refusal(overlay, "suite", arrival) == ""
    taken = await pms.book("h1", "SUI", check_in=str(stay.check_in), check_out=str(stay.check_out))
    clock.ahead = dt.timedelta(minutes=5)  # It would be shown, and is asked again.
    assert await _refusal(overlay, "suite", arrival) == "SOLD_OUT"
    await pms.cancel("h1", taken["booking_id"])
    clock.ahead += dt.timedelta(seconds=6)  # A refusal is not remembered for long.
    assert await _refusal(overlay, "suite", arrival) == ""
    await pms.mode("down")
    clock.ahead += dt.timedelta(minutes=20)
    assert await _refusal(overlay, "suite", arrival) == ""


async def test_hotels_without_a_system_of_their_own_wait_for_none(
    front: Front, sql: tuple[Sql, object], pms: PmsControl, arrival: dt.date
) -> None:
    await Hotel.create(sql[0], "luna", {"suite": 1})
    await pms.mode("down")
    assert not await front.overlay.concerns(["luna", "luna"])
    assert await front.overlay.concerns(["luna", "mirador"])
    request = LockRequest("luna", uuid4(), "suite", stay_from(arrival), Guests(1, 0), "ana")
    assert await front.overlay.refused([request] * 3) == [None] * 3
    stay = stay_from(arrival)
    inventory, _ = await front.cache.inventory("luna", stay)
    assert await front.overlay.seen("luna", stay, inventory) == Seen(inventory, None)
    assert "h1" not in (await pms.report())["calls"]


@pytest.mark.parametrize("check_in", [dt.date(2020, 1, 1), dt.date(9990, 1, 1)])
async def test_no_system_is_asked_for_dates_that_the_hotel_does_not_sell(
    front: Front, pms: PmsControl, check_in: dt.date
) -> None:
    stay = stay_from(check_in, 1)
    inventory, _ = await front.cache.inventory("mirador", stay)
    assert await front.overlay.seen("mirador", stay, inventory) == Seen(inventory, None)
    assert "h1" not in (await pms.report())["calls"]


async def test_a_search_shows_no_more_than_both_sides_have(
    front: Front, pms: PmsControl, arrival: dt.date
) -> None:
    stay = stay_from(arrival)
    for _ in range(3):
        await pms.book("h1", "DBL", check_in=str(stay.check_in), check_out=str(stay.check_out))
    inventory, _ = await front.cache.inventory("mirador", stay)
    seen = await front.overlay.seen("mirador", stay, inventory)
    night = stay_from(arrival, 1)
    counters = seen.inventory.counters
    free = {kind: counters.free_count(kind, night) for kind in counters.free}
    assert free == {"single": 3, "double": 2, "suite": 1}
    assert seen.freshness is Freshness.SELL
    assert counters.as_of <= inventory.counters.as_of or seen.freshness is Freshness.SELL


async def test_what_is_read_ahead_is_not_asked_for_again(
    front: Front, hotel: Connected, pms: PmsControl, arrival: dt.date
) -> None:
    ahead = ReadAhead(front.connections, front.nights, SystemClock())
    await asyncio.gather(ahead.round(), ahead.round())
    for days in range(0, 70, 7):
        seen = await front.nights.around(hotel, stay_from(arrival + dt.timedelta(days=days), 7))
        assert seen.freshness is Freshness.SELL
    assert await _reads(pms) == 1


async def test_a_booking_of_ours_makes_its_nights_unknown(
    front: Front, hotel: Connected, pms: PmsControl, arrival: dt.date
) -> None:
    stay = stay_from(arrival)
    await front.nights.around(hotel, stay)
    await front.nights.forget(hotel, ["SUI"], stay)
    await pms.book("h1", "SUI", check_in=str(stay.check_in), check_out=str(stay.check_out))
    seen = await front.nights.around(hotel, stay)
    assert seen.nights[TypeNight("SUI", arrival)].free_count == 0


async def _refusal(overlay: PmsOverlay, room_type: str, arrival: dt.date) -> str:
    request = LockRequest("mirador", uuid4(), room_type, stay_from(arrival), Guests(1, 0), "ana")
    (refused,) = await overlay.refused([request])
    assert refused is None or isinstance(refused, MeshError)
    return refused.reason if refused else ""


async def _reads(pms: PmsControl) -> int:
    calls: int = (await pms.report())["calls"]["h1"]["read"]
    return calls
