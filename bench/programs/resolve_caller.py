"""Callers of the tenant service, with the client that every process of the mesh has.

`single` calls ResolveTenant; `coalesced` calls the same single-call interface of a coalescer in
front of BatchResolveTenants. Each call runs in a trace of its own, as a request of a guest does.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import uvloop
from conserje.tenant.v1.tenant_service_pb2 import (
    BatchResolveTenantsRequest,
    ResolveTenantRequest,
    ResolveTenantResponse,
)
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from bench import hotels
from bench.programs.stdio import answer_runs
from meshkit.coalesce import CoalescerMetrics, rpc_coalescer
from meshkit.config import Settings
from meshkit.kit import Kit
from meshkit.run import spare_collector
from meshkit.telemetry import current_traceparent

if TYPE_CHECKING:
    from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceAsyncStub

TIMEOUT = 5.0

Resolve = Callable[[ResolveTenantRequest], Awaitable[ResolveTenantResponse]]


async def main(way: str, target: str, otlp_endpoint: str) -> None:
    """Call `target` when told."""
    kit = Kit("bench", Settings(otlp_endpoint=otlp_endpoint))
    channel = kit.channel("tenant", target)
    stub = channel.stub(TenantServiceStub)
    single: Resolve = partial(stub.ResolveTenant, timeout=TIMEOUT)
    resolve = single if way == "single" else _coalesced(kit, stub)
    numbers = itertools.cycle(hotels.in_any_order())

    async def call() -> None:
        number = next(numbers)
        with kit.telemetry.start_span("bench caller", kind="server", traceparent=""):
            answer = await resolve(
                ResolveTenantRequest(
                    phone_number_id=hotels.phone_number_id(number),
                    whatsapp_business_account_id=hotels.account_id(number),
                )
            )
        if answer.routing_record.tenant_id != hotels.tenant_id(number):
            raise RuntimeError("a caller got the answer of another")

    spare_collector()  # as in every process of the mesh
    await answer_runs(call)
    await channel.aclose()
    await kit.telemetry.aclose()


def _coalesced(kit: Kit, stub: TenantServiceAsyncStub) -> Resolve:
    coalescer = rpc_coalescer(
        stub.BatchResolveTenants,
        BatchResolveTenantsRequest,
        name="resolve",
        tenant_of=lambda item: item.phone_number_id,
        metrics=CoalescerMetrics(kit.registry),
        traceparent=current_traceparent,
    )
    return lambda request: coalescer.submit(request, TIMEOUT)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
