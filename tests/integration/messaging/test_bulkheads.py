"""What hangs in one hotel takes no slot that another hotel needs."""

from __future__ import annotations

from tests.integration.messaging.mesh import NUMBER, Mesh, text

OTHER, HOTEL = "999", "hotel-other"
SLOTS, SHARE = 8, 4
STATES = "SELECT count(*) FROM outbox WHERE tenant_id = $1 AND state = $2"


async def _hung(mesh: Mesh) -> None:
    """A hotel with many messages has its share under way, and all of that hangs."""
    mesh.tenants.add(OTHER, HOTEL)
    mesh.graph.stuck = {NUMBER: 0}
    stub = await mesh.start(send_concurrency=SLOTS, send_share=SHARE)
    await mesh.say(stub, *(text(phone=f"346{guest:08}") for guest in range(30)))
    await mesh.until_answered(30)
    await mesh.until(STATES, "hotel-mirador", "SENDING", value=SHARE)


async def _says(mesh: Mesh, count: int) -> None:
    stub = mesh.stub(mesh.kits[0].ports["grpc"])
    await mesh.say(stub, *(text(phone=f"347{n:08}", number=OTHER) for n in range(count)))


async def test_no_send_waits_for_a_slot_that_another_hotel_holds(mesh: Mesh) -> None:
    await _hung(mesh)
    # As many as the other hotel may have under way: each gets a slot, and hangs in it.
    mesh.graph.stuck[OTHER] = 0
    await _says(mesh, SHARE)
    await mesh.until_answered(30 + SHARE)
    await mesh.until(STATES, HOTEL, "SENDING", value=SHARE)
    assert await mesh.admin.fetchval(STATES, HOTEL, "PENDING") == 0
    assert await mesh.admin.fetchval(STATES, "hotel-mirador", "SENDING") == SHARE


async def test_a_flood_goes_out_past_another_hotels_hanging_sends(mesh: Mesh) -> None:
    await _hung(mesh)
    await _says(mesh, 40)
    assert len(await mesh.accepted(40)) == 40
    await mesh.until(STATES, HOTEL, "SENT", value=40)
    # Not one of the noisy hotel's sends ended meanwhile, and it got no more slots.
    assert mesh.graph.stuck[NUMBER] == SHARE
    assert await mesh.admin.fetchval(STATES, "hotel-mirador", "PENDING") == 30 - SHARE
    mesh.graph.release.set()
    await mesh.until(STATES, "hotel-mirador", "SENT", value=30)
