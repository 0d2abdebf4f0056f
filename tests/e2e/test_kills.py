"""`kill -9` of any process at any moment: nothing acknowledged is lost, nothing is said twice."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import pytest

from sandbox.mesh import Mesh
from sandbox.servers import Given
from tests.e2e.folders import mesh_folder
from tests.e2e.guests import LUNA, MIRADOR

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("CONSERJE_TEST_SEED", "20261123"))
PROCESSES = ("gateway", "tenant", "booking", "messaging-1", "messaging-2")
TALKERS = 4
# Longer than a killed process needs to be back on a busy machine, as 90 s are in production: the
# statuses of an outage that lasts beyond it come too late to tell.
SETTLE_SECONDS = "30"
QUIET_SECONDS = 240.0

NAMED = """
SELECT i.inbox_id, count(o.outbox_id) AS answers
FROM inbox i LEFT JOIN outbox o ON i.inbox_id = ANY (o.answers)
WHERE i.kind = 'message' GROUP BY i.inbox_id
"""
OPEN = """
SELECT (SELECT count(*) FROM inbox WHERE state = 'PENDING')
     + (SELECT count(*) FROM effect WHERE state IN ('OPEN', 'ANSWERED'))
     + (SELECT count(*) FROM outbox WHERE state IN ('PENDING', 'SENDING', 'UNKNOWN'))
"""


@pytest.fixture
async def fragile(run_servers: Given) -> AsyncIterator[Mesh]:
    """A mesh of its own with two replicas of messaging and short leases."""
    env = {
        "CONSERJE_MESSAGING_BURST_PAUSE_SECONDS": "0",
        "CONSERJE_MESSAGING_LEASE_SECONDS": "2",
        "CONSERJE_MESSAGING_GRAPH_TIMEOUT_SECONDS": "1.5",
        "CONSERJE_MESSAGING_SEND_LEASE_SECONDS": "2",
        "CONSERJE_MESSAGING_SETTLE_AFTER_SECONDS": SETTLE_SECONDS,
        "CONSERJE_MESSAGING_SETTLE_BLOCK_SECONDS": "1",
    }
    with mesh_folder() as folder:
        processes = ("graph", *PROCESSES)
        async with Mesh(folder, given=run_servers, processes=processes, env=env) as mesh:
            yield mesh


@pytest.mark.parametrize(
    "kills", [pytest.param(15, id="short"), pytest.param(50, id="full", marks=pytest.mark.soak)]
)
async def test_every_acknowledged_message_is_answered_once(fragile: Mesh, kills: int) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    crowd = Crowd(fragile)
    talking = [asyncio.create_task(crowd.talk()) for _ in range(TALKERS)]
    restarts: dict[str, asyncio.Task[None]] = {}
    try:
        for _ in range(kills):
            # The moment is a number of accepted sends, so that it falls anywhere in the work.
            await crowd.wait_for_sends(chance.randint(0, 8))
            victim = chance.choice(PROCESSES)
            if victim in restarts:
                await restarts[victim]
            await fragile.kill(victim)
            restarts[victim] = asyncio.create_task(fragile.start(victim))
        await asyncio.gather(*restarts.values())
    finally:
        crowd.hushed = True
        await asyncio.gather(*talking)
    await crowd.settle()
    await crowd.check()


class Crowd:
    """Guests who each say one thing, and what must have become of it."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self.hushed = False
        self._said: list[str] = []
        self._next = 34_610_000_000
        self._database_url = mesh.databases["messaging"].owner_url

    async def talk(self) -> None:
        """One guest after another, as fast as the gateway takes them; Meta repeats what it must."""
        while not self.hushed:
            await self.say(wait=0.3)

    async def say(self, wait: float = 0) -> None:
        """The next guest says hello to one of the hotels."""
        self._next += 1
        hotel = MIRADOR if self._next % 2 else LUNA
        sent = await self._mesh.graph.send(str(self._next), hotel, text="hola", wait=wait)
        self._said.append(sent["id"])

    async def wait_for_sends(self, count: int) -> None:
        """Return when so many more sends were accepted, or none came for a while."""
        _, after = await self._mesh.graph.messages(after=2**31)
        for _ in range(count):
            _, after = await self._mesh.graph.messages(after=after, wait=1)

    async def settle(self) -> None:
        """Until nothing is under way. Guests go on talking meanwhile, one at a time: a send of
        unknown outcome is repeated only when other statuses of its number have come."""
        async with asyncio.timeout(QUIET_SECONDS):
            await self._mesh.graph.settled(QUIET_SECONDS)
            while await self._fetchval(OPEN):
                await self.say(wait=5)
                await self._mesh.graph.settled(QUIET_SECONDS)

    async def check(self) -> None:
        """Every message named by one answer, every answer accepted once."""
        named = {row["inbox_id"]: row["answers"] for row in await self._fetch(NAMED)}
        states = {row["state"] for row in await self._fetch("SELECT DISTINCT state FROM outbox")}
        accepted = await self._mesh.graph.accepted()
        per_message = Counter(one["biz_opaque_callback_data"] for one in accepted)
        per_guest = Counter(one["to"] for one in accepted)
        assert set(named.values()) == {1}, "every inbound message is named by exactly one answer"
        assert states == {"SENT"}
        assert set(per_message.values()) == {1}, "no message of ours was accepted twice"
        assert set(per_guest.values()) == {1}, "no guest heard anything twice"
        assert len(named) == len(per_guest) == len(self._said)

    async def _fetchval(self, sql: str) -> int:
        return int((await self._fetch(sql))[0][0])

    async def _fetch(self, sql: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._database_url)
        try:
            return list(await connection.fetch(sql))
        finally:
            await connection.close()
