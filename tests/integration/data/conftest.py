"""An empty database, without any service's schema."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from sandbox.databases import DatabaseUrls, create_service_database, drop_database
from tests.conftest import PostgresServer


@pytest.fixture
async def urls(postgres_server: PostgresServer) -> AsyncIterator[DatabaseUrls]:
    """The URLs of a database with nothing in it."""
    name = f"empty_{secrets.token_hex(4)}"
    yield await create_service_database(postgres_server.admin_url(), "plain", database=name)
    await drop_database(postgres_server.admin_url(), name)
