"""Certificates of every kind, and servers that offer the whole contract to them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.message_factory import GetMessageClass

from meshkit import authority, contract
from meshkit.authority import Pair
from meshkit.errors import NotFound
from meshkit.identity import IDENTITIES, Certificates
from meshkit.metrics import new_registry
from meshkit.server import Server
from meshkit.telemetry import Tracing
from tests.unit.test_access import ALL, SERVICES

REACHED = "REACHED"
HOSTS = ("localhost", "127.0.0.1")


def folders(root: Path, signer: Pair) -> dict[str, Path]:
    """A folder with a certificate for each identity."""
    for identity in IDENTITIES:
        issue(root / identity, signer, identity)
    return {identity: root / identity for identity in IDENTITIES}


def issue(folder: Path, signer: Pair, identity: str, days: int = 30) -> Path:
    """One folder with a new certificate."""
    authority.write(folder, authority.issue(signer, identity, HOSTS, days), signer.certificate)
    return folder


@asynccontextmanager
async def whole_contract(folder: Path) -> AsyncIterator[str]:
    """The target of a server that offers every RPC, each saying only that it was reached."""
    server = Server(
        tracing=Tracing("test"),
        registry=new_registry(),
        certificates=Certificates(folder),
        access=ALL,
    )
    for service in SERVICES:
        server.add(_add(service), None, service)
    port = await server.start("127.0.0.1:0")
    await server.set_serving(True)
    try:
        yield f"localhost:{port}"
    finally:
        await server.stop(0)


def _add(service: str) -> Any:
    """Stands in for a generated `add_…_to_server`, whatever the service."""
    described = {path.rpartition("/")[2]: _described(path) for path in contract.methods(service)}

    def add(_servicer: None, server: Any) -> None:
        server.add_registered_method_handlers(
            service, {name: _handler(method) for name, method in described.items()}
        )

    return add


def _described(path: str) -> Any:
    service, name = path[1:].split("/")
    return descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]


def _handler(method: Any) -> Any:
    kinds: dict[str, Any] = {
        "request_deserializer": GetMessageClass(method.input_type).FromString,
        "response_serializer": GetMessageClass(method.output_type).SerializeToString,
    }

    async def reached(_request: Any, _context: Any) -> Any:
        raise NotFound(REACHED)

    async def reached_stream(_request: Any, _context: Any) -> Any:
        raise NotFound(REACHED)
        yield

    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(reached_stream, **kinds)
    return grpc.unary_unary_rpc_method_handler(reached, **kinds)


async def call(channel: grpc.aio.Channel, path: str) -> grpc.StatusCode:
    """How an empty request of a method ends."""
    method = _described(path)
    multicallable: Any = channel.unary_stream if method.server_streaming else channel.unary_unary
    rpc = multicallable(path)(b"", timeout=10)
    try:
        if method.server_streaming:
            async for _ in rpc:
                pass
        else:
            await rpc
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def paths() -> list[str]:
    """Every RPC of the contract."""
    return [path for service in SERVICES for path in contract.methods(service)]


def environment(folder: Path) -> dict[str, str]:
    """Our environment, and in it the certificate of a folder."""
    return {**os.environ, "CONSERJE_TLS_FOLDER": str(folder)}
