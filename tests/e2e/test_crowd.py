"""Guests who write in bursts, out of order and twice, through replicas that are killed, to a
WhatsApp that fails: every message is answered once and in order, none of ours goes out twice."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import grpc
import pytest
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceStub,
)

from sandbox.mesh import Mesh
from sandbox.servers import Given
from sandbox.wiring import Process
from tests.e2e.folders import mesh_folder
from tests.e2e.guests import LUNA, MIRADOR

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("CONSERJE_TEST_SEED", "20261127"))
SIZES = {"short": (100, 10), "full": (1000, 20)}
BURST = 3
TOGETHER = 100
KILL_EVERY_SECONDS = 5.0
LOOK_SECONDS = 0.5
QUIET_SECONDS = 600.0
REPLICAS = ("messaging-1", "messaging-2")
# Errors after which the same message may be sent again; the others end it, as they should.
CODES = ("1", "2", "4", "80007", "130429", "131000", "131016", "133004")
MOOD = (
    *("--seed", str(SEED), "--fail", "0.1", "--fail-codes", *CODES),
    *("--fail-kinds", "error", "hang_up", "lose_answer", "accept_then_500", "delay"),
    *("--duplicate", "0.2", "--shuffle", "--latency", "0.1", "--batch-items", "20"),
)
ENV = {
    # What is shuffled stays within it, also where a commit takes a second.
    "CONSERJE_MESSAGING_BURST_PAUSE_SECONDS": "3",
    "CONSERJE_MESSAGING_LEASE_SECONDS": "2",
    "CONSERJE_MESSAGING_GRAPH_TIMEOUT_SECONDS": "1.5",
    "CONSERJE_MESSAGING_SEND_LEASE_SECONDS": "2",
    "CONSERJE_MESSAGING_SETTLE_AFTER_SECONDS": "6",
    "CONSERJE_MESSAGING_SETTLE_BLOCK_SECONDS": "1",
}

ANSWERS = """
SELECT i.inbox_id, count(o.outbox_id) AS answers
FROM inbox i LEFT JOIN outbox o ON i.inbox_id = ANY (o.answers)
WHERE i.kind = 'message' GROUP BY i.inbox_id
"""
IN_ORDER = """
SELECT o.mailbox_id, i.order_time
FROM outbox o CROSS JOIN unnest(o.answers) WITH ORDINALITY AS named (inbox_id, place)
JOIN inbox i USING (inbox_id) WHERE NOT i.late
ORDER BY o.mailbox_id, o.outbox_number, named.place
"""
# When a message was there for others to see: `arrive_time` is when storing it began, and on a
# busy machine beside killed replicas that may take seconds.
NOTE_STORED = """
CREATE TABLE stored (inbox_id bigint, time timestamptz);
CREATE FUNCTION note_stored() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO stored VALUES (NEW.inbox_id, clock_timestamp());
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER note_stored AFTER INSERT ON inbox DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION note_stored()
"""
# Nothing is answered after its successor that was there, but for its commit (1 s at most), while
# one waited for more: 3 s after the last message and 6 s after the first that it was answered with.
TOO_LATE = """
SELECT count(*) FROM inbox i JOIN stored s USING (inbox_id) WHERE i.late AND NOT EXISTS (
  SELECT FROM inbox n JOIN inbox first USING (mailbox_id, step_time)
  WHERE n.mailbox_id = i.mailbox_id AND n.order_time > i.order_time
    AND (n.arrive_time + interval '3 seconds' < s.time + interval '1 second'
      OR first.arrive_time + interval '6 seconds' < s.time + interval '1 second')
)
"""
OPEN = """
SELECT (SELECT count(*) FROM inbox WHERE state = 'PENDING')
     + (SELECT count(*) FROM outbox WHERE state IN ('PENDING', 'SENDING', 'UNKNOWN'))
