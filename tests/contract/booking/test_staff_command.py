"""`conserje reservation` against the real service."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from conserje.tenant.v1.tenant_pb2 import Tenant

from cli.booked import booked
from cli.command import main
from tests.contract.booking.test_booking_contract import Call, lock_request
from tests.contract.booking.test_reservation_contract import create_request, set_terms
from tests.integration.booking.hotel import Hotel

ONE_NIGHT = {"kind": "NIGHTS", "value": "1"}


class Desk:
    """The reception of one hotel; the command runs in this process, beside the server."""

    def __init__(self, hotel: Hotel, target: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._hotel, self._place = hotel.tenant_id, ("--target", target)
        self._capsys = capsys

    async def __call__(self, action: str, *arguments: str) -> str:
        """What an action prints when it succeeds."""
        code, out, err = await self._run(action, *arguments)
        assert (code, err) == (0, "")
        return out

    async def refused(self, action: str, *arguments: str) -> str:
        """What an action says when it does not."""
        code, _, err = await self._run(action, *arguments)
        assert code in (1, 2)
        return err

    async def _run(self, action: str, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        typed = ("reservation", action, self._hotel, *arguments, *self._place)
        code = await asyncio.to_thread(_main, typed)
        return (code, *self._capsys.readouterr())


def _main(typed: tuple[str, ...]) -> int:
    try:
        return main(typed)
    except SystemExit as end:  # argparse's way to refuse
        return end.code if isinstance(end.code, int) else 1


@pytest.fixture
def desk(hotel: Hotel, grpc_addr: str, capsys: pytest.CaptureFixture[str]) -> Desk:
    """The reception of the test's hotel."""
    return Desk(hotel, grpc_addr, capsys)


async def book(grpc_stub: Any, call: Call, hotel: Hotel, first: int = 10) -> str:
    """The code of a double and a single for two nights."""
    dates = hotel.stay(first)
    request = create_request(hotel)
    for day, into in (
        (dates.check_in, request.check_in_date),
        (dates.check_out, request.check_out_date),
    ):
        into.year, into.month, into.day = day.year, day.month, day.day
    reservation = (await call(grpc_stub.CreateReservation, request)).reservation
    return str(reservation.confirmation_code)


async def test_a_day_at_the_desk(grpc_stub: Any, call: Call, hotel: Hotel, desk: Desk) -> None:
    code = await book(grpc_stub, call, hotel, 0)
    later = await book(grpc_stub, call, hotel, 5)
    head, *lines = (await desk("list")).splitlines()
    assert head.split() == ["code", "arrival", "departure", "state", "total", "rooms"]
    assert [line.split()[0] for line in lines] == [code, later]
    assert lines[0].split()[3:] == ["confirmed", "402.00", "EUR", "double", "1,", "single", "1"]
    assert "checked in" in await desk("check-in", code.lower())
    tonight = await desk("list", "--night", str(hotel.today), "--state", "checked_in")
    assert code in tonight
    assert later not in tonight
    both = await desk.refused("list", "--night", str(hotel.today), "--from", str(hotel.today))
    assert "--night is who sleeps here" in both
    assert "WRONG_STATE" in await desk.refused("no-show", code)
    assert "checked out" in await desk("check-out", code, "--reason", "family matters")
    shown = await desk("show", code)
    assert "room 2     single, 1 adult, 1 child, 1, 201.00 EUR" in shown
    by_code = "SELECT reservation_id::text FROM reservation WHERE confirmation_code = $1"
    assert await desk("show", await hotel.sql.fetchval(by_code, code)) == shown
    assert shown.splitlines()[-1].endswith(": family matters")
    assert [line.split("  ")[-1].partition(" by ")[0] for line in shown.splitlines()[-3:]] == [
        "confirm",
        "check in",
        "check out",
    ]


async def test_a_penalty_is_quoted_before_it_is_owed(
    grpc_stub: Any, call: Call, hotel: Hotel, desk: Desk
) -> None:
    step = {"hours_before": 10_000, "penalty": ONE_NIGHT}
    await set_terms(hotel, {"cancellation": [step], "check_in": "00:00", "no_show": ONE_NIGHT})
    code = await book(grpc_stub, call, hotel)
    assert (await desk("cancel", code)).splitlines() == [
        "cancelling costs 201.00 EUR",
        "to do it: --accept 201.00, or --waive",
    ]
    assert "PENALTY_CHANGED" in await desk.refused("cancel", code, "--accept", "200")
    cancelled = await desk("cancel", code, "--accept", "201.00")
    assert f"{code}  cancelled" in cancelled
    assert "penalty    201.00 EUR" in cancelled
    for more in ((), ("--waive",)):
        already = f"{code} is cancelled already: nothing was changed\n"
        assert await desk("cancel", code, *more) == already
    waived = await desk("cancel", await book(grpc_stub, call, hotel), "--waive")
    assert "penalty    0.00 EUR" in waived
    missed = await desk("no-show", await book(grpc_stub, call, hotel, 0))
    assert "penalty    201.00 EUR" in missed


async def test_other_dates_and_rooms(grpc_stub: Any, call: Call, hotel: Hotel, desk: Desk) -> None:
    code = await book(grpc_stub, call, hotel)
    departure = str(hotel.stay(10, 3).check_out)
    wanted = ("--check-out", departure, "--room", "suite:2:1")
    assert departure in await desk("modify", code, *wanted, "--accept", "500")
    said = await desk.refused("modify", code, "--room", "suite:2:1", "--room", "double:2")
    assert "TOTAL_PRICE_CHANGED" in said
    assert "total_price: 603.00" in said
    assert "one is needed" in await desk.refused("modify", code, "--reason", "nothing to change")
    assert "is not TYPE:ADULTS" in await desk.refused("modify", code, "--room", "suite")
    much = ("--room", "suite:2", "--accept", "much")
    assert "is not an amount" in await desk.refused("modify", code, *much)
    assert "is not a day" in await desk.refused("modify", code, "--check-in", "soon")


async def test_a_deposit_at_the_desk(grpc_stub: Any, call: Call, hotel: Hotel, desk: Desk) -> None:
    await set_terms(hotel, {"deposit": ONE_NIGHT})
    code = await book(grpc_stub, call, hotel)
    assert "deposit    201.00 EUR, due " in await desk("show", code)
    assert "WRONG_STATE" in await desk.refused("deposit", code, "reject")
    assert f"{code}  confirmed" in await desk("deposit", code, "approve")
    assert "RESERVATION_UNKNOWN" in await desk.refused("show", json.dumps("nobody"))


async def test_whoever_deletes_a_hotel_hears_of_guests_to_come_and_rooms_kept(
    grpc_stub: Any, grpc_addr: str, call: Call, hotel: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSERJE_TARGET_BOOKING", grpc_addr)
    tenant = Tenant(tenant_id=hotel.tenant_id, time_zone="Europe/Madrid")
    told = await asyncio.to_thread(booked, tenant, "")
    assert told == "0 reservations from today on, and 0 live locks"
    await book(grpc_stub, call, hotel)
    await call(grpc_stub.AcquireLock, lock_request(hotel))
    told = await asyncio.to_thread(booked, tenant, "")
    assert told == "1 reservation from today on, and 1 live lock"
    assert "was not found" in booked(tenant, "127.0.0.1:1")
