"""Calls between a real server and a real client: deadlines, errors, cancellation, counts."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from conserje.tenant.v1 import tenant_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status.rpc_status import aio as rpc_status
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from meshkit import deadlines, errors
from meshkit.parts import sent_as
from meshkit.server import Server
from tests.integration.meshkit.servers import request, response, served
from tests.waiting import eventually


async def answer(_request: pb.ResolveTenantRequest, _context: Any) -> pb.ResolveTenantResponse:
    return response("hotel-mirador")


async def test_a_call_is_answered_and_counted_on_both_sides() -> None:
    async with served(answer) as mesh:
        got = await mesh.stub.ResolveTenant(request())
        assert got.routing_record.tenant_id == "hotel-mirador"
        assert (mesh.handled("server", "OK"), mesh.handled("client", "OK")) == (1, 1)


async def test_an_answer_that_is_bytes_is_sent_as_it_is() -> None:
    """In parts and in any order; the other side reads one message."""
    parts = (pb.ResolveTenantResponse(until_time=Timestamp(seconds=5)), response("hotel-mirador"))

    async def put_together(*_: object) -> pb.ResolveTenantResponse:
        content = b"".join(part.SerializeToString() for part in parts)
        return sent_as(pb.ResolveTenantResponse, content)

    async with served(put_together) as mesh:
        got = await mesh.stub.ResolveTenant(request())
    assert got.routing_record == response("hotel-mirador").routing_record
    assert got.until_time.seconds == 5


async def test_an_error_keeps_its_kind_reason_and_metadata() -> None:
    async def refuse(*_: object) -> pb.ResolveTenantResponse:
        raise errors.NotFound("NUMBER_UNKNOWN", "¡No se conoce el número! ñ", phone_number_id=7)

    async with served(refuse) as mesh:
        with pytest.raises(errors.NotFound) as caught:
            await mesh.stub.ResolveTenant(request())
        assert caught.value.reason == "NUMBER_UNKNOWN"
        assert caught.value.message == "¡No se conoce el número! ñ"
        assert caught.value.metadata == {"phone_number_id": "7"}
        assert (mesh.handled("server", "NOT_FOUND"), mesh.handled("client", "NOT_FOUND")) == (1, 1)


async def test_a_client_that_knows_grpc_status_only_reads_the_details() -> None:
    async def refuse(*_: object) -> pb.ResolveTenantResponse:
        raise errors.ResourceExhausted("QUEUE_FULL", "Too much.", retry_after=1.5)

    async with served(refuse) as mesh:
        call = mesh.plain.ResolveTenant(request())
        with pytest.raises(grpc.aio.AioRpcError):
            await call
        status = await rpc_status.from_call(call)
        assert status is not None
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        assert status.details[0].Unpack(info)
        assert status.details[1].Unpack(retry)
        assert (info.reason, info.domain) == ("QUEUE_FULL", "tenant.conserje")
        assert retry.retry_delay.ToMilliseconds() == 1500


async def test_a_bad_request_never_reaches_the_handler() -> None:
    async def unreachable(*_: object) -> pb.ResolveTenantResponse:
        raise AssertionError("the handler was called")

    async with served(unreachable) as mesh:
        with pytest.raises(errors.InvalidArgument) as caught:
            await mesh.stub.ResolveTenant(request("no digits"))
        assert [one.field for one in caught.value.violations] == ["phone_number_id"]


async def test_what_nobody_expected_is_internal_with_an_id_that_the_log_has() -> None:
    async def fail(*_: object) -> pb.ResolveTenantResponse:
        raise KeyError("secret of the database")

    async with served(fail) as mesh:
        with capture_logs() as lines, pytest.raises(errors.Internal) as caught:
            await mesh.stub.ResolveTenant(request())
        assert "secret" not in str(caught.value)
        (line,) = [one for one in lines if one["event"] == "rpc failed"]
        assert line["error_id"] == caught.value.metadata["error_id"]


async def test_work_that_cannot_end_in_time_is_not_begun() -> None:
    begun: list[object] = []

    async def note(*_: object) -> pb.ResolveTenantResponse:
        begun.append(1)
        return response("late")

    async with served(note) as mesh:
        # Less than the 20 ms that the server keeps and the 10 ms that a read takes.
        with pytest.raises(errors.DeadlineExceeded):
            await mesh.stub.ResolveTenant(request(), timeout=0.025)
        await mesh.stub.ResolveTenant(request())
    assert len(begun) == 1


async def test_the_budget_shrinks_on_its_way_down() -> None:
    seen: list[float | None] = []

    async def note(*_: object) -> pb.ResolveTenantResponse:
        seen.append(deadlines.remaining())
        return response("hotel")

    async with served(note) as mesh:
        with deadlines.scope(2.0):
            await mesh.stub.ResolveTenant(request())
        await mesh.stub.ResolveTenant(request())
        await mesh.plain.ResolveTenant(request())
    scoped, default, none = seen
    # On the wire gRPC rounds a timeout up, by one percent at most.
    assert scoped is not None
    assert scoped <= 2.0 * 1.01 - deadlines.RESERVE
    assert default is not None
    assert 2.0 < default <= deadlines.DEFAULT_TIMEOUT * 1.01 - deadlines.RESERVE
    assert none is None


async def test_a_spent_budget_asks_nobody() -> None:
    async with served(answer) as mesh:
        with deadlines.scope(0.0), pytest.raises(errors.DeadlineExceeded) as caught:
            await mesh.stub.ResolveTenant(request())
        assert caught.value.reason == "BUDGET_SPENT"
        assert mesh.handled("server", "OK") == 0


async def test_a_caller_who_leaves_cancels_the_handler() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def wait(*_: object) -> pb.ResolveTenantResponse:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return response("never")

    async with served(wait) as mesh:
        call = asyncio.ensure_future(mesh.stub.ResolveTenant(request()))
        await started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(ended.wait(), 5)
        assert mesh.handled("client", "CANCELLED") == 1
        await eventually(lambda: mesh.handled("server", "CANCELLED") == 1)


async def test_a_deadline_that_passes_cancels_the_handler() -> None:
    ended = asyncio.Event()

    async def wait(*_: object) -> pb.ResolveTenantResponse:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return response("never")

    async with served(wait) as mesh:
        with pytest.raises(errors.DeadlineExceeded):
            await mesh.stub.ResolveTenant(request(), timeout=0.2)
        await asyncio.wait_for(ended.wait(), 5)
        await eventually(lambda: mesh.handled("server", "CANCELLED") == 1)
        assert mesh.handled("client", "DEADLINE_EXCEEDED") == 1


async def test_a_cancellation_inside_is_a_status_and_not_a_silence() -> None:
    async def cancelled(*_: object) -> pb.ResolveTenantResponse:
        raise asyncio.CancelledError

    async with served(cancelled) as mesh:
        with pytest.raises(errors.Unavailable) as caught:
            await asyncio.wait_for(mesh.stub.ResolveTenant(request(), timeout=60), 10)
        assert caught.value.reason == "CANCELLED_INSIDE"


async def test_a_call_that_outlives_the_stop_ends_at_once() -> None:
    started = asyncio.Event()

    async def wait(*_: object) -> pb.ResolveTenantResponse:
        started.set()
        await asyncio.Event().wait()
        return response("never")

    async with served(wait) as mesh:
        call = asyncio.ensure_future(mesh.stub.ResolveTenant(request(), timeout=60))
        await started.wait()
        await mesh.server.stop(0.05)
        with pytest.raises(errors.Unavailable):
            await asyncio.wait_for(call, 10)


async def test_an_abort_of_the_handler_is_passed_on() -> None:
    async def abort(_request: object, context: Any) -> pb.ResolveTenantResponse:
        await context.abort(grpc.StatusCode.DATA_LOSS, "gone")
        raise AssertionError

    async with served(abort) as mesh:
        with pytest.raises(errors.Internal) as caught:
            await mesh.stub.ResolveTenant(request())
        assert (caught.value.reason, caught.value.message) == ("DATA_LOSS", "gone")
        assert mesh.handled("server", "DATA_LOSS") == 1


async def test_metadata_that_is_not_ascii_hangs_nobody() -> None:
    async with served(answer) as mesh:
        with pytest.raises(Exception, match=r".") as caught:
            await asyncio.wait_for(
                mesh.stub.ResolveTenant(request(), metadata=(("guest", "José ñ"),)), 5
            )
        assert not isinstance(caught.value, TimeoutError)
        await mesh.stub.ResolveTenant(request())


async def test_a_peer_that_is_away_is_unavailable_at_once() -> None:
    async with served(answer) as mesh:
        await mesh.server.stop(0)
        with pytest.raises(errors.Unavailable):
            await asyncio.wait_for(mesh.stub.ResolveTenant(request(), timeout=60), 10)


async def test_batches_fail_item_by_item() -> None:
    async def by_number(item: pb.ResolveTenantRequest, _: Any) -> pb.ResolveTenantResponse:
        return response(item.phone_number_id)

    async with served(by_number) as mesh:
        late = request("3")
        late.time_remaining.nanos = 1
        items = [request("1"), request("bad"), late, request("4")]
        got = await mesh.stub.BatchResolveTenants(pb.BatchResolveTenantsRequest(items=items))
        ids = [one.value.routing_record.tenant_id for one in got.results]
        codes = [one.error.code for one in got.results]
        assert ids == ["1", "", "", "4"]
        assert codes == [0, 3, 4, 0]
        with pytest.raises(errors.InvalidArgument):
            await mesh.stub.BatchResolveTenants(pb.BatchResolveTenantsRequest())


async def test_a_message_of_three_mebibytes_passes() -> None:
    async with served(answer) as mesh:
        big = request("1")
        big.traceparent = "x" * (3 * 1024 * 1024)
        with pytest.raises(errors.InvalidArgument) as caught:
            await mesh.stub.ResolveTenant(big)
        assert caught.value.violations[0].field == "traceparent"


async def test_two_servers_cannot_share_a_port() -> None:
    async with served(answer) as mesh:
        other = Server(tracing=mesh.tracing, registry=CollectorRegistry())
        with pytest.raises(OSError, match="is the port taken"):
            await other.start(mesh.target)
        await other.stop(0)
