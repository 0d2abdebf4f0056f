"""The mesh with certificates: it works, they are renewed under it, and tools need one too."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from conserje.tenant.v1.credential_pb2 import CREDENTIAL_KIND_ACCESS_TOKEN
from conserje.tenant.v1.credential_service_pb2 import (
    ReadAccessTokenRequest,
    SetCredentialRequest,
)
from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceStub
from conserje.tenant.v1.tenant_service_pb2 import ResolveTenantRequest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from meshkit import authority
from meshkit.identity import Certificates
from sandbox import demo
from sandbox.mesh import Mesh
from sandbox.servers import Given
from sandbox.wiring import Process
from tests.e2e.folders import NO_PAUSE, mesh_folder
from tests.e2e.guests import MIRADOR, Guest
from tests.integration.identity import walk

pytestmark = pytest.mark.e2e

SERVICES = ("tenant", "booking", "messaging", "gateway")


@dataclass(frozen=True)
class Secured:
    """A mesh whose processes speak mTLS."""

    mesh: Mesh
    signer: authority.Pair
    folders: dict[str, Path]


@pytest.fixture(scope="module")
async def secured(
    run_servers: Given, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Secured]:
    """Each process with the certificate of its own identity."""
    signer = authority.new_authority()
    folders = walk.folders(tmp_path_factory.mktemp("tls"), signer)
    processes = [
        Process(name, env={"CONSERJE_TLS_FOLDER": str(folders[name])}) for name in SERVICES
    ]
    with mesh_folder() as folder:
        async with Mesh(
            folder, given=run_servers, processes=["graph", *processes], env=NO_PAUSE
        ) as mesh:
            yield Secured(mesh, signer, folders)


async def test_a_guest_is_answered_over_certificates_and_after_their_renewal(
    secured: Secured,
) -> None:
    guest = Guest(secured.mesh)
    assert "Hotel Mirador" in (await guest.say("hola")).text
    before = await _ends(secured.mesh)
    for name in SERVICES:
        walk.issue(secured.folders[name], secured.signer, name, days=60)
    async with asyncio.timeout(30):
        # No event tells of it: the processes look at their files every few seconds.
        while set(before.items()) & set((await _ends(secured.mesh)).items()):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    assert (await Guest(secured.mesh).say("hola")).text


async def test_plaintext_and_other_identities_are_refused(secured: Secured) -> None:
    target = secured.mesh.address("messaging").grpc
    async with grpc.aio.insecure_channel(secured.mesh.address("tenant").grpc) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await TenantServiceStub(channel).ResolveTenant(
                ResolveTenantRequest(phone_number_id=MIRADOR), timeout=10
            )
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    credentials = Certificates(secured.folders["booking"]).client()
    async with grpc.aio.secure_channel(target, credentials) as channel:
        for path in walk.paths():
            if path.startswith("/conserje.messaging.v1.MessagingService/"):
                assert await walk.call(channel, path) is grpc.StatusCode.PERMISSION_DENIED


async def test_the_command_reads_with_the_readers_certificate_and_changes_nothing(
    secured: Secured,
) -> None:
    guest = Guest(secured.mesh)
    await guest.say("hola")
    reader = secured.folders["reader"]
    messaging = secured.mesh.address("messaging").grpc
    code, told = await _conserje(reader, "trace", guest.wamid, "--target", messaging)
    assert (code, "hotel  hotel-mirador" in told) == (0, True), told
    booking = secured.mesh.address("booking").grpc
    release = "conserje.booking.v1.BookingService/ReleaseLock"
    code, told = await _conserje(reader, "call", release, "{}", "--target", booking)
    assert (code, "PERMISSION_DENIED IDENTITY_NOT_ALLOWED" in told) == (1, True), told


async def test_an_operator_sets_a_token_that_messaging_alone_reads(secured: Secured) -> None:
    number = dataclasses.asdict(demo.NUMBERS[0]) | {"access_token": "miradors-own"}
    await secured.mesh.graph.set_numbers([number])
    credentials = Certificates(secured.folders["operator"]).client()
    target = secured.mesh.address("tenant").grpc
    async with grpc.aio.secure_channel(target, credentials) as channel:
        stub: Any = CredentialServiceStub(channel)
        await stub.SetCredential(
            SetCredentialRequest(
                tenant_id="hotel-mirador",
                kind=CREDENTIAL_KIND_ACCESS_TOKEN,
                value="miradors-own",
            )
        )
        # WhatsApp takes no other token for this number now.
        assert "Hotel Mirador" in (await Guest(secured.mesh).say("hola")).text
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.ReadAccessToken(
                ReadAccessTokenRequest(tenant_id="hotel-mirador", phone_number_id=MIRADOR)
            )
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def _ends(mesh: Mesh) -> dict[str, str]:
    """When each process's certificate ends, as its metrics say."""
    wanted = "certificate_not_after_timestamp_seconds "
    return {
        name: line.removeprefix(wanted)
        for name in SERVICES
        for line in (await mesh.metrics(name)).splitlines()
        if line.startswith(wanted)
    }


async def _conserje(folder: Path, *arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli", *arguments),
        env=walk.environment(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    return process.returncode, told.decode()
