"""Posts signed bodies as Meta does, and reads back what was stored."""

from __future__ import annotations

import json
from collections import Counter

import aiohttp
import asyncpg
from conserje.messaging.v1.event_pb2 import InboundEvent

from sandbox.mesh import Mesh
from tests import bodies
from tests.unit.gateway.expectations import payload_of

# An event is kept with what it is about: a message or an update, a status, or what nobody owns.
STORED = """
SELECT event FROM inbox
UNION ALL SELECT event FROM delivery_status
UNION ALL SELECT q.event FROM quarantine q
WHERE NOT EXISTS (SELECT FROM inbox i WHERE i.inbox_id = q.inbox_id)
"""


async def post(mesh: Mesh, data: bytes, signature: str | None = None) -> int:
    """Post a body; the HTTP status. Signed with the app's secret unless told otherwise."""
    if signature is None:
        signature = bodies.sign(data, mesh.credentials.app_secret)
    headers = {"X-Hub-Signature-256": signature, "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(mesh.webhook_url, data=data, headers=headers) as response,
    ):
        await response.read()
        return response.status


async def stored(mesh: Mesh) -> list[InboundEvent]:
    """Every event that is kept, wherever it is kept."""
    connection = await asyncpg.connect(mesh.databases["messaging"].owner_url)
    try:
        return [InboundEvent.FromString(row["event"]) for row in await connection.fetch(STORED)]
    finally:
        await connection.close()


async def stored_payloads(mesh: Mesh) -> Counter[str]:
    """How often each payload is kept, as canonical JSON."""
    return Counter(canonical(payload_of(event)) for event in await stored(mesh))


def canonical(payload: bodies.Json | None) -> str:
    """One text for equal payloads."""
    return json.dumps(payload, sort_keys=True)
