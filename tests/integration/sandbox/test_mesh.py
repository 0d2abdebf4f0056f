"""The mesh as tests and benches use it: replicas, kills, restarts, several side by side."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from sandbox.mesh import Mesh
from sandbox.processes import SandboxError
from sandbox.servers import Given
from sandbox.wiring import Process

MIRADOR = "100000000000001"

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
async def mesh(run_servers: Given, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    folder = tmp_path_factory.mktemp("mesh")
    processes = ("graph", "tenant", "booking", "messaging-1", "messaging-2", "gateway")
    async with Mesh(folder, given=run_servers, processes=processes) as mesh:
        yield mesh


async def reply_to(mesh: Mesh, guest: str) -> str:
    await mesh.graph.say(guest, "hola", MIRADOR)
    [reply] = await mesh.graph.replies(guest, timeout=30)
    return str(reply["body"])


async def test_a_guest_is_answered_by_replicas_on_given_servers(mesh: Mesh) -> None:
    assert "Hotel Mirador" in await reply_to(mesh, "34611000001")
    assert (mesh.servers.postgres, mesh.servers.redis) == (None, None)
    first, second = mesh.address("messaging-1").grpc, mesh.address("messaging-2").grpc
    assert mesh.wiring.target("messaging") == f"ipv4:{first},{second}"
    assert mesh.crashes == []


async def test_a_killed_process_comes_back_where_it_was(mesh: Mesh) -> None:
    address, pid = mesh.address("booking"), mesh.pid("booking")
    await mesh.kill("booking")
    assert not mesh.running("booking")
    assert await mesh.not_ready("booking") == "it does not answer"
    await mesh.start("booking")
    assert mesh.address("booking") == address
    assert mesh.pid("booking") not in (0, pid)
    assert mesh.crashes == []


async def test_a_restart_is_a_stop_in_order(mesh: Mesh) -> None:
    before = mesh.log("tenant").read_text().count('"listening"')
    await mesh.restart("tenant")
    assert mesh.log("tenant").read_text().count('"listening"') == before + 1
    assert mesh.crashes == []


async def test_one_replica_is_enough_and_a_stopped_one_goes_on(mesh: Mesh) -> None:
    mesh.signal("messaging-1", signal.SIGSTOP)
    await mesh.kill("messaging-2")
    await mesh.graph.say("34611000002", "hola", MIRADOR)
    mesh.signal("messaging-1", signal.SIGCONT)
    [reply] = await mesh.graph.replies("34611000002", timeout=60)
    assert "Hotel Mirador" in str(reply["body"])
    await mesh.start("messaging-2")


async def test_a_killed_graph_api_forgets_nothing(mesh: Mesh) -> None:
    await reply_to(mesh, "34611000003")
    before = await mesh.graph.accepted()
    await mesh.stop("gateway")
    said = await mesh.graph.say("34611000004", "hola", MIRADOR)
    await mesh.kill("graph")
    await mesh.start("graph")
    await mesh.start("gateway")
    assert (await mesh.graph.accepted())[: len(before)] == before
    [reply] = await mesh.graph.replies("34611000004", after=len(before), timeout=30)
    assert said
    assert "Hotel Mirador" in str(reply["body"])


async def test_a_process_that_ends_by_itself_is_told(mesh: Mesh) -> None:
    mesh.signal("messaging-2", signal.SIGKILL)
    while not mesh.crashes:  # noqa: ASYNC110  (the system tells when)
        await asyncio.sleep(0.01)
    assert mesh.crashes == ["messaging-2 ended with -9"]
    mesh.crashes.clear()
    await mesh.start("messaging-2")


async def test_a_folder_has_one_mesh_and_a_second_one_has_databases_of_its_own(
    mesh: Mesh, run_servers: Given, tmp_path: Path
) -> None:
    with pytest.raises(SandboxError, match="The mesh is running already"):
        async with Mesh(mesh.folder.path, given=run_servers):
            pass
    assert mesh.running("gateway")
    async with Mesh(tmp_path, given=run_servers, processes=("graph", "tenant")) as other:
        assert other.databases["tenant"].app_url != mesh.databases["tenant"].app_url
        assert not set(all_addresses(other)) & set(all_addresses(mesh))
        gone = other.databases["tenant"].owner_url
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(gone)


async def test_a_process_that_cannot_start_says_why_and_nothing_is_left(
    run_servers: Given, tmp_path: Path
) -> None:
    mistaken = Process("tenant", env={"CONSERJE_TENANT_POLL_SECONDS": "soon"})
    mesh = Mesh(tmp_path, given=run_servers, processes=("graph", mistaken))
    with pytest.raises(SandboxError, match=r"tenant ended with 2[^$]*POLL_SECONDS"):
        await mesh.__aenter__()
    assert not mesh.running("graph")
    assert not (tmp_path / "run.json").exists()


async def test_no_secret_is_in_the_run_file_and_nobody_else_reads_the_credentials(
    mesh: Mesh,
) -> None:
    text = (mesh.folder.path / "run.json").read_text()
    known = mesh.credentials
    for secret in (known.app_secret, known.access_token, known.verify_token, "postgresql://"):
        assert secret not in text
    assert mesh.folder.credentials.stat().st_mode & 0o077 == 0


async def test_each_process_gets_its_own_database_and_nobody_the_owners(mesh: Mesh) -> None:
    booking = mesh.wiring.environment(Process("booking"))
    assert booking["CONSERJE_BOOKING_DATABASE_URL"] == mesh.databases["booking"].app_url
    assert not [name for name in booking if "OWNER" in name or "MESSAGING_DATABASE" in name]
    connection = await asyncpg.connect(mesh.databases["booking"].app_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE mine ()")
    finally:
        await connection.close()


def all_addresses(mesh: Mesh) -> list[str]:
    content = json.loads((mesh.folder.path / "run.json").read_text())
    return [where for one in content["processes"].values() for where in one.values() if where]
