"""Notices of hotels' own systems: passed on as they came, answered by what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from conserje.booking.v1.pms_service_pb2 import ReceivePmsNoticeRequest, ReceivePmsNoticeResponse
from conserje.booking.v1.pms_service_pb2_grpc import PmsServiceServicer
from conserje.booking.v1.pms_service_pb2_grpc import add_PmsServiceServicer_to_server as add_to

from gateway import notices
from gateway.notices import MAX_BODY, MOST_AT_ONCE
from meshkit.errors import MeshError, NotFound, ResourceExhausted, Unauthenticated, Unavailable
from meshkit.metrics import new_registry
from meshkit.server import Server
from meshkit.telemetry import Tracing
from tests.integration.gateway.conftest import Gateway, MakeGateway

ADDRESS = "/webhooks/pms/casa-azul"
SIGNED = {"webhook-id": "n-1", "webhook-timestamp": "1790000000", "webhook-signature": "v1,abc="}
BODY = b'{"type":  "bookings.changed"}\n'


class Booking(PmsServiceServicer):
    """Remembers what it was told, and answers as told."""

    def __init__(self) -> None:
        self.told: list[ReceivePmsNoticeRequest] = []
        self.error: MeshError | None = None
        self.duplicate = False
        self.open = asyncio.Event()
        self.open.set()

    async def ReceivePmsNotice(self, request: Any, context: Any) -> ReceivePmsNoticeResponse:
        """A notice."""
        self.told.append(request)
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return ReceivePmsNoticeResponse(duplicate=self.duplicate)

    async def GetPmsConnection(self, request: Any, context: Any) -> Any:
        """The gateway asks for nothing."""
        raise NotImplementedError

    SetPmsConnection = DeletePmsConnection = CheckPms = ComparePms = GetPmsConnection


@pytest.fixture
async def booking() -> AsyncIterator[tuple[Booking, str]]:
    """A booking service that only remembers, and its target."""
    made = Booking()
    server = Server(tracing=Tracing("booking"), registry=new_registry())
    server.add(add_to, made, "conserje.booking.v1.PmsService")
    port = await server.start("127.0.0.1:0")
    await server.set_serving(True)
    yield made, f"127.0.0.1:{port}"
    made.open.set()
    await server.stop(0)


@pytest.fixture
async def world(booking: tuple[Booking, str], make_gateway: MakeGateway) -> tuple[Gateway, Booking]:
    """A gateway in front of it."""
    return await make_gateway(target_booking=booking[1]), booking[0]


async def test_a_notice_is_passed_on_byte_for_byte(world: tuple[Gateway, Booking]) -> None:
    gateway, booking = world
    status, _, problem = await gateway.post(BODY, path=ADDRESS, **SIGNED)
    assert (status, problem) == (200, None)
    (told,) = booking.told
    assert (told.tenant_id, told.notice_id, told.timestamp, told.signature, told.body) == (
        *("casa-azul", *SIGNED.values()),
        BODY,
    )
    assert gateway.count("gateway_pms_notices_total", outcome="taken") == 1


async def test_the_answer_says_what_became_of_it(world: tuple[Gateway, Booking]) -> None:
    gateway, booking = world
    for error, status, outcome in (
        (Unauthenticated("NOTICE_NOT_AUTHENTIC"), 401, "not_authentic"),
        (ResourceExhausted("TOO_MANY_NOTICES", retry_after=7.2), 429, "too_many"),
        (Unavailable("SECRET_UNKNOWN"), 503, "not_taken"),
        (NotFound("SOMETHING"), 503, "not_taken"),
    ):
        before = gateway.count("gateway_pms_notices_total", outcome=outcome)
        booking.error = error
        told = await gateway.post(BODY, path=ADDRESS, **SIGNED)
        assert told[0] == status, error
        assert gateway.count("gateway_pms_notices_total", outcome=outcome) == before + 1
        assert status != 429 or told[1]["Retry-After"] == "8"
    booking.error, booking.duplicate = None, True
    assert (await gateway.post(BODY, path=ADDRESS, **SIGNED))[0] == 409


async def test_what_cannot_be_a_notice_reaches_nobody(world: tuple[Gateway, Booking]) -> None:
    gateway, booking = world
    for name in SIGNED:
        without = {key: value for key, value in SIGNED.items() if key != name}
        assert (await gateway.post(BODY, path=ADDRESS, **without))[0] == 401
        assert b" 401 " in await _first_line(gateway, {**SIGNED, name: "\xff"})
    assert gateway.count("gateway_pms_notices_total", outcome="not_authentic") == 2 * len(SIGNED)
    assert (await gateway.post(b"x" * (MAX_BODY + 1), path=ADDRESS, **SIGNED))[0] == 413
    assert (await gateway.post(_pieces(), path=ADDRESS, **SIGNED))[0] == 413
    async with gateway.session.get(gateway.address + ADDRESS, headers=SIGNED) as answer:
        assert answer.status == 405
    for path in ("/webhooks/pms", "/webhooks/pms/", ADDRESS + "/more"):
        assert (await gateway.post(BODY, path=path, **SIGNED))[0] == 404
    assert booking.told == []
    # The most that a body may have is taken.
    assert (await gateway.post(b"x" * MAX_BODY, path=ADDRESS, **SIGNED))[0] == 200


async def _first_line(gateway: Gateway, headers: dict[str, str]) -> bytes:
    """The answer to a notice whose headers go out as Latin-1, so not always as UTF-8."""
    url = urlsplit(gateway.address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    lines = [f"POST {ADDRESS} HTTP/1.1", "Host: here", f"Content-Length: {len(BODY)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join((*lines, "", "")).encode("latin-1") + BODY)
    try:
        return await reader.readline()
    finally:
        writer.close()


async def test_what_breaks_the_rules_of_the_contract_is_not_authentic(
    world: tuple[Gateway, Booking],
) -> None:
    gateway, booking = world
    for broken in ({"webhook-timestamp": "soon"}, {"webhook-id": "n" * 129}):
        assert (await gateway.post(BODY, path=ADDRESS, **(SIGNED | broken)))[0] == 401
    assert (await gateway.post(BODY, path="/webhooks/pms/" + "h" * 65, **SIGNED))[0] == 401
    assert booking.told == []


async def test_while_the_booking_service_is_away_it_is_sent_again(
    make_gateway: MakeGateway,
) -> None:
    gateway = await make_gateway()
    status, told, _ = await gateway.post(BODY, path=ADDRESS, **SIGNED)
    assert (status, told["Retry-After"]) == (503, "2")


async def test_a_crowd_leaves_the_booking_service_its_breath(
    world: tuple[Gateway, Booking], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "CONFIRM_SECONDS", 60.0)
    gateway, booking = world
    booking.open.clear()
    crowd = [
        asyncio.create_task(gateway.post(BODY, path=ADDRESS, **SIGNED))
        for _ in range(MOST_AT_ONCE + 8)
    ]
    first, _ = await asyncio.wait(crowd, return_when=asyncio.FIRST_COMPLETED)
    assert {one.result()[0] for one in first} == {503}
    booking.open.set()
    statuses = [one[0] for one in await asyncio.gather(*crowd)]
    assert statuses.count(503) == 8
    assert len(booking.told) == MOST_AT_ONCE


async def _pieces() -> AsyncIterator[bytes]:
    """A body that does not say how long it is."""
    for _ in range(MAX_BODY // 1024 + 1):
        yield b"x" * 1024
