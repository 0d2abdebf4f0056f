"""Keys are changed under a serving process, and nothing that is read with them notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from conserje.tenant.v1 import credential_service_pb2 as pb

from meshkit.status import from_rpc_error
from sandbox.databases import DatabaseUrls
from tests.integration.tenant.keys import (
    LUNA,
    LUNAS_NUMBER,
    MIRADOR,
    MIRADORS_NUMBER,
    add_key,
    app_secret,
    apps_of,
    pms,
    token,
    token_of,
)
from tests.integration.tenant.test_hotels import refused
from tests.integration.tenant.test_serving import Service, serving

OLD, NEW = "2026-01", "2026-07"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return add_key(tmp_path / "keys", OLD)


@pytest.fixture
async def service(urls: DatabaseUrls, folder: Path) -> AsyncIterator[Service]:
    async with serving(urls.app_url, keys_folder=str(folder)) as running:
        yield running


async def fill(stub: Any, count: int = 25) -> None:
    """Both hotels with tokens, one with a secret for its PMS, and many apps with one each."""
    for request in (pms(MIRADOR, "p"), token(MIRADOR, "m"), token(LUNA, "l")):
        await stub.SetCredential(request)
    for name in ("norte", *(f"app{number}" for number in range(count - 4))):
        await stub.SetApp(pb.SetAppRequest(app_name=name))
        await stub.SetCredential(app_secret(name, "n"))


async def counts(stub: Any) -> dict[str, tuple[bool, bool, int]]:
    """Of each key: whether it is there, whether it is the newest, how much is under it."""
    keys = (await stub.ListKeys(pb.ListKeysRequest())).keys
    return {key.key_id: (key.present, key.newest, key.credential_count) for key in keys}


async def rotate(stub: Any, size: int = 10) -> list[int]:
    """Rotate to the end; how many each page renewed."""
    renewed, request = [], pb.RotateKeysRequest(page_size=size)
    while True:
        page = await stub.RotateKeys(request)
        assert page.failed_count == 0
        renewed.append(page.renewed_count)
        request.page_token = page.next_page_token
        if not request.page_token:
            return renewed


async def read_all(stub: Any) -> None:
    """Whoever reads gets what was set."""
    assert await token_of(stub, MIRADOR, MIRADORS_NUMBER) == "m"
    assert await token_of(stub, LUNA, LUNAS_NUMBER) == "l"
    assert (await apps_of(stub))["norte"] == (["n"], "")


async def test_everything_comes_under_the_newest_key_while_it_is_read_and_the_old_one_goes(
    service: Service, folder: Path
) -> None:
    stub = service.credentials
    await fill(stub)
    reading, rounds = True, 0

    async def read() -> None:
        nonlocal rounds
        while reading:
            await read_all(stub)
            rounds += 1

    readers = [asyncio.create_task(read()) for _ in range(4)]
    add_key(folder, NEW)
    assert await counts(stub) == {OLD: (True, False, 25), NEW: (True, True, 0)}
    assert await rotate(stub) == [10, 10, 5]
    assert await counts(stub) == {OLD: (True, False, 0), NEW: (True, True, 25)}
    (folder / OLD).unlink()
    assert await counts(stub) == {NEW: (True, True, 25)}
    seen = rounds
    while rounds < seen + 8:  # noqa: ASYNC110
        await asyncio.sleep(0)
    reading = False
    await asyncio.gather(*readers)
    assert await rotate(stub) == [0]


async def test_a_rotation_tells_no_follower_and_changes_no_version(
    service: Service, folder: Path, admin: asyncpg.Connection
) -> None:
    stub = service.credentials
    await fill(stub)
    same = "SELECT array_agg((credential_id, version, set_time)) FROM credential"
    before = await admin.fetchval(same)
    add_key(folder, NEW)
    await rotate(stub)
    assert await admin.fetchval(same) == before


async def test_a_rotation_that_ended_half_way_is_finished_by_the_next(
    urls: DatabaseUrls, folder: Path
) -> None:
    async with serving(urls.app_url, keys_folder=str(folder)) as service:
        await fill(service.credentials)
        add_key(folder, NEW)
        page = await service.credentials.RotateKeys(pb.RotateKeysRequest(page_size=10))
        assert page.renewed_count == 10
    async with serving(urls.app_url, keys_folder=str(folder)) as service:
        assert sum(await rotate(service.credentials)) == 15
        await read_all(service.credentials)


async def test_what_is_under_a_key_that_is_gone_is_told_and_left_and_stops_nothing(
    service: Service, folder: Path, tmp_path: Path
) -> None:
    stub = service.credentials
    await fill(stub)
    lost = (folder / OLD).read_bytes()
    add_key(folder, NEW)
    (folder / OLD).unlink()
    assert await counts(stub) == {OLD: (False, False, 25), NEW: (True, True, 0)}
    error = await refused(token_of(stub, MIRADOR, MIRADORS_NUMBER))
    assert (error.reason, error.metadata) == ("KEY_MISSING", {"key_id": OLD})
    await stub.SetCredential(token(LUNA, "set-anew"))
    page = await stub.RotateKeys(pb.RotateKeysRequest())
    assert (page.renewed_count, page.failed_count) == (0, 24)
    apps = (await stub.ReadAppCredentials(pb.ReadAppCredentialsRequest())).apps
    assert {(app.incomplete, len(app.app_secrets)) for app in apps} == {(True, 0)}
    (folder / OLD).write_bytes(lost)
    assert await rotate(stub) == [10, 10, 4]
    assert await token_of(stub, MIRADOR, MIRADORS_NUMBER) == "m"
    assert await token_of(stub, LUNA, LUNAS_NUMBER) == "set-anew"


async def test_a_replica_that_lacks_the_newest_key_reads_it_when_it_comes(
    urls: DatabaseUrls, service: Service, folder: Path, tmp_path: Path
) -> None:
    late = tmp_path / "late"
    late.mkdir()
    (late / OLD).write_bytes((folder / OLD).read_bytes())
    async with serving(urls.app_url, keys_folder=str(late)) as other:
        add_key(folder, NEW)
        await service.credentials.ListKeys(pb.ListKeysRequest())
        await service.credentials.SetCredential(token(MIRADOR, "m"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await token_of(other.credentials, MIRADOR, MIRADORS_NUMBER)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert from_rpc_error(caught.value).reason == "KEY_MISSING"
        (late / NEW).write_bytes((folder / NEW).read_bytes())
        assert await token_of(other.credentials, MIRADOR, MIRADORS_NUMBER) == "m"
