"""What the control of the fake system does not understand is the caller's fault, and told."""

from __future__ import annotations

import aiohttp
import pytest

from sandbox.pms.app import Addresses


@pytest.mark.parametrize("body", ["{", "", "[1]", '"mode"', '{"seconds": "soon"}', "\xff"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "properties"),
        ("POST", "bookings"),
        ("POST", "faults"),
        ("PUT", "faults"),
        ("POST", "restart"),
    ],
)
async def test_a_body_that_makes_no_sense_is_400(
    addresses: Addresses, method: str, path: str, body: str
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{addresses.control}/control/{path}", data=body) as answer,
    ):
        told = await answer.text()
        # Nobody has the hotel that no booking names.
        assert answer.status == 400 or (path == "bookings" and answer.status == 404), told
        assert told
