"""Posts signed bodies as Meta does, and reads back what was stored."""

from __future__ import annotations

import json
from collections import Counter

import aiohttp
import asyncpg
from conserje.messaging.v1.event_pb2 import InboundEvent

from sandbox.mesh import Mesh
from services.messaging.store.archive import Archived
from tests import bodies
from tests.integration.messaging.test_archive import SELECT as ARCHIVED
from tests.integration.messaging.test_archive import sealer
from tests.unit.gateway.expectations import payload_of

# What could not be stored as what it is, and so is in no archive.
ASIDE = """
SELECT q.event FROM quarantine q
WHERE NOT EXISTS (SELECT FROM archive a WHERE a.inbox_id = q.inbox_id)
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
    """Every event that is kept: words go from the inbox with their step, the archive has all."""
    connection = await asyncpg.connect(mesh.databases["messaging"].owner_url)
    try:
        archived = [Archived(**dict(row)) for row in await connection.fetch(ARCHIVED)]
        kept = [row["event"] for row in await connection.fetch(ASIDE)]
    finally:
        await connection.close()
    keys = sealer(mesh.wiring.keys["messaging"])
    kept += [keys.open(item) for item in archived]
    return [InboundEvent.FromString(event) for event in kept]


async def stored_payloads(mesh: Mesh) -> Counter[str]:
    """How often each payload is kept, as canonical JSON."""
    return Counter(canonical(payload_of(event)) for event in await stored(mesh))


def canonical(payload: bodies.Json | None) -> str:
    """One text for equal payloads."""
    return json.dumps(payload, sort_keys=True)
