"""A service that counts and lets itself be watched, with a contract made for the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, wrappers_pb2
from google.protobuf.struct_pb2 import ListValue
from prometheus_client import CollectorRegistry

from meshkit.client import Channel
from meshkit.clock import SystemClock
from meshkit.metrics import RpcMetrics, new_registry
from meshkit.server import Server
from meshkit.telemetry import Tracing
from meshkit.transport import Transport
from meshkit.watch import Follower, History, Part, WatchMetrics

SERVICE = "conserje.watching.v1.WatchingService"
WATCH = f"{SERVICE}/WatchNumbers"

Watch = Callable[[int], AsyncIterator[Part[int]]]


def _describe() -> None:
    """Add the contract to the pool, as a generated module does when it is imported."""
    file = descriptor_pb2.FileDescriptorProto(
        name="conserje/watching/v1/watching_service.proto",
        package="conserje.watching.v1",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto", "google/protobuf/struct.proto"],
    )
    method = file.service.add(name="WatchingService").method.add(
        name="WatchNumbers",
        input_type=".google.protobuf.Int64Value",
        output_type=".google.protobuf.ListValue",
        server_streaming=True,
    )
    method.options.idempotency_level = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
    descriptor_pool.Default().Add(file)


_describe()


def to_message(part: Part[int]) -> ListValue:
    """A part on the wire."""
    message = ListValue()
    message.extend([part.version, part.after_version, int(part.whole), int(part.more), *part.items])
    return message


def to_part(message: ListValue) -> Part[int]:
    """A part from the wire."""
    version, after_version, whole, more, *items = (int(one.number_value) for one in message.values)
    return Part(version, after_version, items, bool(whole), bool(more))


def add_to_server(watch: Watch, server: Any) -> None:
    """What a generated `add_…Servicer_to_server` does."""

    async def serve(request: wrappers_pb2.Int64Value, _context: Any) -> AsyncIterator[ListValue]:
        async for part in watch(request.value):
            yield to_message(part)

    handler = grpc.unary_stream_rpc_method_handler(
        serve,
        request_deserializer=wrappers_pb2.Int64Value.FromString,
        response_serializer=ListValue.SerializeToString,
    )
    server.add_registered_method_handlers(SERVICE, {"WatchNumbers": handler})


class Numbers:
    """An owner of numbers: each version adds the next one."""

    def __init__(self, kept: int = 1000, heartbeat_seconds: float = 0.05) -> None:
        self.history: History[int] = History(kept=kept, heartbeat_seconds=heartbeat_seconds)
        self.all: list[int] = []
        self.whole_copies = 0

    def add(self) -> None:
        """One change."""
        self.all.append(len(self.all) + 1)
        self.history.add(len(self.all), [self.all[-1]])

    def everything(self) -> tuple[int, list[int]]:
        """A whole copy."""
        self.whole_copies += 1
        return self.history.version, list(self.all)

    def watch(self, after_version: int) -> AsyncIterator[Part[int]]:
        """The stream of changes."""
        return self.history.watch(after_version, self.everything)


class NumbersCopy:
    """What a reader has."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.replaced = 0

    async def replace(self, _version: int, items: Any) -> None:
        """Be these."""
        self.numbers = list(items)
        self.replaced += 1

    def change(self, _version: int, items: Any) -> None:
        """Add these."""
        self.numbers.extend(items)


@dataclass
class Watched:
    """A server of a watch, and the way to it."""

    server: Server
    channel: Channel
    registry: CollectorRegistry

    def open(self, after_version: int) -> AsyncIterator[Part[int]]:
        """One stream."""
        call = self.channel.stub(_method)
        return _parts(call(wrappers_pb2.Int64Value(value=after_version)))

    def follower(self, copy: NumbersCopy, **more: Any) -> Follower[int]:
        """A reader that keeps `copy` new."""
        metrics = WatchMetrics(CollectorRegistry())
        return Follower(
            "numbers", opened=self.open, copy=copy, clock=SystemClock(), metrics=metrics, **more
        )

    def counted(self, side: str, code: str) -> float:
        """How many streams ended with `code`."""
        labels = {"method": WATCH, "code": code}
        return self.registry.get_sample_value(f"rpc_{side}_handled_total", labels) or 0.0

    def streams(self, side: str) -> float:
        """How many streams are open."""
        name = f"rpc_{side}_streams"
        return self.registry.get_sample_value(name, {"method": WATCH}) or 0.0


def _method(channel: grpc.aio.Channel) -> Any:
    return channel.unary_stream(
        f"/{WATCH}",
        request_serializer=wrappers_pb2.Int64Value.SerializeToString,
        response_deserializer=ListValue.FromString,
    )


async def _parts(messages: AsyncIterator[ListValue]) -> AsyncIterator[Part[int]]:
    async for message in messages:
        yield to_part(message)


@asynccontextmanager
async def watched(
    watch: Watch, *, listen: str = "127.0.0.1:0", transport: Transport | None = None
) -> AsyncIterator[Watched]:
    """A server and a client of it, stopped at the end."""
    registry = new_registry()
    tracing = Tracing("test", ratio=0.0)
    server = Server(tracing=tracing, registry=registry, transport=transport)
    server.add(add_to_server, watch, SERVICE)
    target = f"127.0.0.1:{await server.start(listen)}"
    await server.set_serving(True)
    channel = Channel(target, tracing=tracing, metrics=RpcMetrics(registry, "client"))
    try:
        yield Watched(server, channel, registry)
    finally:
        await channel.aclose()
        await server.stop(0)
        await asyncio.wait_for(tracing.aclose(), 5)


@asynccontextmanager
async def in_background(
    run: Callable[[asyncio.Event], Awaitable[None]],
) -> AsyncIterator[None]:
    """A worker for as long as the block lasts; what it raises is raised."""
    stopping = asyncio.Event()
    task = asyncio.ensure_future(run(stopping))
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait_for(task, 5)
