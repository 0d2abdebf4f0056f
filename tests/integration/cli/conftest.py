"""A gRPC server with reflection and an operations port, and the command that asks them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from conserje.audit.v1 import audit_service_pb2_grpc
from conserje.messaging.v1 import (
    media_service_pb2,
    media_service_pb2_grpc,
    messaging_service_pb2,
    messaging_service_pb2_grpc,
    number_service_pb2_grpc,
    usage_service_pb2,
    usage_service_pb2_grpc,
)
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceServicer,
    add_MessagingOperationsServiceServicer_to_server,
)
from conserje.tenant.v1 import tenant_pb2, tenant_service_pb2, tenant_service_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from meshkit.errors import InvalidArgument, MeshError, NotFound, Unavailable
from meshkit.status import to_status
from tests.tenants import Resolving

ROOT = Path(__file__).parents[3]
WAMID = "wamid.known"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


Conserje = Callable[..., Awaitable[Ran]]


async def _refuse(context: Any, error: MeshError) -> Any:
    await context.abort_with_status(rpc_status.to_status(to_status(error, "tenant.conserje")))


class Tenants(Resolving):
    """Knows one number; has one of each kind of error."""

    def WatchTenants(self, request: Any, context: Any) -> Any:
        """Nobody follows this one."""
        raise NotImplementedError

    async def ResolveTenant(self, request: Any, context: Any) -> Any:
        number = request.phone_number_id
        if number == "1":
            record = tenant_pb2.RoutingRecord(tenant_id="hotel-mirador", display_name="Señorío")
            response = tenant_service_pb2.ResolveTenantResponse(routing_record=record)
            response.as_of.FromJsonString("2026-11-23T10:00:00Z")
            return response
        if number == "bad":
            raise await _refuse(
                context, InvalidArgument.field("phone_number_id", "must be 1 to 32 digits")
            )
        if number == "later":
            raise await _refuse(context, Unavailable("DIRECTORY_NOT_LOADED", retry_after=0.25))
        raise await _refuse(
            context, NotFound("NUMBER_UNKNOWN", "No hotel owns it.", phone_number_id=number)
        )

    async def GetTenant(self, request: Any, context: Any) -> Any:
        if request.tenant_id == "hotel-mirador":
            return tenant_service_pb2.GetTenantResponse()
        if request.tenant_id != request.tenant_id.lower():
            raise await _refuse(
                context, InvalidArgument.field("tenant_id", "must be small letters")
            )
        raise await _refuse(context, NotFound("TENANT_UNKNOWN"))

    async def BatchResolveTenants(self, request: Any, context: Any) -> Any:
        error = to_status(NotFound("NUMBER_UNKNOWN"), "tenant.conserje")
        results = [tenant_service_pb2.ResolveTenantResult(error=error) for _ in request.items]
        return tenant_service_pb2.BatchResolveTenantsResponse(results=results)


class Messages(messaging_service_pb2_grpc.MessagingServiceServicer):
    """Knows one message."""

    async def IngestEvent(self, request: Any, context: Any) -> Any:
        raise await _refuse(context, Unavailable("DATABASE_AWAY"))

    BatchIngestEvents = IngestEvent

    async def TraceMessage(self, request: Any, context: Any) -> Any:
        if request.whatsapp_message_id != WAMID and request.confirmation_code != "ABCD2345":
            raise await _refuse(context, NotFound("MESSAGE_UNKNOWN"))
        hop = messaging_service_pb2.Hop(
            name="gateway.receive", detail=request.WhichOneof("subject")
        )
        hop.time.FromJsonString("2026-11-23T10:00:00Z")
        return messaging_service_pb2.TraceMessageResponse(tenant_id="hotel-mirador", hops=[hop])


class Files(media_service_pb2_grpc.MediaServiceServicer):
    """Has none."""

    async def ListMedia(self, request: Any, context: Any) -> Any:
        return media_service_pb2.ListMediaResponse()

    async def _not_here(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    GetMedia = RetryMedia = SendMedia = EraseMedia = _not_here
    ListAudioCacheEntries = PurgeAudioCache = _not_here


class Operations(MessagingOperationsServiceServicer):
    """Has no conversation."""

    async def ReplayConversation(self, request: Any, context: Any) -> Any:
        raise await _refuse(context, NotFound("CONVERSATION_UNKNOWN"))


class Numbers(number_service_pb2_grpc.NumberServiceServicer):
    """Knows no number."""

    async def VerifyNumber(self, request: Any, context: Any) -> Any:
        raise await _refuse(context, NotFound("NUMBER_UNKNOWN"))


class Usage(usage_service_pb2_grpc.UsageServiceServicer):
    """Nothing was sent; takes every cap."""

    def __init__(self) -> None:
        self.capped: list[str] = []

    async def GetUsage(self, request: Any, context: Any) -> Any:
        return usage_service_pb2.GetUsageResponse(time_zone="UTC")

    async def SetUsageCap(self, request: Any, context: Any) -> Any:
        self.capped.append(request.tenant_id)
        return usage_service_pb2.SetUsageCapResponse()


class Changes(audit_service_pb2_grpc.AuditServiceServicer):
    """Keeps no log."""

    async def ListOperatorChanges(self, request: Any, context: Any) -> Any:
        raise await _refuse(context, Unavailable("DATABASE_AWAY"))


@pytest.fixture
def usage() -> Usage:
    """What is billed, as the server has it."""
    return Usage()


@pytest.fixture
async def server(usage: Usage) -> AsyncIterator[str]:
    """The target of a server that offers some services."""
    server = grpc.aio.server()
    tenant_service_pb2_grpc.add_TenantServiceServicer_to_server(Tenants(), server)
    messaging_service_pb2_grpc.add_MessagingServiceServicer_to_server(Messages(), server)
    media_service_pb2_grpc.add_MediaServiceServicer_to_server(Files(), server)
    add_MessagingOperationsServiceServicer_to_server(Operations(), server)  # type: ignore[abstract]
    number_service_pb2_grpc.add_NumberServiceServicer_to_server(Numbers(), server)
    usage_service_pb2_grpc.add_UsageServiceServicer_to_server(usage, server)
    audit_service_pb2_grpc.add_AuditServiceServicer_to_server(Changes(), server)
    names = (
        "conserje.tenant.v1.TenantService",
        "conserje.messaging.v1.MessagingService",
        "conserje.audit.v1.AuditService",
    )
    reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture
def conserje(tmp_path: Path) -> Conserje:
    """Runs the command as a person would, in a folder where no mesh runs."""

    async def run(*arguments: str, stdin: str = "", **environment: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cli",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={"CONSERJE_CLI_RUN_FILE": str(tmp_path / "run.json"), **environment},
        )
        out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    return run
