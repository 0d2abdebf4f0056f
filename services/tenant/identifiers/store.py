"""The SQL of what hotels are found by, beside their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshkit.errors import FailedPrecondition, NotFound
from meshkit.postgres import Postgres
from services.tenant.hotels.domain import MOST_GUESTS, MOST_IDENTIFIERS, Hotel
from services.tenant.hotels.store import (
    changing,
    insert_identifier,
    owner_of,
    read,
    refuse_taken,
)
from services.tenant.identifiers.domain import Identifier, Kind

if TYPE_CHECKING:
    from meshkit.postgres import Connection

COUNT = """
SELECT count(*) FROM identifier
WHERE tenant_id = $1 AND (kind = 'GUEST_PHONE') = ($2 = 'GUEST_PHONE')
"""

MOVE = "UPDATE identifier SET tenant_id = $4 WHERE tenant_id = $1 AND kind = $2 AND value = $3"

DELETE = "DELETE FROM identifier WHERE tenant_id = $1 AND kind = $2 AND value = $3"

SELECT = """
SELECT kind, value FROM identifier
WHERE tenant_id = $1 AND (kind, value) > ($2, $3) ORDER BY kind, value LIMIT $4
"""


class IdentifierStore:
    """Gives identifiers to hotels and takes them away. A hotel that is not named loses none."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def add(
        self, tenant_id: str, identifier: Identifier, *, tell_owner: bool = False
    ) -> Hotel:
        """The hotel with the identifier.

        Raises `NotFound` TENANT_UNKNOWN, `AlreadyExists` IDENTIFIER_TAKEN, which says whose it is
        with `tell_owner`, and `FailedPrecondition` TOO_MANY_IDENTIFIERS.
        """
        async with changing(self._postgres, tenant_id) as connection:
            before = await read(connection, tenant_id)
            if await owner_of(self._postgres, identifier) == tenant_id:
                return before
            await _need_room(connection, tenant_id, identifier.kind)
            await refuse_taken(self._postgres, identifier, tell_owner)
            await insert_identifier(connection, tenant_id, identifier)
            return await read(connection, tenant_id)

    async def move(self, tenant_id: str, identifier: Identifier, to_tenant_id: str) -> Hotel:
        """The other hotel, which has the identifier now.

        Raises `NotFound` TENANT_UNKNOWN and IDENTIFIER_UNKNOWN, and `FailedPrecondition`
        TOO_MANY_IDENTIFIERS.
        """
        async with changing(self._postgres, tenant_id, to_tenant_id) as connection:
            await read(connection, tenant_id)
            before = await read(connection, to_tenant_id)
            if await owner_of(self._postgres, identifier) == to_tenant_id:
                return before
            await _need_room(connection, to_tenant_id, identifier.kind)
            one = (tenant_id, identifier.kind, identifier.value)
            _need_one(await connection.execute(MOVE, *one, to_tenant_id))
            return await read(connection, to_tenant_id)

    async def remove(self, tenant_id: str, identifier: Identifier) -> Hotel:
        """The hotel without the identifier.

        Raises `NotFound` TENANT_UNKNOWN and IDENTIFIER_UNKNOWN.
        """
        async with changing(self._postgres, tenant_id) as connection:
            await read(connection, tenant_id)
            one = (tenant_id, identifier.kind, identifier.value)
            _need_one(await connection.execute(DELETE, *one))
            return await read(connection, tenant_id)

    async def list(self, tenant_id: str, after: tuple[str, str], count: int) -> list[Identifier]:
        """Up to `count` identifiers of a hotel after a kind and value; none of an unknown one."""
        rows = await self._postgres.of(tenant_id).fetch(SELECT, tenant_id, *after, count)
        return [Identifier(Kind(row["kind"]), row["value"]) for row in rows]


async def _need_room(connection: Connection, tenant_id: str, kind: Kind) -> None:
    most = MOST_GUESTS if kind is Kind.GUEST_PHONE else MOST_IDENTIFIERS
    if await connection.fetchval(COUNT, tenant_id, kind) >= most:
        raise FailedPrecondition("TOO_MANY_IDENTIFIERS", f"The hotel has {most} already.")


def _need_one(done: str) -> None:
    if done.endswith(" 0"):
        raise NotFound("IDENTIFIER_UNKNOWN", "The hotel has no such identifier.")
