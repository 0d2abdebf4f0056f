"""A servicer that does what a test tells it, served for real on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from conserje.tenant.v1 import tenant_service_pb2 as pb
from conserje.tenant.v1 import tenant_service_pb2_grpc as pb_grpc
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from meshkit import batch
from meshkit.client import Channel
from meshkit.metrics import RpcMetrics, new_registry
from meshkit.server import Server
from meshkit.telemetry import Tracing
from tests.tenants import Resolving

SERVICE = "conserje.tenant.v1.TenantService"
RESOLVE = f"{SERVICE}/ResolveTenant"

Behaviour = Callable[[pb.ResolveTenantRequest, Any], Awaitable[pb.ResolveTenantResponse]]


def request(phone_number_id: str = "100") -> pb.ResolveTenantRequest:
    """A request that is valid unless the test makes it otherwise."""
    return pb.ResolveTenantRequest(phone_number_id=phone_number_id)


def response(tenant_id: str) -> pb.ResolveTenantResponse:
    """An answer that names a hotel."""
    answer = pb.ResolveTenantResponse()
    answer.routing_record.tenant_id = tenant_id
    return answer


class Servicer(Resolving):
    """Answers with what `behaviour` does."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    def WatchTenants(self, request: Any, context: Any) -> Any:
        """Nobody follows this one."""
        raise NotImplementedError

    async def ResolveTenant(self, request: pb.ResolveTenantRequest, context: Any) -> Any:
        return await self.behaviour(request, context)

    async def BatchResolveTenants(
        self, request: pb.BatchResolveTenantsRequest, context: Any
    ) -> Any:
        async def decide(items: list[Any]) -> list[Any]:
            return [await self.behaviour(item, context) for item in items]

        outcomes = await batch.serve_batch(request, decide, "tenant.conserje")
        results = batch.to_results(pb.ResolveTenantResult, outcomes)
        return pb.BatchResolveTenantsResponse(results=results)


@dataclass
class Mesh:
    """A server, our client to it, and what both measured."""

    stub: pb_grpc.TenantServiceAsyncStub
    plain: pb_grpc.TenantServiceAsyncStub
    """A stub without anything of ours."""
    server: Server
    registry: Any
    spans: InMemorySpanExporter
    tracing: Tracing
    target: str

    def handled(self, side: str, code: str) -> float:
        """How many calls of ResolveTenant ended with `code`."""
        labels = {"method": RESOLVE, "code": code}
        return self.registry.get_sample_value(f"rpc_{side}_handled_total", labels) or 0.0


@asynccontextmanager
async def served(behaviour: Behaviour, *, ratio: float = 0.0) -> AsyncIterator[Mesh]:
    """A mesh of one server and one client, stopped at the end."""
    registry = new_registry()
    spans = InMemorySpanExporter()
    tracing = Tracing("test", ratio=ratio, exporter=spans)
    server = Server(tracing=tracing, registry=registry)
    server.add(pb_grpc.add_TenantServiceServicer_to_server, Servicer(behaviour), SERVICE)
    target = f"127.0.0.1:{await server.start('127.0.0.1:0')}"
    await server.set_serving(True)
    channel = Channel(target, tracing=tracing, metrics=RpcMetrics(registry, "client"))
    plain = grpc.aio.insecure_channel(target)
    try:
        yield Mesh(
            stub=channel.stub(pb_grpc.TenantServiceStub),
            plain=pb_grpc.TenantServiceStub(plain),
            server=server,
            registry=registry,
            spans=spans,
            tracing=tracing,
            target=target,
        )
    finally:
        await channel.aclose()
        await plain.close()
        await server.stop(0)
        await asyncio.wait_for(tracing.aclose(), 5)
