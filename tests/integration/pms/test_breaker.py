"""Breakers that replicas share: when they open, who tries again, and what opens none."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from meshkit.clock import SystemClock
from meshkit.errors import FailedPrecondition, ResourceExhausted, Unavailable
from meshkit.redis_pool import make_redis
from sandbox.pms.app import Addresses
from sandbox.pms.client import PmsControl
from services.booking.pms import breaker
from services.booking.pms.breaker import FAILURES, READ, WRITE, Breakers, State
from services.booking.pms.port import Pms, Verdict
from tests.integration.booking.hotel import Hotel, Sql
from tests.integration.pms.front import Front, connection
from tests.integration.pms.test_adapters import order
from tests.waiting import eventually


@pytest.fixture(params=["redis", "redis away"])
async def pair(
    request: pytest.FixtureRequest, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Breakers, Breakers]]:
    """Two replicas' breakers; without Redis they are one replica's, twice."""
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 0.2)
    away = request.param == "redis away"
    redis = make_redis("redis://127.0.0.1:1" if away else redis_url)
    first = Breakers(redis, SystemClock())
    yield first, first if away else Breakers(redis, SystemClock())
    await redis.aclose()


async def test_five_failures_in_a_row_open_it_for_everybody(
    pair: tuple[Breakers, Breakers],
) -> None:
    here, there = pair
    for _ in range(FAILURES - 1):
        assert await here.failed("mirador", READ) is State.CLOSED
    assert await here.worked("mirador", READ) is State.CLOSED  # In a row, or they do not count.
    for _ in range(FAILURES - 1):
        assert await here.failed("mirador", READ) is State.CLOSED
    assert await there.failed("mirador", READ) is State.OPEN
    for one in pair:
        with pytest.raises(Unavailable, match="PMS_BREAKER_OPEN") as stopped:
            await one.ask("mirador", READ)
        assert 0 < (stopped.value.retry_after or 0) <= 0.2
    # Another hotel, on whatever host, has its own; so have writes.
    assert await there.ask("luna", READ) is State.CLOSED
    assert await there.ask("mirador", WRITE) is State.CLOSED


async def test_two_that_hang_open_it(pair: tuple[Breakers, Breakers]) -> None:
    """Nothing has worked since the first of them began."""
    here, there = pair
    assert await here.failed("mirador", READ, breaker.LONG_SECONDS / 2) is State.CLOSED
    assert await here.failed("mirador", READ, breaker.LONG_SECONDS / 2) is State.CLOSED
    await here.worked("mirador", READ)
    assert await here.failed("mirador", READ, breaker.LONG_SECONDS) is State.CLOSED
    assert await there.failed("mirador", READ, breaker.LONG_SECONDS) is State.OPEN


async def test_one_read_tries_and_its_answer_decides(pair: tuple[Breakers, Breakers]) -> None:
    here, there = pair
    await _open(here, READ)
    assert await _when_due(there, READ) is State.HALF_OPEN
    with pytest.raises(Unavailable):  # One is enough.
        await here.ask("mirador", READ)
    assert await there.failed("mirador", READ) is State.OPEN
    assert await _when_due(here, READ) is State.HALF_OPEN
    assert await here.worked("mirador", READ) is State.CLOSED
    assert await there.ask("mirador", READ) is State.CLOSED


async def test_a_write_tries_only_while_reads_work(pair: tuple[Breakers, Breakers]) -> None:
    here, there = pair
    await _open(here, WRITE)
    await _open(here, READ)
    await asyncio.sleep(0.3)  # Both are due; the write is not the one to try.
    with pytest.raises(Unavailable):
        await there.ask("mirador", WRITE)
    assert await _when_due(there, READ) is State.HALF_OPEN
    await there.worked("mirador", READ)
    assert await _when_due(here, WRITE) is State.HALF_OPEN


async def test_a_dead_system_is_left_alone_after_five_calls_and_asked_again_once_it_is_back(
    front: Front, pms: PmsControl, arrival: dt.date, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 0.2)
    hotel = await _pms(front, "mirador")
    await pms.mode("down")
    reasons = []
    for _ in range(FAILURES + 3):
        with pytest.raises(Unavailable) as failed:
            await hotel.room_types()
        reasons.append(failed.value.reason)
    assert reasons == ["PMS_AWAY"] * FAILURES + ["PMS_BREAKER_OPEN"] * 3
    await front.connections.tell_breakers()
    assert _gauge(front, "read") == State.OPEN
    assert _gauge(front, "write") == State.CLOSED
    assert "The systems of mirador do not answer" in str(front.connections.problem())
    await pms.mode("up")
    await eventually(lambda: _answers(hotel), 5)
    await front.connections.tell_breakers()
    assert _gauge(front, "read") == State.CLOSED
    assert front.connections.problem() is None


async def test_refusals_and_a_request_for_patience_open_nothing(
    front: Front, pms: PmsControl, arrival: dt.date
) -> None:
    hotel = await _pms(front, "mirador")
    unknown = order(arrival, kind="NOSUCH")
    for _ in range(FAILURES + 1):
        with pytest.raises(FailedPrecondition):
            await hotel.quote(unknown)
        assert (await hotel.create(unknown)).verdict is Verdict.REJECTED
    await pms.fault("throttle", operation="read", seconds=30)
    with pytest.raises(ResourceExhausted, match="PMS_BUSY"):
        await hotel.room_types()
    # From now on we keep away ourselves, on every replica.
    calls = (await pms.report())["calls"]["h1"]["read"]
    with pytest.raises(ResourceExhausted, match="PMS_LIMITED"):
        await hotel.room_types()
    assert (await pms.report())["calls"]["h1"]["read"] == calls
    assert await front.breakers.look("mirador", READ) is State.CLOSED


async def test_two_hotels_on_one_host_share_neither_breaker_nor_limit(
    fronts: Callable[..., Awaitable[Front]],
    sql: tuple[Sql, object],
    pms: PmsControl,
    addresses: Addresses,
) -> None:
    front = await fronts()
    await Hotel.create(sql[0], "luna", {"single": 1})
    await pms.property("h2", {"SGL": 1})
    await front.store.set_connection(connection(addresses.url, "luna", "h2"))
    front.connections.outdate()
    mirador, luna = await _pms(front, "mirador"), await _pms(front, "luna")
    await pms.fault("refuse", operation="read", property_id="h1", count=100)
    for _ in range(FAILURES):
        assert not await _answers(mirador)
    await pms.fault("throttle", operation="read", property_id="h1", seconds=30)
    with pytest.raises(Unavailable, match="PMS_BREAKER_OPEN"):
        await mirador.room_types()
    with pytest.raises(FailedPrecondition, match="WRONG_SECRET"):
        await luna.room_types()  # It is asked, and has no secret of its own.


async def _open(one: Breakers, operation: str) -> None:
    for _ in range(FAILURES):
        await one.failed("mirador", operation)


async def _when_due(one: Breakers, operation: str) -> State:
    async with asyncio.timeout(5):
        while True:
            try:
                return await one.ask("mirador", operation)
            except Unavailable:
                await asyncio.sleep(0.05)


async def _pms(front: Front, tenant_id: str) -> Pms:
    found = await front.connections.of(tenant_id)
    assert found is not None
    return found.pms


async def _answers(hotel: Pms) -> bool:
    try:
        return bool(await hotel.room_types())
    except Unavailable:
        return False


def _gauge(front: Front, operation: str) -> float:
    labels = {"tenant_tier": "standard", "operation": operation}
    value = front.registry.get_sample_value("pms_circuit_breaker_state", labels)
    assert value is not None
    return value
