"""`python -m services.tenant`, as it is run."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

import grpc
from conserje.tenant.v1.tenant_service_pb2 import ResolveTenantRequest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from sandbox.databases import DatabaseUrls
from sandbox.demo.tenants import load_tenants


async def start(urls: DatabaseUrls, *arguments: str, **more: str) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        "CONSERJE_TENANT_DATABASE_URL": urls.app_url,
        "CONSERJE_TENANT_OWNER_DATABASE_URL": urls.owner_url,
        **more,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.tenant",
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ports_of(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    async for line in process.stdout:
        told: dict[str, Any] = json.loads(line)
        if told["event"] == "listening":
            return told
    raise AssertionError("it never listened")


async def test_it_serves_drains_and_leaves(urls: DatabaseUrls) -> None:
    process = await start(urls)
    ports = await ports_of(process)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel:
        stub = TenantServiceStub(channel)
        response = await stub.ResolveTenant(ResolveTenantRequest(phone_number_id="100000000000001"))
        assert response.routing_record.tenant_id == "hotel-mirador"
    process.send_signal(signal.SIGTERM)
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert json.loads(out.splitlines()[-1])["event"] == "stopped"


async def test_migrate_twice(empty_database: DatabaseUrls) -> None:
    told = []
    for _ in range(2):
        process = await start(empty_database, "migrate")
        out, _ = await process.communicate()
        assert process.returncode == 0
        told.append(json.loads(out.splitlines()[-1])["applied"])
    assert told[0][0] == "0001_directory.sql"
    assert told[1] == []
    await load_tenants(empty_database.owner_url)


async def test_the_configuration_is_shown_without_secrets(urls: DatabaseUrls) -> None:
    process = await start(urls, "--check-config")
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert b"CONSERJE_TENANT_POLL_SECONDS=1.0" in out
    assert urls.app_url.encode() not in out


async def test_everything_wrong_with_the_configuration_is_told_at_once(urls: DatabaseUrls) -> None:
    process = await start(
        urls, CONSERJE_TENANT_POLL_SECONDS="0", CONSERJE_TENANT_POOL="x", CONSERJE_NONE="1"
    )
    _, error = await process.communicate()
    assert process.returncode == 2
    for variable in (b"CONSERJE_TENANT_POLL_SECONDS", b"CONSERJE_TENANT_POOL", b"CONSERJE_NONE"):
        assert variable in error
