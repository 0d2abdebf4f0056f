"""64 guests want the one suite for overlapping nights, over WhatsApp, at once."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import asyncpg
import pytest

from sandbox.mesh import Mesh
from tests.e2e.guests import Guest
from tests.e2e.logs import unexpected

pytestmark = pytest.mark.e2e

GUESTS = 64


async def test_one_reservation_and_63_guests_are_told_the_truth(mesh: Mesh) -> None:
    arrive = date.today() + timedelta(days=200)
    stays = [(arrive + timedelta(days=n % 3), arrive + timedelta(days=3 + n % 2)) for n in range(3)]
    guests = [Guest(mesh) for _ in range(GUESTS)]
    told = await asyncio.gather(
        *(_book(guest, *stays[n % len(stays)]) for n, guest in enumerate(guests))
    )
    sold = await _suites(mesh, arrive, arrive + timedelta(days=5))
    assert sold == 1
    assert told.count("booked") == 1
    assert told.count("taken") == GUESTS - 1
    assert not unexpected(mesh)


async def _book(guest: Guest, arrive: date, leave: date) -> str:
    """`booked` or `taken`, as the guest was told; anything else fails."""
    reply = await guest.say(
        f"suite del {arrive.isoformat()} al {leave.isoformat()} para 2", timeout=90
    )
    if not reply.buttons and any("suite" in title.lower() for title in reply.rows.values()):
        reply = await guest.tap(reply.row("suite"), timeout=90)
    if any("confirmar" in title.lower() for title in reply.buttons.values()):
        reply = await guest.tap(reply.button("Confirmar"), timeout=90)
        assert "reserva" in reply.text.lower(), reply.text
        return "booked"
    assert "suite" in reply.text.lower(), reply.text
    assert reply.rows, "what is free is offered"
    return "taken"


async def _suites(mesh: Mesh, start: date, end: date) -> int:
    connection = await asyncpg.connect(mesh.databases["booking"].owner_url)
    try:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM stay WHERE tenant_id = 'hotel-mirador'"
                " AND room_type_id = 'suite' AND occupying AND nights && daterange($1, $2)",
                start,
                end,
            )
        )
    finally:
        await connection.close()
