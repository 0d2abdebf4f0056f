"""What WhatsApp says of our messages, matched and only ever growing."""

from __future__ import annotations

import itertools
import random
from typing import Any
from uuid import UUID, uuid4

import pytest
from conserje.messaging.v1.event_pb2 import (
    DELIVERY_STATE_DELIVERED,
    DELIVERY_STATE_FAILED,
    DELIVERY_STATE_PLAYED,
    DELIVERY_STATE_READ,
    DELIVERY_STATE_SENT,
    DELIVERY_STATE_WARNING,
    DeliveryState,
)
from conserje.messaging.v1.messaging_service_pb2 import (
    BatchIngestEventsRequest,
    IngestEventRequest,
)

from services.messaging.opaque import make_opaque
from tests.integration.messaging.mesh import NUMBER, TENANT, Mesh, status

STATES = ("PENDING", "SENDING", "UNKNOWN", "SENT", "REJECTED")
LATTICE = {
    DELIVERY_STATE_SENT: 1,
    DELIVERY_STATE_DELIVERED: 2,
    DELIVERY_STATE_READ: 3,
    DELIVERY_STATE_PLAYED: 4,
    DELIVERY_STATE_FAILED: 9,
    DELIVERY_STATE_WARNING: 0,
}


async def message(mesh: Mesh, state: str, *, wamid: str = "", mailbox: int = 1) -> UUID:
    """An outgoing message in some state."""
    outbox_id = uuid4()
    await mesh.admin.execute(
        "INSERT INTO outbox (tenant_id, outbox_id, mailbox_id, phone_number_id, kind, body, "
        "answers, hold_for_person, traceparent, state, lease_until, wamid) "
        "VALUES ($1, $2, $3, $4, 'text', '{}', '{}', false, '', $5, now(), $6)",
        *(TENANT, outbox_id, mailbox, NUMBER, state, wamid.encode() or None),
    )
    return outbox_id


async def take(mesh: Mesh, *items: IngestEventRequest) -> None:
    stub = await mesh.start("serve")
    response = await stub.BatchIngestEvents(BatchIngestEventsRequest(items=items), timeout=10)
    assert all(result.HasField("value") for result in response.results)


async def found(mesh: Mesh, outbox_id: UUID) -> Any:
    return await mesh.row(
        "SELECT state, delivery, wamid, lease_until FROM outbox WHERE outbox_id = $1", outbox_id
    )


@pytest.mark.parametrize("state", STATES)
async def test_a_status_with_our_id_proves_the_send(mesh: Mesh, state: str) -> None:
    ours = await message(mesh, state)
    await take(
        mesh,
        status(DELIVERY_STATE_DELIVERED, wamid="wamid.1", opaque=make_opaque(TENANT, ours)),
    )
    assert tuple(await found(mesh, ours)) == ("SENT", 2, b"wamid.1", None)
    kept = await mesh.row("SELECT tenant_id, outbox_id FROM delivery_status")
    assert tuple(kept) == (TENANT, ours)


async def test_a_status_without_our_id_is_matched_by_the_wamid(mesh: Mesh) -> None:
    ours = await message(mesh, "SENT", wamid="wamid.2")
    await take(mesh, status(DELIVERY_STATE_READ, wamid="wamid.2"))
    assert (await found(mesh, ours))["delivery"] == 3


@pytest.mark.parametrize(
    "change",
    [{"number": "999"}, {"opaque": "hotel-other/{}"}, {"opaque": "{}"}, {"opaque": "\0/{}"}],
)
async def test_a_status_of_another_number_or_hotel_touches_nothing(
    mesh: Mesh, change: dict[str, str]
) -> None:
    ours = await message(mesh, "SENDING", wamid="wamid.3")
    named: dict[str, Any] = {"opaque": make_opaque(TENANT, ours), "wamid": "wamid.else"} | change
    named["opaque"] = named["opaque"].format(ours)
    await take(mesh, status(DELIVERY_STATE_READ, **named))
    assert (await found(mesh, ours))["state"] == "SENDING"
    assert await mesh.admin.fetchval("SELECT outbox_id FROM delivery_status") is None


async def test_whatever_the_order_the_delivery_only_grows(mesh: Mesh) -> None:
    stub = await mesh.start("serve")
    chance = random.Random(5)
    for number, states in enumerate(itertools.permutations(LATTICE, 3)):
        ours = await message(mesh, "SENT", mailbox=number)
        opaque = make_opaque(TENANT, ours)
        items = [status(state, wamid=f"wamid.{number}", opaque=opaque) for state in states]
        cut = chance.randint(0, 3)
        for part in (items[:cut], items[cut:]):
            if part:
                await stub.BatchIngestEvents(BatchIngestEventsRequest(items=part), timeout=5)
        best = max(LATTICE[state] for state in states)
        assert (await found(mesh, ours))["delivery"] == best, [
            DeliveryState.Name(state) for state in states
        ]
