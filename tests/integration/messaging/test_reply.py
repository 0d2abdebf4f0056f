"""From the inbox to the Graph API."""

from __future__ import annotations

from conserje.messaging.v1.messaging_service_pb2 import BatchIngestEventsRequest

from tests.integration.messaging.mesh import Mesh, text


async def test_a_message_is_answered_by_one_accepted_send(mesh: Mesh) -> None:
    stub = await mesh.start()
    request = BatchIngestEventsRequest(items=[text("hola", phone="34600000007")])
    response = await stub.BatchIngestEvents(request, timeout=5)
    assert [result.value.duplicate for result in response.results] == [False]
    (sent,) = await mesh.accepted(1)
    assert sent["to"] == "34600000007"
    await mesh.until_quiet()
    assert len(mesh.graph.accepted) == 1
    row = await mesh.row("SELECT state, wamid, answers FROM outbox")
    assert (row["state"], row["wamid"]) == ("SENT", sent["wamid"].encode())
    assert row["answers"] == [await mesh.admin.fetchval("SELECT inbox_id FROM inbox")]
