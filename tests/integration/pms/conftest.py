"""A fake system in this process, and adapters that speak to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator

import pytest

from sandbox.pms.app import Addresses, serving
from sandbox.pms.client import PmsControl
from services.booking.pms.http import Hosts

ROOMS = {"double": 3, "suite": 1}


@pytest.fixture
async def addresses() -> AsyncIterator[Addresses]:
    """A running fake system."""
    async with serving() as running:
        yield running


@pytest.fixture
async def pms(addresses: Addresses) -> AsyncIterator[PmsControl]:
    """Its control, with the hotel `h1` in it: 3 `double`, 1 `suite`."""
    async with PmsControl(addresses.control) as control:
        await control.property("h1", ROOMS)
        yield control


@pytest.fixture
async def hosts() -> AsyncIterator[Hosts]:
    """Sessions of this test."""
    made = Hosts()
    yield made
    await made.close()


@pytest.fixture
def arrival() -> dt.date:
    """A day ahead."""
    return dt.datetime.now(dt.UTC).date() + dt.timedelta(days=10)
