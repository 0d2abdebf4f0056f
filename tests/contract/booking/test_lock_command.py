"""`conserje lock`, against the running service."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cli.command import main
from tests.contract.booking.test_booking_contract import Call, lock_request
from tests.integration.booking.hotel import Hotel


async def test_staff_list_show_release_and_read_what_happened(
    grpc_stub: Any, grpc_addr: str, call: Call, hotel: Hotel, capsys: pytest.CaptureFixture[str]
) -> None:
    async def conserje(*words: str) -> tuple[int, str, str]:
        verb, *rest = words
        typed = ["lock", verb, hotel.tenant_id, *rest, "--target", grpc_addr]
        code = await asyncio.to_thread(main, typed)
        return code, *capsys.readouterr()

    lock = (await call(grpc_stub.AcquireLock, lock_request(hotel, guest_id="ana"))).lock
    code, out, _ = await conserje("list", "--guest", "ana", "--type", "suite")
    assert code == 0
    assert lock.lock_id in out
    assert "201.00 EUR  guest ana" in out
    assert lock.owner_token not in out
    assert (await conserje("list", "--guest", "luis"))[:2] == (0, "no live locks\n")

    owned = (lock.lock_id, "--owner-token", lock.owner_token)
    assert "  LIVE  " in (await conserje("show", *owned))[1]
    code, _, err = await conserje("release", lock.lock_id, "--owner-token", "mine")
    assert code == 1
    assert "PERMISSION_DENIED NOT_LOCK_OWNER" in err
    assert "  RELEASED  " in (await conserje("release", *owned))[1]
    assert (await conserje("list"))[:2] == (0, "no live locks\n")

    code, out, _ = await conserje("events", "--lock", lock.lock_id)
    assert code == 0
    assert [line.split()[2] for line in out.splitlines()] == ["GRANTED", "RELEASED"]
    assert (await conserje("events"))[1] == out
