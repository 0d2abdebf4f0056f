"""The gateway beside its webhook: a process like the others, though nobody calls it over gRPC."""

from __future__ import annotations

from typing import Any, cast

import aiohttp
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.integration.gateway.conftest import Gateway


async def test_health_reflection_and_probes(gateway: Gateway) -> None:
    ports = gateway.kit.ports
    async with aiohttp.ClientSession(f"http://127.0.0.1:{ports['ops']}") as session:
        for path in ("/startupz", "/livez", "/readyz", "/metrics"):
            async with session.get(path) as answer:
                assert answer.status == 200, path
    async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        told = await health.Check(health_pb2.HealthCheckRequest())
        assert told.status == health_pb2.HealthCheckResponse.SERVING
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(cast(Any, channel))
        asked = cast(Any, reflection_pb2).ServerReflectionRequest(list_services="")
        async for listed in reflection.ServerReflectionInfo(iter([asked])):
            names = {one.name for one in listed.list_services_response.service}
        assert "grpc.health.v1.Health" in names
