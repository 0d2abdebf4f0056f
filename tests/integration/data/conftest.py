"""An empty database, without any service's schema."""

from __future__ import annotations

import pytest

from sandbox.databases import DatabaseUrls


@pytest.fixture
def urls(empty_database: DatabaseUrls) -> DatabaseUrls:
    """The URLs of a database with nothing in it."""
    return empty_database
