"""Every function of the databases has somebody who calls it: today's code or the last release."""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from pathlib import Path

import asyncpg
import pytest

from sandbox.databases import DatabaseUrls

ROOT = Path(__file__).parents[3]
SOURCES = ("services", "meshkit", "copies", "sandbox", "cli")
(WHEEL,) = (ROOT / "tests" / "compat").glob("*.whl")

# `hangs`: a trigger, a policy, a default, a constraint or an index is made of it.
FUNCTIONS = """
SELECT p.proname AS name, p.prosrc AS body,
       EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass
               AND d.refobjid = p.oid AND d.classid <> 'pg_proc'::regclass) AS hangs
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


@pytest.mark.parametrize("service", ["booking", "messaging", "tenant"])
async def test_no_function_is_left_that_nobody_calls(
    service_database: Callable[[str], Awaitable[DatabaseUrls]], service: str
) -> None:
    urls = await service_database(service)
    connection = await asyncpg.connect(urls.owner_url)
    try:
        functions = await connection.fetch(FUNCTIONS)
    finally:
        await connection.close()
    names = {row["name"] for row in functions}
    alive = {row["name"] for row in functions if row["hangs"]} | (names & called_in_code())
    while found := {
        name
        for row in functions
        if row["name"] in alive
        for name in names & calls(row["body"]) - alive
    }:
        alive |= found
    assert names - alive == set()


def calls(text: str) -> set[str]:
    """What may be called in a text of SQL."""
    return set(re.findall(r"(\w+)\s*\(", text))


@cache
def called_in_code() -> frozenset[str]:
    """What is called in any text of today's programs and of the last release's."""
    return frozenset(
        name
        for source in programs()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in calls(node.value)
    )


def programs() -> Iterator[str]:
    """All of them."""
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.read_text()
    with zipfile.ZipFile(WHEEL) as wheel:
        for name in wheel.namelist():
            if name.endswith(".py") and name.split("/")[0] in SOURCES:
                yield wheel.read(name).decode()
