"""Whatever is away, nothing acknowledged is lost, and all goes on without a restart."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
from conserje.messaging.v1.messaging_service_pb2 import BatchIngestEventsRequest
from conserje.tenant.v1.tenant_pb2 import (
    TENANT_STATE_ACTIVE,
    TENANT_STATE_DELETED,
    TENANT_STATE_SUSPENDED,
)
from pydantic import SecretStr

from meshkit.clock import FakeClock
from services.messaging.conversation import machine
from tests.integration.messaging.mesh import Mesh, text
from tests.waiting import eventually

ASKS = "del 10 al 12 de diciembre para 2 personas"


async def test_started_without_the_tenant_service_messages_wait_for_it(mesh: Mesh) -> None:
    mesh.tenants.away = True
    stub = await mesh.start()
    await mesh.say(stub, text())
    await eventually(lambda: mesh.tenants.asked >= 2)
    untouched = await mesh.row("SELECT lease_number, due_time IS NOT NULL FROM mailbox")
    assert tuple(untouched) == (0, True)
    assert "has not come" in mesh.kits[0].health.report()["degraded"]["directory"]
    assert mesh.kits[0].health.is_ready()
    mesh.tenants.away = False
    await mesh.accepted(1)
    await mesh.until_quiet()
    assert len(mesh.graph.accepted) == 1
    assert "directory" not in mesh.kits[0].health.report()["degraded"]


async def test_without_the_tenant_service_the_copy_goes_on_and_strangers_wait(mesh: Mesh) -> None:
    clock = mesh.clock = FakeClock(datetime.now(UTC))
    stub = await mesh.start()
    await mesh.say(stub, text())
    await mesh.accepted(1)
    mesh.tenants.away = True
    asked = mesh.tenants.asked
    await eventually(lambda: mesh.tenants.asked >= asked + 2)
    clock.advance(60)
    assert "a copy 60 s old" in mesh.kits[0].health.report()["degraded"]["directory"]
    age = mesh.kits[0].registry.get_sample_value("watch_age_seconds", {"what": "directory"})
    assert age is not None
    assert age >= 60
    # In a copy that is new, the first would be set aside.
    await mesh.say(stub, text(number="555"), text(phone="34600000002"))
    await mesh.accepted(2)
    await mesh.until("SELECT lease_number > 1 FROM mailbox WHERE phone_number_id = '555'")
    assert await mesh.admin.fetchval("SELECT count(*) FROM quarantine") == 0
    mesh.tenants.add("555", "hotel-nuevo")
    mesh.tenants.away = False
    await mesh.accepted(3)


async def test_the_booking_service_away_is_told_and_not_waited_for(mesh: Mesh) -> None:
    stub = await mesh.start(target_booking="127.0.0.1:1")
    await mesh.say(stub, text(ASKS))
    await mesh.accepted(1)


async def test_a_suspended_hotel_keeps_its_messages(mesh: Mesh) -> None:
    mesh.tenants.be(TENANT_STATE_SUSPENDED)
    stub = await mesh.start(suspended_seconds=0.1)
    await mesh.say(stub, text())
    await mesh.until("SELECT lease_number > 3 FROM mailbox")
    assert await mesh.admin.fetchval("SELECT state FROM inbox") == "PENDING"
    mesh.tenants.be(TENANT_STATE_ACTIVE)
    await mesh.accepted(1)


async def test_a_suspended_hotel_answers_what_it_has_left_and_then_goes_on(mesh: Mesh) -> None:
    mesh.tenants.suspension_answer = "Volvemos en enero."
    mesh.tenants.be(TENANT_STATE_SUSPENDED)
    stub = await mesh.start(suspended_seconds=600)
    await mesh.say(stub, text("hola"))
    (sent,) = await mesh.accepted(1)
    assert sent["text"]["body"] == "Volvemos en enero."
    await mesh.until_quiet()
    row = await mesh.row("SELECT answers FROM outbox")
    assert row["answers"] == [await mesh.admin.fetchval("SELECT inbox_id FROM inbox")]
    mesh.tenants.be(TENANT_STATE_ACTIVE)
    await mesh.until_told()
    await mesh.say(stub, text("hola"))
    assert "Hotel Mirador" in str((await mesh.accepted(2))[1])


@pytest.mark.parametrize(
    ("about", "reason"),
    [({"number": "555"}, "NUMBER_UNKNOWN"), ({"account": "666"}, "WABA_MISMATCH")],
)
async def test_what_is_no_hotels_is_set_aside(
    mesh: Mesh, about: dict[str, Any], reason: str
) -> None:
    stub = await mesh.start()
    ours = text()
    await mesh.say(stub, text(**about), ours)
    await mesh.accepted(1)
    await mesh.until("SELECT count(*) FROM quarantine", value=1)
    assert await mesh.admin.fetchval("SELECT reason FROM quarantine") == reason
    await mesh.until_quiet()
    assert len(mesh.graph.accepted) == 1


async def test_a_hotel_that_has_left_answers_nobody(mesh: Mesh) -> None:
    mesh.tenants.be(TENANT_STATE_DELETED)
    stub = await mesh.start()
    await mesh.say(stub, text())
    await mesh.until("SELECT count(*) FROM quarantine", value=1)
    assert not mesh.graph.asked


async def test_a_step_that_always_fails_is_given_up_and_the_talk_goes_on(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = machine.advance

    def poisoned(state: Any, event: Any, hotel: Any) -> Any:
        if getattr(event, "text", "") == "poison":
            raise ArithmeticError("poison")
        return advance(state, event, hotel)

    monkeypatch.setattr(machine, "advance", poisoned)
    stub = await mesh.start(step_attempts=3)
    await mesh.say(stub, text("poison"), text("hola"), text("hola", phone="342"))
    await mesh.accepted(2)
    await mesh.until_quiet()
    rows = await mesh.admin.fetch("SELECT state, attempt_count, failure FROM inbox ORDER BY 1")
    assert [tuple(row) for row in rows] == [
        ("DEAD", 3, "ArithmeticError"),
        ("DONE", 0, None),
        ("DONE", 0, None),
    ]


async def test_postgres_goes_away_and_returns(mesh: Mesh) -> None:
    way = await Way.to(mesh.urls.app_url)
    stub = await mesh.start(database_url=way.url)
    await mesh.say(stub, text())
    await mesh.accepted(1)
    await way.close()
    lost = BatchIngestEventsRequest(items=[text()])
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.BatchIngestEvents(lost, timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    await way.open()
    await eventually(lambda: taken(stub, lost))
    await mesh.accepted(2)
    await mesh.until_quiet()
    assert len(mesh.graph.accepted) == 2
    await mesh.stop()
    await way.close()


class Way:
    """The way to the database, which can be cut. (Nothing may be forked beside gRPC.)"""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._port = 0

    @classmethod
    async def to(cls, url: str) -> Way:
        """Open a way to the database of `url`."""
        way = cls(url)
        await way.open()
        return way

    @property
    def url(self) -> SecretStr:
        """The same database, this way."""
        user = f"{self._target.username}:{self._target.password}"
        return SecretStr(f"postgresql://{user}@127.0.0.1:{self._port}{self._target.path}")

    async def open(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse new connections and cut those that are there."""
        assert self._server is not None
        self._server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _connect(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        there, forth = await asyncio.open_connection(self._target.hostname, self._target.port)
        for reader, writer in ((here, forth), (there, back)):
            pipe = asyncio.create_task(_pipe(reader, writer))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.transport.abort()


async def taken(stub: Any, request: BatchIngestEventsRequest) -> bool:
    try:
        await stub.BatchIngestEvents(request, timeout=5)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True
