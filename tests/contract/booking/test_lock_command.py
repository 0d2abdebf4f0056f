"""`conserje lock`, against the running service."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cli.command import main
from cli.user import user
from tests.contract.booking.test_booking_contract import Call, lock_request
from tests.integration.booking.hotel import Hotel
from tests.terminal import Terminal


@pytest.fixture
def conserje(
    grpc_addr: str, hotel: Hotel, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Awaitable[tuple[int, str, str]]]:
    """`await conserje(verb, …)`: how it ends, and what it says and complains of."""

    async def typed(verb: str, *rest: str) -> tuple[int, str, str]:
        words = ["lock", verb, hotel.tenant_id, *rest, "--target", grpc_addr]
        code = await asyncio.to_thread(main, words)
        return code, *capsys.readouterr()

    return typed


async def test_staff_list_show_release_and_read_what_happened(
    grpc_stub: Any, call: Call, hotel: Hotel, conserje: Callable[..., Any]
) -> None:
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


async def test_staff_free_what_a_guest_holds(
    grpc_stub: Any,
    call: Call,
    hotel: Hotel,
    conserje: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock = (await call(grpc_stub.AcquireLock, lock_request(hotel, guest_id="ana"))).lock
    why = ("--reason", "a wedding")
    code, out, err = await conserje("release", lock.lock_id, *why)
    assert (code, out) == (2, "")
    assert err.strip() == (
        f"conserje: nobody is there to be asked whether {lock.lock_id} is to be released: "
        "add --yes."
    )
    monkeypatch.setattr(sys, "stdin", Terminal("no\n"))
    code, out, err = await conserje("release", lock.lock_id, *why)
    assert (code, f"that is not {lock.lock_id}: nothing was released" in err) == (2, True)
    # Whose lock it is, before it is gone.
    assert out.startswith(f"{lock.lock_id}  LIVE ")
    assert "guest ana\nIts guest loses it" in out
    assert lock.lock_id in (await conserje("list"))[1]

    monkeypatch.setattr(sys, "stdin", Terminal(f"{lock.lock_id}\n"))
    code, out, _ = await conserje("release", lock.lock_id, *why)
    assert (code, "  RELEASED  " in out) == (0, True)
    assert (await conserje("list"))[:2] == (0, "no live locks\n")
    events = (await conserje("events", "--lock", lock.lock_id))[1].splitlines()
    assert events[-1].endswith(f"guest ana  by {user()}: a wedding")

    code, _, err = await conserje("release", lock.lock_id, "--yes")
    assert (code, "FAILED_PRECONDITION LOCK_RELEASED" in err) == (1, True)
    code, _, err = await conserje("release", lock.lock_id, "--owner-token", "mine", *why)
    assert (code, "goes without --owner-token" in err) == (2, True)
    code, _, err = await conserje("release", lock.lock_id, "--yes", "--reason", "x" * 201)
    assert (code, "  --reason: " in err) == (1, True)
