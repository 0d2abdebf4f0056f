"""8 processes with 200 guests each fight over 10 rooms while everything under them breaks."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from operator import itemgetter

import asyncpg
import pytest
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from redis.asyncio import Redis

from meshkit.config import Settings
from meshkit.kit import Kit
from sandbox.databases import DatabaseUrls
from sandbox.mesh import Mesh
from sandbox.servers import Given
from tests.conftest import PostgresServer
from tests.e2e.folders import mesh_folder
from tests.integration.booking.crowd import Crowd, Told
from tests.integration.booking.hotel import (
    SELECT_DRIFT,
    SELECT_UNEXPLAINED,
    Hotel,
    Sql,
)

REPLICAS = tuple(f"booking-{number}" for number in range(1, 9))
GUESTS = 200
ROOMS = {"single": 5, "double": 3, "suite": 2}
NIGHTS = 30
DEFINITE = {
    *("AcquireLock", "AcquireLock SOLD_OUT", "AcquireLock TOO_MANY_LOCKS"),
    *("ReleaseLock", "ExtendLock", "ExtendLock LOCK_EXPIRED"),
    *("ConfirmReservation", "ConfirmReservation LOCK_EXPIRED"),
    *("CreateReservation", "CreateReservation SOLD_OUT", "CancelReservation"),
}
"""All that a guest may hear in the end."""
NOT_RUN = DatabaseUrls("", "")

CUT = """
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM (
    SELECT pid FROM (
        SELECT pid, row_number() OVER (ORDER BY random()) AS place, count(*) OVER () AS open
        FROM pg_stat_activity
        WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
    ) a WHERE place * 10 <= open + 9
) chosen
"""
# A lock's hour passes for every tenth of them.
LAPSE_SOME = """
UPDATE room_lock SET create_time = create_time - interval '1 hour',
    expire_time = expire_time - interval '1 hour'
WHERE tenant_id = $1 AND state = 'LIVE' AND random() < 0.1
"""
LOCK_TYPES = """
SELECT FROM room_type WHERE tenant_id = $1 ORDER BY room_type_id FOR NO KEY UPDATE
"""
# Every reservation was booked once, by a lock that says so or directly, and is as its last event
# left it; no event is missing in between.
SELECT_UNEXPLAINED_RESERVATIONS = """
SELECT r.reservation_id
FROM reservation r
LEFT JOIN LATERAL (
    SELECT count(*) AS events, max(e.version) AS newest,
        (array_agg(e.action || ' ' || e.from_state ORDER BY e.version))[1] AS origin,
        (array_agg(e.to_state ORDER BY e.version DESC))[1] AS last_state
    FROM reservation_event e
    WHERE e.tenant_id = r.tenant_id AND e.reservation_id = r.reservation_id
) e ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS conversions
    FROM lock_audit a JOIN stay s ON s.tenant_id = r.tenant_id
        AND s.reservation_id = r.reservation_id AND s.room_type_id = a.room_type_id
        AND s.nights = daterange(a.check_in, a.check_out)
    WHERE a.tenant_id = r.tenant_id AND a.lock_id = r.lock_id AND a.event = 'CONVERTED'
        AND a.guest_id = r.guest_id
) a ON true
WHERE e.events <> r.version OR e.newest <> r.version OR e.last_state <> r.state
    OR e.origin <> CASE WHEN r.lock_id IS NULL THEN 'CONFIRM NEW' ELSE 'CONFIRM LOCKED' END
    OR a.conversions <> CASE WHEN r.lock_id IS NULL THEN 0 ELSE 1 END
"""
SELECT_OVERLAPS = """
SELECT a.reservation_id FROM stay a JOIN stay b ON a.room_key = b.room_key AND a.nights && b.nights
    AND (a.reservation_id, a.stay_number) < (b.reservation_id, b.stay_number)
WHERE a.occupying AND b.occupying
"""
# All of it in one snapshot.
PROOF = f"""
SELECT (SELECT count(*) FROM ({SELECT_DRIFT}) d) AS nights_that_drifted,
    (SELECT count(*) FROM ({SELECT_OVERLAPS}) o) AS rooms_taken_twice,
    (SELECT count(*) FROM ({SELECT_UNEXPLAINED}) u) AS locks_unexplained,
    (SELECT count(*) FROM ({SELECT_UNEXPLAINED_RESERVATIONS}) r) AS reservations_unexplained
