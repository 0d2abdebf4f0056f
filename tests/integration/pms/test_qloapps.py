"""QloApps' traps, as they were met: each is in the fake system, and the adapter steps over it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from meshkit.errors import FailedPrecondition
from sandbox.pms.app import Addresses
from sandbox.pms.client import PmsControl
from services.booking.domain import ReservationState
from services.booking.pms.http import Hosts
from services.booking.pms.port import SOLD_OUT, Endpoint, Verdict
from services.booking.pms.qloapps import forms
from services.booking.pms.qloapps.adapter import QloAppsPms
from services.booking.pms.store import Kind
from tests.integration.pms.front import Front, Running, connection, stay_from
from tests.integration.pms.test_adapters import order
from tests.waiting import eventually

CROWD, ROOMS = 12, 5


@pytest.fixture
def qloapps(addresses: Addresses, pms: PmsControl, hosts: Hosts) -> QloAppsPms:
    """The adapter without its guard."""
    return QloAppsPms(hosts, Endpoint(addresses.url, "h1", "h1"))


async def test_written_to_in_parallel_it_double_books(
    qloapps: QloAppsPms, pms: PmsControl, arrival: dt.date
) -> None:
    """Why writes take turns: the fake one has the race of the real one."""
    await pms.property("h1", {"double": ROOMS})
    made = await asyncio.gather(*(qloapps.create(order(arrival)) for _ in range(CROWD)))
    said = sum(one.verdict is Verdict.CONFIRMED for one in made)
    kept = len(await pms.bookings("h1"))
    assert said > ROOMS
    assert kept != ROOMS
    assert kept < said  # Some were cancelled silently, behind an answer of 200.


async def test_in_turns_across_replicas_each_room_is_sold_once(
    fronts: Callable[..., Awaitable[Front]], pms: PmsControl, addresses: Addresses, arrival: dt.date
) -> None:
    replicas = [await fronts(), await fronts()]
    # There are more rooms here than there, so that its answer decides.
    await pms.property("h1", {"SGL": 2, "DBL": 2, "SUI": 1})
    here = connection(addresses.url, kind=Kind.QLOAPPS, version=1)
    await replicas[0].store.set_connection(here)
    for one in replicas:
        one.connections.outdate()
    async with Running(*replicas):
        booked = [await replicas[0].book(f"g{n}", "double", stay_from(arrival)) for n in range(5)]

        async def decided() -> bool:
            states = [await replicas[0].state(one.reservation_id) for one in booked]
            return ReservationState.PENDING_PMS not in states

        await eventually(decided)
    states = Counter([await replicas[0].state(one.reservation_id) for one in booked])
    assert states == {ReservationState.CONFIRMED: 2, ReservationState.REFUSED: 3}
    assert len(await pms.bookings("h1")) == 2


async def test_the_total_is_what_the_guest_was_told(
    qloapps: QloAppsPms, pms: PmsControl, arrival: dt.date
) -> None:
    wanted = order(arrival, rooms=2)
    assert (await qloapps.create(wanted)).verdict is Verdict.CONFIRMED
    (there,) = await pms.bookings("h1")
    assert there["total"] == "402.00"
    assert there["key"] == wanted.key  # In the remark, for whoever reads it there.
    assert [room["adult_count"] for room in there["rooms"]] == [2, 2]
    assert (await qloapps.quote(wanted)).total == 400  # What it would have asked by itself.


async def test_only_for_want_of_a_room_it_is_sold_out(
    qloapps: QloAppsPms, pms: PmsControl, arrival: dt.date
) -> None:
    """Whatever is wrong with a request is answered with the same code."""
    wrong = await qloapps.create(replace(order(arrival), currency_code="USD"))
    assert (wrong.verdict, wrong.reason) == (Verdict.REJECTED, "QLOAPPS_404")
    await pms.property("h1", {"double": 0})
    full = await qloapps.create(order(arrival))
    assert (full.verdict, full.reason) == (Verdict.REJECTED, SOLD_OUT)


async def test_rooms_of_one_type_are_named_together(
    qloapps: QloAppsPms, pms: PmsControl, arrival: dt.date
) -> None:
    """Named apart, the last one alone would be booked, and cancelled."""
    made = await qloapps.create(order(arrival, rooms=2))
    (there,) = await pms.bookings("h1")
    assert len(there["rooms"]) == 2
    assert (await qloapps.cancel(made.booking_id)).verdict is Verdict.CONFIRMED
    assert await pms.bookings("h1") == []


async def test_an_answer_of_200_is_no_booking_before_its_rooms_say_so(
    qloapps: QloAppsPms, pms: PmsControl, arrival: dt.date
) -> None:
    wanted = order(arrival)
    made = await qloapps.create(wanted)
    await pms.cancel("h1", made.booking_id)
    (found,) = await qloapps.find(wanted.key)
    assert not found.active


async def test_the_version_is_detected_and_an_older_one_refused(
    qloapps: QloAppsPms, pms: PmsControl
) -> None:
    assert (await qloapps.capabilities()).system == "QloApps 1.6, Hotel"
    assert {"bookings", "hotels"} <= set((await qloapps.capabilities()).resources)
    assert not (await qloapps.capabilities()).parallel_writes
    await pms.mode("up", qloapps_version="1.7")
    assert (await qloapps.capabilities()).system == "QloApps 1.7, Hotel"
    await pms.mode("up", qloapps_version="1.5")
    with pytest.raises(FailedPrecondition, match="cannot use bookings, hotel_ari"):
        await qloapps.capabilities()


async def test_a_month_is_asked_for_in_pieces(
    qloapps: QloAppsPms, pms: PmsControl, arrival: dt.date
) -> None:
    told = await qloapps.availability(arrival, arrival + dt.timedelta(days=90))
    assert len(told.nights) == 2 * 90
    assert (await pms.report())["calls"]["h1"]["read"] == 3


def test_an_answer_with_definitions_of_its_own_is_not_read() -> None:
    with pytest.raises(ValueError, match="definitions"):
        forms.parse(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    with pytest.raises(ValueError, match="no XML"):
        forms.parse(b"<html>502")


def test_a_key_is_found_again_in_its_address() -> None:
    assert forms.key_of(forms.address_of("cj:0b-1")) == "cj:0b-1"
    assert forms.key_of("ana@gmail.com") == ""