"""

LOST = "SELECT count(*) FROM outbox WHERE state = 'UNKNOWN'"


@pytest.fixture
async def stormy(run_servers: Given) -> AsyncIterator[Mesh]:
    """Two replicas of messaging and a WhatsApp with a bad day."""
    processes = (Process("graph", MOOD), "tenant", "booking", *REPLICAS, "gateway")
    with mesh_folder() as folder:
        async with Mesh(folder, given=run_servers, processes=processes, env=ENV) as mesh:
            yield mesh


@pytest.mark.parametrize("size", ["short", pytest.param("full", marks=pytest.mark.soak)])
async def test_every_message_is_answered_once_and_in_order(stormy: Mesh, size: str) -> None:
    print(f"seed {SEED}")
    guests, messages = SIZES[size]
    sql = await asyncpg.connect(stormy.databases["messaging"].owner_url)
    try:
        await sql.execute(NOTE_STORED)
        async with _killing(stormy):
            await _write(stormy, guests, messages)
        await _settle(stormy, sql)
        await _check(stormy, sql, guests * messages)
    finally:
        await sql.close()


@asynccontextmanager
async def _killing(mesh: Mesh) -> AsyncIterator[None]:
    """A replica is killed every five seconds, one after the other, and started again."""
    over = asyncio.Event()

    async def kill() -> None:
        for name in itertools.cycle(REPLICAS):
            try:
                await asyncio.wait_for(over.wait(), KILL_EVERY_SECONDS)
            except TimeoutError:
                await mesh.kill(name)
                await mesh.start(name)
            else:
                return

    killer = asyncio.create_task(kill())
    yield
    over.set()
    await killer


async def _write(mesh: Mesh, guests: int, messages: int) -> None:
    """Everybody writes a burst, in any order; the next one when all of that has arrived.

    So many guests at once that a burst arrives within its pause, however it is shuffled.
    """
    chance = random.Random(SEED)
    start = int(time.time()) - messages
    for first in range(0, messages, BURST):
        burst = range(first, min(first + BURST, messages))
        for together in range(0, guests, TOGETHER):
            some = range(together, min(together + TOGETHER, guests))
            letters = [(guest, number) for guest in some for number in burst]
            chance.shuffle(letters)
            await asyncio.gather(*(_send(mesh, *letter, start) for letter in letters))
            await mesh.graph.settled(QUIET_SECONDS)


async def _send(mesh: Mesh, guest: int, number: int, start: int) -> None:
    text = {"type": "text", "text": {"body": f"mensaje {number}"}}
    message = {**text, "timestamp": str(start + number)}
    hotel = (MIRADOR, LUNA)[guest % 2]
    await mesh.graph.send(str(34_620_000_000 + guest), hotel, message=message)


async def _settle(mesh: Mesh, sql: asyncpg.Connection[asyncpg.Record]) -> None:
    """Until nothing is under way, on a good day. Other guests go on writing: what was lost is
    sent again only when statuses of other messages come; what was lost twice waits for a person."""
    await mesh.graph.clear_faults()
    others = itertools.count(34_630_000_000)
    async with asyncio.timeout(QUIET_SECONDS):
        while await sql.fetchval(OPEN):
            if await sql.fetchval(LOST):
                for hotel in (MIRADOR, LUNA):
                    await mesh.graph.send(str(next(others)), hotel, text="hola", wait=5)
                await _look(mesh)
            await asyncio.sleep(LOOK_SECONDS)


async def _look(mesh: Mesh) -> None:
    """A person settles what waits for one, by what the guests' phones show."""
    shown = {
        one["biz_opaque_callback_data"].rpartition("/")[2] for one in await mesh.graph.accepted()
    }
    async with grpc.aio.insecure_channel(mesh.address(REPLICAS[0]).grpc) as channel:
        stub = MessagingOperationsServiceStub(channel)
        for tenant_id in ("hotel-mirador", "posada-luna"):
            listed = await stub.ListUnknownSends(pb.ListUnknownSendsRequest(tenant_id=tenant_id))
            for send in listed.sends:
                if send.waits_for_person:
                    received = send.send_id in shown
                    await stub.SettleSend(
                        pb.SettleSendRequest(
                            tenant_id=tenant_id,
                            send_id=send.send_id,
                            attempt_count=send.attempt_count,
                            actor_id="test",
                            verdict=pb.SEND_VERDICT_RECEIVED
                            if received
                            else pb.SEND_VERDICT_NOT_RECEIVED,
                        )
                    )


async def _check(mesh: Mesh, sql: asyncpg.Connection[asyncpg.Record], least: int) -> None:
    named = {row["inbox_id"]: row["answers"] for row in await sql.fetch(ANSWERS)}
    assert len(named) >= least, "every message is there once"
    assert set(named.values()) == {1}, "each is named by exactly one answer"
    states = {row["state"] for row in await sql.fetch("SELECT DISTINCT state FROM outbox")}
    assert states == {"SENT"}
    for _, rows in itertools.groupby(await sql.fetch(IN_ORDER), lambda row: row["mailbox_id"]):
        times = [row["order_time"] for row in rows]
        assert times == sorted(times), "a guest's messages are answered in order"
    assert not await sql.fetchval(TOO_LATE)
    accepted = Counter(one["biz_opaque_callback_data"] for one in await mesh.graph.accepted())
    assert set(accepted.values()) == {1}, "no message of ours was accepted twice"
    assert len(accepted) == await sql.fetchval("SELECT count(*) FROM outbox")
