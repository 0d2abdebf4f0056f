"""Roles and databases: what an operator's administrator does once for each service."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from meshkit.tenancy import finder_of

SERVICE_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")

# One advisory lock for whoever creates roles or databases: CREATE DATABASE
# fails when two copy the same template at once.
CREATION_LOCK = 0x636F6E73

CREATE_ROLE = """
DO $$ BEGIN
  CREATE ROLE {role} LOGIN PASSWORD '{password}';
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  ALTER ROLE {role} LOGIN PASSWORD '{password}';
END $$
"""

# The app role answers callers who wait 5 s at most. Behind a lock it gives up
# sooner than a statement does, so that a caller learns which of the two it
# was; a transaction left open must not keep rows from being cleaned.
LIMIT_APP_ROLE = (
    "ALTER ROLE {role} SET statement_timeout = '10s'",
    "ALTER ROLE {role} SET lock_timeout = '5s'",
    "ALTER ROLE {role} SET idle_in_transaction_session_timeout = '15s'",
)

# Finds work over all hotels; the app role becomes it where it says so, and nowhere else.
CREATE_FINDER = """
DO $$ BEGIN
  CREATE ROLE {finder};
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END $$
"""
GRANT_FINDER = ("ALTER ROLE {role} NOINHERIT", "GRANT {finder} TO {role}")

CREATE_DATABASE = "CREATE DATABASE {database} OWNER {owner} TEMPLATE {template}"

# Only the two roles of a service may connect to its database.
CLOSE_DATABASE = (
    "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
    "GRANT CONNECT ON DATABASE {database} TO {app}",
)


@dataclass(frozen=True)
class DatabaseUrls:
    """How a service reaches its database: as the owner to migrate, as the app to work."""

    owner_url: str
    app_url: str


@dataclass(frozen=True)
class _Role:
    name: str
    password: str


def _role(admin_url: str, name: str) -> _Role:
    # Derived, not stored: the same administrator finds the same password
    # again after a restart, and running processes keep theirs.
    secret = (urlsplit(admin_url).password or "").encode()
    return _Role(name, hmac.new(secret, name.encode(), hashlib.sha256).hexdigest())


def url_for(admin_url: str, database: str, role: str, password: str) -> str:
    """The URL of `database` on the server of `admin_url`, for another role."""
    parts = urlsplit(admin_url)
    host = f"{parts.hostname}:{parts.port or 5432}"
    return urlunsplit(("postgresql", f"{role}:{password}@{host}", f"/{database}", parts.query, ""))


async def create_roles(admin: asyncpg.Connection, admin_url: str, service: str) -> None:
    """Create the owner, the app role and the finder of `service`, or set passwords again."""
    if not SERVICE_NAME.fullmatch(service):
        raise ValueError(f"not a service name: {service!r}")
    for name in (f"conserje_{service}_owner", f"conserje_{service}"):
        role = _role(admin_url, name)
        await admin.execute(CREATE_ROLE.format(role=role.name, password=role.password))
    app = f"conserje_{service}"
    for statement in (*LIMIT_APP_ROLE, CREATE_FINDER, *GRANT_FINDER):
        await admin.execute(statement.format(role=app, finder=finder_of(app)))


async def create_service_database(
    admin_url: str, service: str, *, database: str = "", template: str = "template1"
) -> DatabaseUrls:
    """Create roles and database of `service` where they are missing; return its two URLs.

    `database` is `conserje_<service>` unless named; `template` is copied.
    """
    database = database or f"conserje_{service}"
    owner, app = f"conserje_{service}_owner", f"conserje_{service}"
    admin = await asyncpg.connect(admin_url)
    try:
        await admin.execute("SELECT pg_advisory_lock($1)", CREATION_LOCK)
        await create_roles(admin, admin_url, service)
        await _create_database(admin, database, owner, template)
        for statement in CLOSE_DATABASE:
            await admin.execute(statement.format(database=database, app=app))
    finally:
        await admin.close()
    return urls_of(admin_url, service, database)


def urls_of(admin_url: str, service: str, database: str) -> DatabaseUrls:
    """The URLs of a database that exists."""
    owner = _role(admin_url, f"conserje_{service}_owner")
    app = _role(admin_url, f"conserje_{service}")
    return DatabaseUrls(
        owner_url=url_for(admin_url, database, owner.name, owner.password),
        app_url=url_for(admin_url, database, app.name, app.password),
    )


async def drop_database(admin_url: str, database: str) -> None:
    """Drop a database, whoever is connected to it."""
    admin = await asyncpg.connect(admin_url)
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    finally:
        await admin.close()


async def _create_database(
    admin: asyncpg.Connection, database: str, owner: str, template: str
) -> None:
    if await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
        return
    # The owner's objects can only be created by one who may act as the owner.
    await admin.execute(f"GRANT {owner} TO CURRENT_USER")
    await admin.execute(CREATE_DATABASE.format(database=database, owner=owner, template=template))
