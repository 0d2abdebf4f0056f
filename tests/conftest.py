"""A real Postgres and a real Redis for every test that asks for one.

Both are started once for a run, unless `CONSERJE_TEST_POSTGRES_URL` (an
administrator's) or `CONSERJE_TEST_REDIS_URL` names one to use.
`CONSERJE_TEST_REDIS_BINARY` runs another redis-server under the same rules.
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
import structlog
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis

from meshkit.migrate import migrate
from sandbox.databases import DatabaseUrls, create_service_database, drop_database
from sandbox.embedded import EmbeddedPostgres, EmbeddedRedis
from sandbox.servers import Given
from tests.folders import new_folder

# How long an example takes says more about the machine than about what is tested.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

# What tests run inside themselves logs as structlog does by default, but for its drawings of
# tracebacks with all their variables, which hold the loop for up to a second each.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


class PostgresServer(Protocol):
    """A server that tests may create databases on."""

    def admin_url(self, database: str = "postgres") -> str:
        """The URL of an administrator."""


class RedisServer(Protocol):
    """A server that tests may empty through `admin_url`."""

    @property
    def url(self) -> str:
        """The URL of the user `mesh`."""

    @property
    def admin_url(self) -> str:
        """The URL of a user who may empty it."""


class GivenPostgres:
    """The server of `CONSERJE_TEST_POSTGRES_URL`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def admin_url(self, database: str = "postgres") -> str:
        """The given URL, for another database."""
        return self._url.rpartition("/")[0] + f"/{database}"


class GivenRedis:
    """The server of `CONSERJE_TEST_REDIS_URL`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.admin_url = url


class ServiceDatabases:
    """Fresh, migrated databases: each is a copy of one template for its service."""

    def __init__(self, server: PostgresServer) -> None:
        self._admin_url = server.admin_url()
        self._run = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._templates: dict[str, str] = {}

    async def create(self, service: str) -> tuple[str, DatabaseUrls]:
        """A new database with the schema of `service`; its name and URLs."""
        if service not in self._templates:
            self._templates[service] = await self._make_template(service)
        return await self._copy(service, self._templates[service])

    async def create_empty(self, service: str) -> tuple[str, DatabaseUrls]:
        """A new database with nothing in it; its name and URLs."""
        return await self._copy(service, "template1")

    async def drop(self, name: str) -> None:
        """Drop a database, whoever is connected."""
        await drop_database(self._admin_url, name)

    async def drop_templates(self) -> None:
        """Leave nothing behind on a server that was given."""
        for name in self._templates.values():
            await self.drop(name)

    async def _copy(self, service: str, template: str) -> tuple[str, DatabaseUrls]:
        name = f"test_{self._run}_{next(self._numbers)}_{service}"
        urls = await create_service_database(
            self._admin_url, service, database=name, template=template
        )
        return name, urls

    async def _make_template(self, service: str) -> str:
        name = f"template_{self._run}_{service}"
        urls = await create_service_database(self._admin_url, service, database=name)
        await migrate(urls.owner_url, f"services.{service}", f"conserje_{service}")
        return name


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """Where the servers of this run keep their files."""
    folder = new_folder("tests")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path) -> Iterator[PostgresServer]:
    """The Postgres of this run; never stop it, take `own_postgres` for that."""
    given = os.environ.get("CONSERJE_TEST_POSTGRES_URL")
    if given:
        yield GivenPostgres(given)
        return
    server = EmbeddedPostgres(server_folder / "postgres")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_postgres(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A running Postgres of the test's own, to be stopped and killed."""
    folder = Path(tempfile.mkdtemp(dir=server_folder))
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder / "postgres")
    server.start()
    yield server
    server.stop()


def redis_binary() -> Path | None:
    """The redis-server to run; None for the one that is installed with the sandbox."""
    binary = os.environ.get("CONSERJE_TEST_REDIS_BINARY")
    return Path(binary) if binary else None


@pytest.fixture(scope="session")
def redis_server(server_folder: Path) -> Iterator[RedisServer]:
    """The Redis of this run; never stop it, take `own_redis` for that."""
    given = os.environ.get("CONSERJE_TEST_REDIS_URL")
    if given:
        yield GivenRedis(given)
        return
    server = EmbeddedRedis(server_folder / "redis", redis_binary=redis_binary())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A running Redis of the test's own, to be stopped and killed."""
    server = EmbeddedRedis(tmp_path / "redis", redis_binary=redis_binary())
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def redis_url(redis_server: RedisServer) -> str:
    """The URL of an empty Redis, as the user the mesh gets."""
    async with Redis.from_url(redis_server.admin_url) as admin:
        await admin.flushall()
    return redis_server.url


@pytest.fixture(scope="session")
def run_servers(postgres_server: PostgresServer, redis_server: RedisServer) -> Given:
    """The servers of this run, for a mesh whose test stops neither."""
    return Given(postgres_url=postgres_server.admin_url(), redis_url=redis_server.url)


@pytest.fixture(scope="session")
async def service_databases(postgres_server: PostgresServer) -> AsyncIterator[ServiceDatabases]:
    """The templates of this run."""
    databases = ServiceDatabases(postgres_server)
    yield databases
    await databases.drop_templates()


@pytest.fixture
async def service_database(
    service_databases: ServiceDatabases,
) -> AsyncIterator[Callable[[str], Awaitable[DatabaseUrls]]]:
    """`await service_database("booking")`: the URLs of a fresh, migrated database."""
    names: list[str] = []

    async def create(service: str) -> DatabaseUrls:
        name, urls = await service_databases.create(service)
        names.append(name)
        return urls

    yield create
    for name in names:
        await service_databases.drop(name)


@pytest.fixture
async def empty_database(service_databases: ServiceDatabases) -> AsyncIterator[DatabaseUrls]:
    """The URLs of a database with nothing in it; its roles are named after a service `plain`."""
    name, urls = await service_databases.create_empty("plain")
    yield urls
    await service_databases.drop(name)
