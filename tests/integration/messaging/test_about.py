"""A question about the hotel, from the inbox to the hotel's own words."""

from __future__ import annotations

from conserje.messaging.v1.messaging_service_pb2 import BatchIngestEventsRequest

from tests.integration.messaging.mesh import Mesh, text


async def test_a_guest_is_told_the_hotels_own_words_in_their_language(mesh: Mesh) -> None:
    stub = await mesh.start()
    asked = [
        text("¿hay wifi?", phone="34600000001"),
        text("Is there wifi?", phone="34600000002"),
        text("¿tenéis wifi?", phone="34600000003"),
        text("do you have a pool?", phone="34600000004"),
        text("when can we arrive?", phone="34600000005"),
    ]
    for item in asked:
        await stub.BatchIngestEvents(BatchIngestEventsRequest(items=[item]), timeout=5)
        await mesh.until_quiet()
    told = {sent["to"]: sent["text"]["body"] for sent in await mesh.accepted(5)}
    assert told["34600000001"] == told["34600000003"] == "Hay wifi gratis."
    assert told["34600000002"] == "There is free wifi."
    assert "no information about the pool" in told["34600000004"]
    assert told["34600000005"] == "Check-in is from 2:00 PM on."
    assert mesh.tenants.profiles_asked == 2
