"""The contract that every adapter keeps, each against its fake system."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import uuid4

import pytest

from meshkit import deadlines
from meshkit.errors import FailedPrecondition, ResourceExhausted, Unavailable
from sandbox.pms.app import Addresses
from sandbox.pms.client import PmsControl
from services.booking.pms.generic.adapter import GenericPms
from services.booking.pms.http import Hosts
from services.booking.pms.port import (
    SOLD_OUT,
    Endpoint,
    Pms,
    PmsOrder,
    PmsRoom,
    TypeNight,
    Verdict,
)
from services.booking.pms.qloapps.adapter import QloAppsPms


def order(arrival: dt.date, nights: int = 2, rooms: int = 1, kind: str = "double") -> PmsOrder:
    room = PmsRoom(kind, 2, 0, Decimal("201.00000000000"))
    departure = arrival + dt.timedelta(days=nights)
    key = f"cj:{uuid4()}"
    return PmsOrder(key, "CDFG3467", arrival, departure, (room,) * rooms, "EUR")


@pytest.fixture(params=[GenericPms, QloAppsPms])
def adapter(
    request: pytest.FixtureRequest, addresses: Addresses, pms: PmsControl, hosts: Hosts
) -> Pms:
    """Each adapter in turn, for the hotel `h1`."""
    made: Pms = request.param(hosts, Endpoint(addresses.url, "h1", "h1"))
    return made


async def test_it_says_what_it_sells_and_what_is_free(adapter: Pms, arrival: dt.date) -> None:
    types = {one.type_id: one for one in await adapter.room_types()}
    assert {name: one.room_count for name, one in types.items()} == {"double": 3, "suite": 1}
    assert (await adapter.capabilities()).requests_per_second > 0
    told = await adapter.availability(arrival, arrival + dt.timedelta(days=3))
    assert len(told.nights) == 6
    assert told.nights[TypeNight("double", arrival)].free_count == 3
    assert abs((dt.datetime.now(dt.UTC) - told.as_of).total_seconds()) < 60


async def test_a_booking_is_found_by_our_key_and_takes_its_nights(
    adapter: Pms, arrival: dt.date
) -> None:
    wanted = order(arrival)
    made = await adapter.create(wanted)
    assert made.verdict is Verdict.CONFIRMED
    (found,) = await adapter.find(wanted.key)
    assert found.active
    assert found.booking_id == made.booking_id
    assert (found.check_in, found.check_out) == (wanted.check_in, wanted.check_out)
    assert found.type_ids == ("double",)
    told = await adapter.availability(arrival - dt.timedelta(days=1), wanted.check_out)
    free = [told.nights[TypeNight("double", night)].free_count for night in _days(arrival)]
    assert free == [3, 2, 2]
    assert await adapter.find(f"cj:{uuid4()}") == []


async def test_the_last_room_is_sold_once_and_the_next_guest_hears_sold_out(
    adapter: Pms, arrival: dt.date
) -> None:
    first, second = order(arrival, kind="suite"), order(arrival, kind="suite")
    assert (await adapter.create(first)).verdict is Verdict.CONFIRMED
    refused = await adapter.create(second)
    assert (refused.verdict, refused.reason) == (Verdict.REJECTED, SOLD_OUT)
    assert not [one for one in await adapter.find(second.key) if one.active]
    # Back to back in the same room is no overlap.
    after = order(first.check_out, kind="suite")
    assert (await adapter.create(after)).verdict is Verdict.CONFIRMED


async def test_a_cancelled_booking_frees_its_nights_and_stays_cancelled(
    adapter: Pms, arrival: dt.date
) -> None:
    wanted = order(arrival, kind="suite")
    made = await adapter.create(wanted)
    for _ in range(2):
        assert (await adapter.cancel(made.booking_id)).verdict is Verdict.CONFIRMED
    assert not [one for one in await adapter.find(wanted.key) if one.active]
    assert (await adapter.create(order(arrival, kind="suite"))).verdict is Verdict.CONFIRMED


async def test_changes_tell_of_bookings_made_and_cancelled_by_anybody(
    adapter: Pms, pms: PmsControl, arrival: dt.date
) -> None:
    departure = arrival + dt.timedelta(days=1)
    dates = {"check_in": str(arrival), "check_out": str(departure)}
    there = await pms.book("h1", "double", **dates)
    first = await adapter.changes("")
    assert first.complete
    assert [one.booking_id for one in first.bookings] == [there["booking_id"]]
    assert first.bookings[0].key == ""
    await pms.cancel("h1", there["booking_id"])
    made = await adapter.create(order(arrival))
    later = await adapter.changes(first.cursor)
    seen = {one.booking_id: one.active for one in later.bookings}
    if later.complete:  # Who is not among all active ones is gone.
        seen.setdefault(there["booking_id"], False)
    assert seen == {there["booking_id"]: False, made.booking_id: True}


@pytest.mark.parametrize(
    "kind", ["refuse", "hang_up", "lose_answer", "done_then_500", "throttle", "late"]
)
async def test_a_write_without_an_answer_is_unknown_and_is_never_sent_twice(
    adapter: Pms, pms: PmsControl, arrival: dt.date, kind: str
) -> None:
    wanted = order(arrival)
    await pms.fault(kind, operation="create", seconds=0.1)
    assert (await adapter.create(wanted)).verdict is Verdict.UNKNOWN
    assert (await pms.report())["calls"]["h1"]["create"] == 1


@pytest.mark.parametrize("kind", ["refuse", "hang_up"])
async def test_a_read_is_tried_again_and_gives_up_truthfully(
    adapter: Pms, pms: PmsControl, arrival: dt.date, kind: str
) -> None:
    await pms.fault(kind, operation="read", count=2)
    assert await adapter.find("cj:nobody") == []
    await pms.mode("down")
    with pytest.raises(Unavailable, match="PMS_AWAY"):
        await adapter.find("cj:nobody")


async def test_a_busy_system_is_left_alone_for_as_long_as_it_says(
    adapter: Pms, pms: PmsControl
) -> None:
    await pms.fault("throttle", operation="read", seconds=3)
    with pytest.raises(ResourceExhausted) as busy:
        await adapter.room_types()
    assert busy.value.retry_after == 3
    assert (await pms.report())["calls"]["h1"]["read"] == 1


async def test_nobody_waits_longer_than_the_caller_can(
    adapter: Pms, pms: PmsControl, arrival: dt.date
) -> None:
    await pms.fault("slow", seconds=30, count=3)
    with deadlines.scope(0.1):
        with pytest.raises(Unavailable, match="PMS_AWAY"):
            await adapter.room_types()
        assert (await adapter.create(order(arrival))).verdict is Verdict.UNKNOWN


async def test_a_restart_forgets_nothing(adapter: Pms, pms: PmsControl, arrival: dt.date) -> None:
    wanted = order(arrival)
    await adapter.create(wanted)
    await pms.restart(0.0)
    assert len(await _found(adapter, wanted.key)) == 1


async def test_a_wrong_secret_is_said_and_never_taken_for_sold_out(
    addresses: Addresses, pms: PmsControl, hosts: Hosts, arrival: dt.date
) -> None:
    stranger = GenericPms(hosts, Endpoint(addresses.url, "h1", "wrong"))
    with pytest.raises(FailedPrecondition, match="PMS_REFUSED"):
        await stranger.room_types()
    assert (await stranger.create(order(arrival))).verdict is Verdict.UNKNOWN


async def _found(adapter: Pms, key: str) -> list[object]:
    """What is there, once it answers again."""
    for _ in range(50):
        try:
            return list(await adapter.find(key))
        except Unavailable:
            continue
    raise AssertionError("it did not come back")


def _days(arrival: dt.date) -> list[dt.date]:
    return [arrival + dt.timedelta(days=day) for day in (-1, 0, 1)]
