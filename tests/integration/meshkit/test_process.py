"""A whole process: configuration, probes, drain, exit codes."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import Any, cast

import aiohttp
import grpc
import pytest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from meshkit.client import Channel
from meshkit.metrics import RpcMetrics, new_registry
from meshkit.telemetry import Tracing
from tests.integration.meshkit.processes import Process, running
from tests.integration.meshkit.servers import SERVICE, request
from tests.waiting import eventually


async def get(port: int, path: str) -> tuple[int, str]:
    """One HTTP request of its own."""
    url = f"http://127.0.0.1:{port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_a_process_serves_probes_health_and_reflection() -> None:
    async with running() as process:
        ports = await process.line("listening")
        for path in ("/livez", "/startupz", "/readyz"):
            assert (await get(ports["ops"], path))[0] == 200
        status, body = await get(ports["ops"], "/metrics")
        assert status == 200
        assert "process_resident_memory_bytes" in body
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            for service in ("", SERVICE):
                answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
            reflection: Any = reflection_pb2_grpc.ServerReflectionStub(cast(Any, channel))
            asked = cast(Any, reflection_pb2).ServerReflectionRequest(list_services="")
            async for listed in reflection.ServerReflectionInfo(iter([asked])):
                names = {one.name for one in listed.list_services_response.service}
            assert {SERVICE, "grpc.health.v1.Health"} <= names


async def test_without_reflection_a_process_does_not_describe_itself() -> None:
    async with running(common={"CONSERJE_REFLECTION": "false"}) as process:
        ports = await process.line("listening")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel:
            reflection: Any = reflection_pb2_grpc.ServerReflectionStub(cast(Any, channel))
            asked = cast(Any, reflection_pb2).ServerReflectionRequest(list_services="")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                async for _ in reflection.ServerReflectionInfo(iter([asked])):
                    pass
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_stop_finishes_what_was_begun_in_the_order_that_loses_nothing() -> None:
    async with running(answer_seconds=1.0, notice_seconds=0.3) as process:
        ports = await process.line("listening")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel:
            call = asyncio.ensure_future(TenantServiceStub(channel).ResolveTenant(request()))
            await process.line("handler started")
            page = asyncio.ensure_future(get(ports["http"], "/"))
            await process.line("request started")
            health: Any = health_pb2_grpc.HealthStub(channel)
            watch = health.Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            process.signal()
            await process.line("draining")
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            watch.cancel()
            status, body = await get(ports["ops"], "/readyz")
            assert status == 503
            assert "stopping" in body
            assert await page == (200, "answered")
            assert (await call).routing_record.tenant_id
        code, _ = await process.end()
        assert code == 0
        order = ["draining", "worker finished", "service closed", "stopped"]
        assert [event for event in process.events() if event in order] == order


async def test_a_second_signal_ends_it_at_once() -> None:
    async with running(notice_seconds=60) as process:
        await process.line("listening")
        process.signal()
        await process.line("draining")
        process.signal(signal.SIGINT)
        assert (await process.end())[0] == 128 + signal.SIGINT


async def test_bad_configuration_is_told_whole_and_ends_with_2() -> None:
    async with running(grpc_listen="nowhere", no_such="1", password="hunter2") as process:
        code, told = await process.end()
    assert code == 2
    assert "CONSERJE_TENANT_GRPC_LISTEN" in told
    assert "CONSERJE_TENANT_NO_SUCH" in told
    assert "Traceback" not in told
    assert "hunter2" not in told


async def test_check_config_prints_what_is_in_force() -> None:
    async with running("--check-config", password="hunter2", answer_seconds=2) as process:
        told = await process.output()
    assert "CONSERJE_TENANT_ANSWER_SECONDS=2.0" in told
    assert "CONSERJE_TENANT_PASSWORD=***" in told
    assert "hunter2" not in told


@pytest.mark.parametrize("setting", ["grpc_listen", "ops_listen", "http_listen"])
async def test_a_taken_port_is_one_sentence(setting: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        told_where: dict[str, Any] = {setting: address}
        async with running(**told_where) as process:
            code, told = await process.end()
    assert code == 1
    assert f"could not start: cannot listen on {address}" in told
    assert "Traceback" not in told


async def test_only_some_modes_run() -> None:
    async with running("--only=steps") as process:
        await process.line("listening")
        process.signal()
        assert (await process.end())[1].splitlines()[0] == "steps"
    async with running("--only=stepz") as process:
        code, told = await process.end()
        assert (code, "--only: knows serve, steps, not stepz" in told) == (2, True)


class Load:
    """Constant calls to both replicas, from a client as shipped."""

    def __init__(self, targets: list[str]) -> None:
        self._channel = Channel(
            "ipv4:" + ",".join(targets),
            tracing=Tracing("load"),
            metrics=RpcMetrics(new_registry(), "client"),
            retries=True,
        )
        self._stub = self._channel.stub(TenantServiceStub)
        self._stopping = asyncio.Event()
        self.answered_by: list[str] = []
        self._tasks = [asyncio.ensure_future(self._call_on()) for _ in range(8)]

    async def _call_on(self) -> None:
        while not self._stopping.is_set():
            answer = await self._stub.ResolveTenant(request())
            self.answered_by.append(answer.routing_record.tenant_id)

    async def until_answered_by(self, count: int) -> None:
        """Wait until that many processes have answered since now."""
        start = len(self.answered_by)
        await eventually(lambda: len(set(self.answered_by[start:])) >= count, 20)

    async def stop(self) -> None:
        """Raise what any of the callers got instead of an answer."""
        self._stopping.set()
        try:
            await asyncio.gather(*self._tasks)
        finally:
            await self._channel.aclose()


async def test_no_idempotent_call_fails_while_two_replicas_are_restarted() -> None:
    settings: dict[str, Any] = {"answer_seconds": 0.02, "notice_seconds": 0.1}
    ports = [free_port(), free_port()]
    addresses = [f"127.0.0.1:{port}" for port in ports]
    async with (
        running(grpc_listen=addresses[0], **settings) as first,
        running(grpc_listen=addresses[1], **settings) as second,
    ):
        await asyncio.gather(first.line("listening"), second.line("listening"))
        load = Load(addresses)
        await load.until_answered_by(2)
        await _stopped(first)
        async with running(grpc_listen=addresses[0], **settings) as third:
            await third.line("listening")
            await load.until_answered_by(2)
            await _stopped(second)
            async with running(grpc_listen=addresses[1], **settings) as fourth:
                await fourth.line("listening")
                await load.until_answered_by(2)
                await load.stop()
        assert len(set(load.answered_by)) == 4


async def _stopped(process: Process) -> None:
    process.signal()
    assert (await process.end())[0] == 0
