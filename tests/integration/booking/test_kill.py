"""A replica that is killed after the commit and before the answer has sold one reservation."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import grpc
import pytest
from conserje.booking.v1.booking_service_pb2 import CreateReservationRequest, RoomRequest
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub

from meshkit.dates import from_date
from sandbox.child import Child
from sandbox.databases import DatabaseUrls
from sandbox.keeper import Keeper
from sandbox.ports import Ports
from tests.integration.booking.hotel import Hotel, Sql, assert_consistent

COMMITTED = b"COMMIT\0"
"""How Postgres says it, whoever asked."""


class Wire:
    """Between a replica and Postgres: keeps to itself that a COMMIT is done."""

    def __init__(self, host: str, port: int) -> None:
        self.committed = asyncio.Event()
        self._postgres = (host, port)
        self._armed = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """The port to connect to."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def arm(self) -> None:
        """From the next COMMIT on nothing is told any more."""
        self._armed = True

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(*self._postgres)
        for way in (self._pass(reader, requests), self._pass(answers, writer, answers=True)):
            task = asyncio.create_task(way)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool = False
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                if answers and self._armed and COMMITTED in data:
                    self.committed.set()
                if not (answers and self.committed.is_set()):
                    sink.write(data)
                    await sink.drain()
        sink.close()


@pytest.fixture
async def wire(database: DatabaseUrls) -> AsyncIterator[Wire]:
    """The way to Postgres of the replica that will be killed."""
    parts = urlsplit(database.app_url)
    assert parts.hostname
    wire = Wire(parts.hostname, parts.port or 5432)
    yield wire
    await wire.close()


def through(url: str, port: int) -> str:
    """The same database, by way of a port of ours."""
    parts = urlsplit(url)
    place = f"{parts.username}:{parts.password}@127.0.0.1:{port}"
    return urlunsplit((parts.scheme, place, parts.path, parts.query, ""))


def replica(name: str, database_url: str, redis_url: str, folder: Path, port: int) -> Child:
    """A process of the booking service; its sweeps write nothing that could be mistaken."""
    environment = {
        **os.environ,
        "CONSERJE_BOOKING_DATABASE_URL": database_url,
        "CONSERJE_REDIS_URL": redis_url,
        "CONSERJE_BOOKING_GRPC_LISTEN": f"127.0.0.1:{port}",
        "CONSERJE_BOOKING_OPS_LISTEN": "127.0.0.1:0",
        "CONSERJE_BOOKING_SWEEP_SECONDS": "3600",
    }
    return Child(name, ("services.booking",), environment, folder / f"{name}.log", Keeper())


async def test_a_replica_killed_between_commit_and_answer_has_sold_once(
    database: DatabaseUrls, redis_url: str, hotel: Hotel, sql: Sql, wire: Wire, tmp_path: Path
) -> None:
    ports = Ports()
    first_port, second_port = ports.free(), ports.free()
    first_url = through(database.app_url, await wire.start())
    first = replica("booking-1", first_url, redis_url, tmp_path, first_port)
    second = replica("booking-2", database.app_url, redis_url, tmp_path, second_port)
    stay = hotel.stay(10)
    request = CreateReservationRequest(
        tenant_id=hotel.tenant_id,
        request_id=str(uuid4()),
        guest_id="guest",
        check_in_date=from_date(stay.check_in),
        check_out_date=from_date(stay.check_out),
        rooms=[RoomRequest(room_type_id="suite", adult_count=2)],
    )
    try:
        await asyncio.gather(first.start(), second.start())
        async with (
            grpc.aio.insecure_channel(f"127.0.0.1:{first_port}") as to_first,
            grpc.aio.insecure_channel(f"127.0.0.1:{second_port}") as to_second,
        ):
            await asyncio.wait_for(to_first.channel_ready(), 30)
            wire.arm()
            asked = asyncio.ensure_future(
                BookingServiceStub(to_first).CreateReservation(request, timeout=30)
            )
            await asyncio.wait_for(wire.committed.wait(), 10)
            sold = await sql.fetchrow("SELECT reservation_id, confirmation_code FROM reservation")
            assert sold is not None
            assert not asked.done()
            await first.kill()
            with pytest.raises(grpc.aio.AioRpcError) as lost:
                await asked
            assert lost.value.code() is grpc.StatusCode.UNAVAILABLE
            again = BookingServiceStub(to_second)
            answers = [
                (
                    await again.CreateReservation(request, timeout=30, wait_for_ready=True)
                ).reservation
                for _ in range(2)
            ]
        assert answers[0] == answers[1]
        assert answers[0].reservation_id == str(sold["reservation_id"])
        assert answers[0].confirmation_code == sold["confirmation_code"]
        assert await sql.fetchval("SELECT count(*) FROM reservation") == 1
        assert await sql.fetchval("SELECT count(*) FROM reservation_event") == 1
        await assert_consistent(sql)
    finally:
        await first.kill()
        await second.stop(10)
        ports.release()
