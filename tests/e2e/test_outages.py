"""What is away is survived, told truthfully, and found again without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest
from redis.asyncio import Redis

from sandbox.mesh import Mesh
from tests.e2e.folders import NO_PAUSE, mesh_folder
from tests.e2e.guests import Guest
from tests.e2e.logs import unexpected

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
async def fragile() -> AsyncIterator[Mesh]:
    """A mesh with servers of its own, to be stopped."""
    with mesh_folder() as folder:
        async with Mesh(folder, env=NO_PAUSE) as mesh:
            yield mesh


async def _book(mesh: Mesh, offset: int, *, again: bool = False) -> str:
    """Book a double room, trying `again` while asked to; the text of the last reply."""
    arrive = date.today() + timedelta(days=offset)
    guest = Guest(mesh)
    offer = await guest.say(f"doble del {arrive} al {arrive + timedelta(days=2)} para 2")
    while again and "Intentar de nuevo" in offer.buttons.values():
        offer = await guest.tap(offer.button("Intentar de nuevo"))
    if not offer.buttons:
        offer = await guest.tap(offer.row("doble"))
    return (await guest.tap(offer.button("Confirmar"))).text


async def test_redis_emptied_and_stopped_is_noticed_by_nobody(fragile: Mesh) -> None:
    redis = fragile.servers.redis
    assert redis is not None
    assert "reserva" in (await _book(fragile, 30)).lower()
    async with Redis.from_url(redis.admin_url) as admin:
        await admin.flushall()
    assert "reserva" in (await _book(fragile, 30)).lower()
    await asyncio.to_thread(redis.stop)
    assert "reserva" in (await _book(fragile, 30)).lower()
    assert not await fragile.not_ready("booking"), "Redis is no part of readiness"
    await asyncio.to_thread(redis.start)
    assert "reserva" in (await _book(fragile, 30)).lower()
    assert not unexpected(fragile)


async def test_without_the_tenant_service_messages_are_answered_or_wait(fragile: Mesh) -> None:
    await _says_hola(fragile, "34655500000")
    await _is_answered(fragile, "34655500000")
    await fragile.kill("tenant")
    await _says_hola(fragile, "34655500001")
    await _is_answered(fragile, "34655500001")
    # A process that starts now has no copy of the directory.
    await fragile.restart("messaging")
    await _says_hola(fragile, "34655500002")
    assert 'degraded{what="directory"} 1.0' in await fragile.metrics("messaging")
    await fragile.start("tenant")
    await _is_answered(fragile, "34655500002")


async def _says_hola(mesh: Mesh, guest: str) -> None:
    sent = await mesh.graph.send(guest, "100000000000001", text="hola", wait=10)
    assert sent["delivered"], "stored without the tenant service"


async def _is_answered(mesh: Mesh, guest: str) -> None:
    (reply,) = await mesh.graph.replies(guest, timeout=30)
    assert "Hotel Mirador" in str(reply["body"])


async def test_webhooks_get_503_without_postgres_and_none_is_lost(fragile: Mesh) -> None:
    postgres = fragile.servers.postgres
    assert postgres is not None
    await asyncio.to_thread(postgres.stop)
    guests = [str(34_655_600_000 + n) for n in range(20)]
    for guest in guests:
        sent = await fragile.graph.send(guest, "100000000000001", text="hola")
        assert not sent["delivered"]
    report = await fragile.graph.report()
    while "503" not in str(report["webhook_last_refusal"]):
        await asyncio.sleep(0.05)
        report = await fragile.graph.report()
    await asyncio.to_thread(postgres.start)
    for guest in guests:
        (reply,) = await fragile.graph.replies(guest, timeout=60)
        assert "Hotel Mirador" in str(reply["body"])
    await fragile.wait_ready("booking")
    # A server that just came back may be slow with the first question; then the guest is asked to
    # try again, and nobody has to restart anything.
    assert "reserva" in (await _book(fragile, 35, again=True)).lower()
