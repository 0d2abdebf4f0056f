"""A kit inside the test's own loop: readiness on the wire, retries, floors of writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from conserje.booking.v1 import booking_service_pb2 as booking
from conserje.booking.v1 import booking_service_pb2_grpc as booking_grpc
from conserje.tenant.v1 import tenant_service_pb2_grpc as pb_grpc

from meshkit import errors
from meshkit.config import Settings
from meshkit.kit import Kit
from tests.integration.meshkit.servers import (
    SERVICE,
    Behaviour,
    Servicer,
    request,
    response,
)


@asynccontextmanager
async def serving(behaviour: Behaviour, problem: list[str]) -> AsyncIterator[Kit]:
    """A started kit that is ready while `problem` is empty."""
    kit = Kit("tenant", Settings())
    kit.grpc(pb_grpc.add_TenantServiceServicer_to_server, Servicer(behaviour), SERVICE)
    kit.ready("snapshot", lambda: problem[0] if problem else None)
    await kit.start_ops()
    await kit.start()
    try:
        yield kit
    finally:
        await kit.drain()


def client(kit: Kit, *, retries: bool = False) -> pb_grpc.TenantServiceAsyncStub:
    """A stub as a process has it."""
    channel = kit.channel("tenant", f"127.0.0.1:{kit.ports['grpc']}", retries=retries)
    return channel.stub(pb_grpc.TenantServiceStub)


async def _is_served(stub: pb_grpc.TenantServiceAsyncStub) -> bool:
    try:
        await stub.ResolveTenant(request(), timeout=2.0)
    except errors.Unavailable:
        return False
    return True


async def answer(*_: object) -> Any:
    return response("hotel")


async def test_a_replica_that_is_not_ready_gets_no_calls_until_it_is() -> None:
    problem: list[str] = []
    async with serving(answer, problem) as kit:
        stub = client(kit)

        async def until(served: bool) -> None:
            async with asyncio.timeout(20):
                while await _is_served(stub) is not served:  # noqa: ASYNC110 - only asking tells
                    await asyncio.sleep(0.01)

        await until(True)
        problem.append("No snapshot is loaded.")
        await until(False)
        problem.clear()
        await until(True)


async def test_grpc_at_the_operations_port_is_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(answer, []) as kit:
        reader, writer = await asyncio.open_connection("127.0.0.1", kit.ports["ops"])
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert b" 400 Bad Request" in await reader.read()
        writer.close()
    (told,) = [one for one in caplog.records if one.name == "aiohttp.server"]
    assert (told.levelname, told.exc_info) == ("WARNING", None)
    assert told.getMessage() == "Error handling request from 127.0.0.1: Pause on PRI/Upgrade"


@pytest.mark.parametrize(("retries", "attempts"), [(False, 1), (True, 3)])
async def test_only_a_first_caller_repeats_what_was_unavailable(
    retries: bool, attempts: int
) -> None:
    seen: list[object] = []

    async def third_time(*_: object) -> Any:
        seen.append(1)
        if len(seen) < 3:
            raise errors.Unavailable("DATABASE_AWAY")
        return response("hotel")

    async with serving(third_time, []) as kit:
        stub = client(kit, retries=retries)
        if retries:
            assert (await stub.ResolveTenant(request())).routing_record.tenant_id == "hotel"
        else:
            with pytest.raises(errors.Unavailable):
                await stub.ResolveTenant(request())
    assert len(seen) == attempts


async def test_another_error_is_never_repeated() -> None:
    seen: list[object] = []

    async def abort(*_: object) -> Any:
        seen.append(1)
        raise errors.Aborted("STALE_FENCE")

    async with serving(abort, []) as kit:
        with pytest.raises(errors.Aborted):
            await client(kit, retries=True).ResolveTenant(request())
    assert len(seen) == 1


class Booking(booking_grpc.BookingServiceServicer):
    """Counts what it is asked to write."""

    releases = 0

    async def ReleaseLock(self, _request: booking.ReleaseLockRequest, _context: Any) -> Any:
        self.releases += 1
        return booking.ReleaseLockResponse()


async def test_a_write_needs_more_time_than_a_read() -> None:
    servicer = Booking()  # type: ignore[abstract] # the others are not called
    kit = Kit("booking", Settings())
    kit.grpc(
        booking_grpc.add_BookingServiceServicer_to_server,
        servicer,
        "conserje.booking.v1.BookingService",
    )
    await kit.start_ops()
    await kit.start()
    try:
        target = f"127.0.0.1:{kit.ports['grpc']}"
        stub = kit.channel("booking", target).stub(booking_grpc.BookingServiceStub)
        release = booking.ReleaseLockRequest(
            tenant_id="h",
            request_id="3f2504e0-4f89-11d3-9a0c-030512345678",
            lock_id="l",
            owner_token="o",
        )
        await stub.ReleaseLock(release)
        # 20 ms are the server's and 50 ms are the least for a write.
        with pytest.raises(errors.DeadlineExceeded):
            await stub.ReleaseLock(release, timeout=0.065)
        assert servicer.releases == 1
    finally:
        await kit.drain()