"""


@pytest.fixture
async def replicas(postgres_server: PostgresServer, database: DatabaseUrls) -> AsyncIterator[Mesh]:
    """Eight booking processes on one database, and a Redis of their own."""
    databases = {"booking": database, "tenant": NOT_RUN, "messaging": NOT_RUN}
    env = {"CONSERJE_BOOKING_SWEEP_SECONDS": "1", "CONSERJE_BOOKING_DRAIN_SECONDS": "1"}
    given = Given(databases=databases)
    with mesh_folder() as folder:
        async with Mesh(folder, processes=REPLICAS, given=given, load=None, env=env) as mesh:
            yield mesh


@pytest.mark.parametrize("seconds", [20, pytest.param(120, marks=pytest.mark.soak)])
async def test_1600_guests_fight_over_10_rooms(
    replicas: Mesh, database: DatabaseUrls, sql: Sql, seconds: int
) -> None:
    seed = int(os.environ.get("CONSERJE_TEST_SEED") or random.randrange(2**32))
    print(f"CONSERJE_TEST_SEED={seed}")
    hotel = await Hotel.create(sql, "mirador", ROOMS)
    kit = Kit("fight", Settings())
    stubs = [
        kit.channel("booking", replicas.address(name).grpc).stub(BookingServiceStub)
        for name in REPLICAS
    ]
    crowd = Crowd(hotel, stubs, sorted(ROOMS), NIGHTS, seed)
    guests = [asyncio.create_task(crowd.visit(n)) for n in range(len(REPLICAS) * GUESTS)]
    app = await asyncpg.connect(database.app_url)
    saboteur = Saboteur(replicas, hotel, app, seed)
    await saboteur.work(seconds)
    await app.close()
    crowd.gone.set()
    # Whoever has asked something is heard out; one that gets no definite answer fails here.
    await asyncio.gather(*guests)
    await kit.drain()
    print(saboteur.harm, crowd.told.answers, f"{crowd.told.repeats} repeats")
    check_that_it_was_a_fight(crowd.told, saboteur.harm)
    await check(crowd.told, sql)


class Saboteur:
    """Breaks one thing after the other."""

    def __init__(self, replicas: Mesh, hotel: Hotel, app: Sql, seed: int) -> None:
        """`app` is a connection as the services have: one may cut those of one's own role."""
        self.harm: Counter[str] = Counter()
        self._replicas = replicas
        self._hotel = hotel
        self._app = app
        self._victim = random.Random(seed).choice(REPLICAS)

    async def work(self, seconds: float) -> None:
        """All of it, spread over so many seconds."""
        tenths = [n / 10 for n in range(1, 10)]
        plan = [(part, self.cut_connections) for part in tenths]
        plan += [(part + 0.05, self.let_locks_lapse) for part in tenths]
        plan += [(0.13, self.empty_redis), (0.53, self.empty_redis)]
        plan += [(0.33, self.restart_redis), (0.73, self.restart_redis)]
        plan += [(0.37, self.kill_a_process), (0.63, self.start_it_again)]
        started = time.monotonic()
        for part, action in sorted(plan, key=itemgetter(0)):
            await asyncio.sleep(started + part * seconds - time.monotonic())
            await action()
        await asyncio.sleep(started + seconds - time.monotonic())

    async def cut_connections(self) -> None:
        """One in ten, whatever it is doing."""
        self.harm["connections cut"] += await self._app.fetchval(CUT)

    async def let_locks_lapse(self) -> None:
        """An hour passes for some locks, in the order that everybody keeps."""
        async with self._hotel.sql.transaction():
            await self._hotel.sql.execute(LOCK_TYPES, self._hotel.tenant_id)
            await self._hotel.sql.execute(LAPSE_SOME, self._hotel.tenant_id)

    async def empty_redis(self) -> None:
        """Everything in it is gone."""
        assert self._replicas.servers.redis is not None
        async with Redis.from_url(self._replicas.servers.redis.admin_url) as admin:
            await admin.flushall()
        self.harm["redis emptied"] += 1

    async def restart_redis(self) -> None:
        """It dies and comes back, with nothing in it."""
        assert self._replicas.servers.redis is not None
        await asyncio.to_thread(self._replicas.servers.redis.kill)
        await asyncio.to_thread(self._replicas.servers.redis.start)
        self.harm["redis restarted"] += 1

    async def kill_a_process(self) -> None:
        """With everything that it was doing."""
        await self._replicas.kill(self._victim)
        self.harm["process killed"] += 1

    async def start_it_again(self) -> None:
        """Where it was."""
        await self._replicas.start(self._victim, wait=False)


def check_that_it_was_a_fight(told: Told, harm: Counter[str]) -> None:
    """Otherwise nothing was shown."""
    assert harm["connections cut"] >= 20
    assert (harm["process killed"], harm["redis restarted"], harm["redis emptied"]) == (1, 2, 2)
    assert told.repeats > 0
    for method, reason in (
        ("AcquireLock", ""),
        ("AcquireLock", "SOLD_OUT"),
        ("ReleaseLock", ""),
        ("ExtendLock", ""),
        ("ConfirmReservation", ""),
        ("CreateReservation", ""),
        ("CreateReservation", "SOLD_OUT"),
        ("CancelReservation", ""),
    ):
        assert told.count(method, reason) >= 10, (method, reason)


async def check(told: Told, sql: Sql) -> None:
    """The ledger is whole, and exactly what the guests were told."""
    assert set(told.answers) <= DEFINITE, told.answers
    proof = await sql.fetchrow(PROOF)
    assert proof is not None
    assert set(dict(proof).values()) == {0}, dict(proof)
    # Nothing was done of which nobody heard, and nobody heard of what was not done.
    assert {str(one["lock_id"]) for one in await sql.fetch("SELECT lock_id FROM room_lock")} == (
        told.locks
    )
    booked = await sql.fetch("SELECT reservation_id, state FROM reservation")
    assert {str(one["reservation_id"]) for one in booked} == told.reservations
    cancelled = sum(one["state"] == "CANCELLED" for one in booked)
    assert cancelled == told.count("CancelReservation")
