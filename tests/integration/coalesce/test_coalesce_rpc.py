"""The coalescer in front of a real batch RPC: stub, wire, server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from conserje.tenant.v1 import tenant_service_pb2 as pb
from conserje.tenant.v1 import tenant_service_pb2_grpc as pb_grpc

from meshkit import batch
from meshkit.client import Channel
from meshkit.coalesce import Coalescer, CoalescerMetrics, Limits, rpc_coalescer
from meshkit.errors import Internal, InvalidArgument, MeshError, NotFound, Unavailable
from meshkit.metrics import RpcMetrics, new_registry
from meshkit.server import Server
from meshkit.telemetry import Tracing, current_traceparent
from tests.tenants import Resolving

SERVICE = "conserje.tenant.v1.TenantService"
TIMEOUT = 10.0

Behaviour = Callable[[list[pb.ResolveTenantRequest]], Awaitable[None]]


@dataclass
class Servicer(Resolving):
    """Resolves every number but those of `strangers`; `behaviour` goes first."""

    behaviour: Behaviour | None = None
    strangers: set[str] = field(default_factory=set)
    batches: list[list[pb.ResolveTenantRequest]] = field(default_factory=list)

    def WatchTenants(self, request: Any, context: Any) -> Any:
        """Nobody follows this one."""
        raise NotImplementedError

    async def ResolveTenant(self, request: pb.ResolveTenantRequest, context: Any) -> Any:
        """The single call, which no coalescer makes."""
        raise NotImplementedError

    async def BatchResolveTenants(
        self, request: pb.BatchResolveTenantsRequest, context: Any
    ) -> pb.BatchResolveTenantsResponse:
        """Called by the server."""
        self.batches.append(list(request.items))
        if self.behaviour is not None:
            await self.behaviour(list(request.items))
        outcomes = await batch.serve_batch(request, self._decide, "tenant.conserje")
        results = batch.to_results(pb.ResolveTenantResult, outcomes)
        return pb.BatchResolveTenantsResponse(results=results)

    async def _decide(
        self, items: list[pb.ResolveTenantRequest]
    ) -> list[pb.ResolveTenantResponse | MeshError]:
        return [
            NotFound("NUMBER_UNKNOWN")
            if item.phone_number_id in self.strangers
            else owner_of(item.phone_number_id)
            for item in items
        ]


def owner_of(number: str) -> pb.ResolveTenantResponse:
    """The answer that belongs to `number`."""
    answer = pb.ResolveTenantResponse()
    answer.routing_record.tenant_id = f"hotel-{number}"
    return answer


def request(number: int) -> pb.ResolveTenantRequest:
    """The question who owns `number`."""
    return pb.ResolveTenantRequest(phone_number_id=str(number))


@dataclass
class Mesh:
    """A servicer, and the coalescer that calls it over a socket."""

    servicer: Servicer
    coalescer: Coalescer[pb.ResolveTenantRequest, pb.ResolveTenantResponse]
    server: Server
    tracing: Tracing

    async def ask(self, *numbers: int) -> list[pb.ResolveTenantResponse | BaseException]:
        """Independent callers, one for each number."""
        calls = (self.coalescer.submit(request(number), TIMEOUT) for number in numbers)
        return await asyncio.gather(*calls, return_exceptions=True)


@asynccontextmanager
async def served(servicer: Servicer, limits: Limits | None = None) -> AsyncIterator[Mesh]:
    """A server, a client of ours and a coalescer, closed at the end."""
    registry = new_registry()
    tracing = Tracing("test", ratio=0.0)
    server = Server(tracing=tracing, registry=registry)
    server.add(pb_grpc.add_TenantServiceServicer_to_server, servicer, SERVICE)
    port = await server.start("127.0.0.1:0")
    await server.set_serving(True)
    metrics = RpcMetrics(registry, "client")
    channel = Channel(f"127.0.0.1:{port}", tracing=tracing, metrics=metrics)
    coalescer = rpc_coalescer(
        channel.stub(pb_grpc.TenantServiceStub).BatchResolveTenants,
        pb.BatchResolveTenantsRequest,
        name="tenant",
        tenant_of=lambda item: item.phone_number_id,
        metrics=CoalescerMetrics(registry),
        traceparent=current_traceparent,
        limits=limits,
    )
    try:
        yield Mesh(servicer, coalescer, server, tracing)
    finally:
        await coalescer.aclose()
        await channel.aclose()
        await server.stop(0)
        await tracing.aclose()


async def test_each_of_500_callers_gets_the_answer_to_its_own_item() -> None:
    async with served(Servicer()) as mesh:
        answers = await mesh.ask(*range(500))
        assert answers == [owner_of(str(number)) for number in range(500)]
        assert len(mesh.servicer.batches) < 50


async def test_bad_items_fail_alone_and_invalid_ones_too() -> None:
    async with served(Servicer(strangers={"3"})) as mesh:
        good, stranger, invalid, other = await asyncio.gather(
            *(
                mesh.coalescer.submit(pb.ResolveTenantRequest(phone_number_id=number), TIMEOUT)
                for number in ("1", "3", "not a number", "4")
            ),
            return_exceptions=True,
        )
        assert (good, other) == (owner_of("1"), owner_of("4"))
        assert isinstance(stranger, NotFound)
        assert stranger.reason == "NUMBER_UNKNOWN"
        assert isinstance(invalid, InvalidArgument)
        assert [one.field for one in invalid.violations] == ["phone_number_id"]
        assert len(mesh.servicer.batches) == 1


async def test_a_batch_that_breaks_the_server_is_halved_to_the_guilty_item() -> None:
    async def break_on_13(items: list[pb.ResolveTenantRequest]) -> None:
        if any(item.phone_number_id == "13" for item in items):
            raise RuntimeError("a bug that only this number wakes")

    async with served(Servicer(break_on_13)) as mesh:
        answers = await mesh.ask(*range(20))
        assert isinstance(answers.pop(13), Internal)
        assert answers == [owner_of(str(number)) for number in range(20) if number != 13]


async def test_a_message_bigger_than_the_server_takes_is_refused_alone() -> None:
    big = Limits(batch_bytes=32 * 1024 * 1024, waiting_bytes=64 * 1024 * 1024)
    async with served(Servicer(), big) as mesh:
        huge = request(7)
        huge.whatsapp_business_account_id = "1" * (9 * 1024 * 1024)
        outcomes = await asyncio.gather(
            *(mesh.coalescer.submit(item, TIMEOUT) for item in (request(1), huge, request(2))),
            return_exceptions=True,
        )
        assert (outcomes[0], outcomes[2]) == (owner_of("1"), owner_of("2"))
        assert isinstance(outcomes[1], MeshError)
        assert outcomes[1].reason == "RESOURCE_EXHAUSTED"


async def test_a_batch_lost_with_its_connection_is_unavailable_for_each_item() -> None:
    arrived = asyncio.Event()

    async def never(_: list[pb.ResolveTenantRequest]) -> None:
        arrived.set()
        await asyncio.Event().wait()

    async with served(Servicer(never)) as mesh:
        asking = asyncio.create_task(mesh.ask(*range(10)))
        await asyncio.wait_for(arrived.wait(), TIMEOUT)
        await mesh.server.stop(0)
        answers = await asking
        assert {type(answer) for answer in answers} == {Unavailable}
        assert len(mesh.servicer.batches) == 1


async def test_a_plain_stub_will_do() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        coalescer = rpc_coalescer(
            pb_grpc.TenantServiceStub(channel).BatchResolveTenants,
            pb.BatchResolveTenantsRequest,
            name="tenant",
            tenant_of=lambda item: item.phone_number_id,
            metrics=CoalescerMetrics(new_registry()),
        )
        with pytest.raises(Unavailable):
            await coalescer.submit(request(1), TIMEOUT)


async def test_the_server_learns_that_nobody_waits_any_more() -> None:
    arrived, stopped = asyncio.Event(), asyncio.Event()

    async def wait(_: list[pb.ResolveTenantRequest]) -> None:
        arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with served(Servicer(wait)) as mesh:
        callers = [
            asyncio.create_task(mesh.coalescer.submit(request(number), TIMEOUT))
            for number in range(3)
        ]
        await asyncio.wait_for(arrived.wait(), TIMEOUT)
        for caller in callers:
            caller.cancel()
        await asyncio.wait_for(stopped.wait(), TIMEOUT)
        await asyncio.wait(callers)
        assert all(caller.cancelled() for caller in callers)


async def test_each_item_carries_its_own_time_and_trace_and_the_callers_keep_theirs() -> None:
    async with served(Servicer()) as mesh:
        items = [request(number) for number in range(3)]
        # As an item may come from somewhere else; on its way it has its own time.
        items[2].time_remaining.FromSeconds(1)
        traces = []

        async def ask(item: pb.ResolveTenantRequest, timeout: float) -> None:
            with mesh.tracing.start_span("ask"):
                traces.append(current_traceparent())
                await mesh.coalescer.submit(item, timeout)

        await asyncio.gather(ask(items[0], 3.0), ask(items[1], 8.0), ask(items[2], 7.999))
        (sent,) = mesh.servicer.batches
        assert [item.traceparent for item in sent] == traces
        assert len(set(traces)) == 3
        assert 2.0 < seconds(sent[0]) <= 3.0
        # The longest has the deadline of the batch, and so has who has hardly less.
        assert not sent[1].HasField("time_remaining")
        assert not sent[2].HasField("time_remaining")
        assert items[:2] == [request(0), request(1)]
        assert seconds(items[2]) == 1.0


async def test_the_estimated_weight_covers_what_is_really_sent() -> None:
    async with served(Servicer()) as mesh:
        with mesh.tracing.start_span("ask"):
            await mesh.coalescer.submit_all([request(n) for n in range(30)], TIMEOUT)
        sent = pb.BatchResolveTenantsRequest(items=mesh.servicer.batches[0])
        weighed = sum(mesh.coalescer._size_of(request(n)) for n in range(30))
        assert sent.ByteSize() <= weighed


def seconds(item: pb.ResolveTenantRequest) -> float:
    """What is left of the item's time."""
    return item.time_remaining.ToNanoseconds() / 1e9


@pytest.mark.parametrize("reply", [[], [pb.ResolveTenantResult()]])
async def test_a_server_that_leaves_results_out_is_not_believed(reply: list[Any]) -> None:
    async def answer(_: Any, *, timeout: float | None = None) -> pb.BatchResolveTenantsResponse:
        return pb.BatchResolveTenantsResponse(results=reply)

    coalescer: Coalescer[pb.ResolveTenantRequest, pb.ResolveTenantResponse] = rpc_coalescer(
        answer,
        pb.BatchResolveTenantsRequest,
        name="tenant",
        tenant_of=lambda item: item.phone_number_id,
        metrics=CoalescerMetrics(new_registry()),
    )
    with pytest.raises(Internal, match="RESULT"):
        await coalescer.submit(request(1), TIMEOUT)
