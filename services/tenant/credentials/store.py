"""The SQL of secrets. What comes in and goes out here is encrypted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from meshkit import tenancy
from meshkit.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from meshkit.keyring import Sealed
from meshkit.postgres import BEHIND, Postgres
from meshkit.tenancy import UNRESOLVED
from services.tenant.credentials.domain import (
    MOST_APP_SECRETS,
    MOST_OF_HOTEL,
    App,
    Kind,
    Ref,
    Stored,
)

if TYPE_CHECKING:
    from meshkit.postgres import Connection

_SELECT = """
SELECT credential_id, coalesce(tenant_id, '') AS tenant_id, coalesce(app_name, '') AS app_name,
       kind, name, key_id, ciphertext, version, set_time
FROM credential
WHERE key_id IS NOT NULL
"""

# Every change takes this row first, in one order, as its trigger does later.
LOCK_VERSION = "SELECT version FROM credential_version FOR UPDATE"

UPSERT = """
INSERT INTO credential (tenant_id, app_name, kind, name, key_id, ciphertext)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (coalesce(tenant_id, ''), coalesce(app_name, ''), kind, name) DO UPDATE
SET key_id = excluded.key_id, ciphertext = excluded.ciphertext, set_time = excluded.set_time
"""

# One of the two owners is null, and so names nothing.
SELECT_THIS = _SELECT + "AND (tenant_id = $1 OR app_name = $2) AND kind = $3 AND name = $4"

ERASE_THIS = """
UPDATE credential SET key_id = NULL, ciphertext = NULL, set_time = clock_timestamp()
WHERE (tenant_id = $1 OR app_name = $2) AND kind = $3 AND name = $4
"""

ERASE_OF_APP = """
UPDATE credential SET key_id = NULL, ciphertext = NULL, set_time = clock_timestamp()
WHERE app_name = $1 AND key_id IS NOT NULL
"""

# What is there besides the one that is set.
COUNT_OTHERS = """
SELECT count(*) FROM credential
WHERE (tenant_id = $1 OR app_name = $2) AND key_id IS NOT NULL
  AND (tenant_id IS NOT NULL OR kind = $3) AND (kind, name) <> ($3, $4)
"""

HOTEL_EXISTS = "SELECT EXISTS (SELECT FROM tenant WHERE tenant_id = $1)"

APP_EXISTS = "SELECT EXISTS (SELECT FROM meta_app WHERE app_name = $1)"

HOTEL_HAS = """
SELECT EXISTS (
  SELECT FROM whatsapp_number
  WHERE tenant_id = $1 AND $2 IN (phone_number_id, whatsapp_business_account_id)
)
"""

SELECT_PAGE = (
    _SELECT
    + """
  AND credential_id > $1 AND ($2 = '' OR tenant_id = $2) AND ($3 = '' OR app_name = $3)
ORDER BY credential_id LIMIT $4
"""
)

# Of all hotels and apps: the last one is the key that is of no interest.
SELECT_IDS = "SELECT credential_id, tenant_id FROM finder.credential_ids_after($1, $2, $3)"

SELECT_THESE = _SELECT + "AND credential_id = ANY ($1::bigint[]) ORDER BY credential_id"

# The most particular one first: the number's, its account's, the hotel's.
SELECT_FOR_NUMBER = """
SELECT credential.credential_id, credential.tenant_id, '' AS app_name, credential.kind,
       credential.name, credential.key_id, credential.ciphertext, credential.version,
       credential.set_time
FROM credential
LEFT JOIN whatsapp_number
  ON whatsapp_number.tenant_id = credential.tenant_id AND whatsapp_number.phone_number_id = $2
WHERE credential.tenant_id = $1 AND credential.kind = 'ACCESS_TOKEN'
  AND credential.key_id IS NOT NULL
  AND credential.name IN ('', $2, whatsapp_number.whatsapp_business_account_id)
ORDER BY credential.name = '', credential.name <> $2 LIMIT 1
"""

UPSERT_APP = """
INSERT INTO meta_app (app_name, app_id) VALUES ($1, $2)
ON CONFLICT (app_name) DO UPDATE SET app_id = excluded.app_id
RETURNING app_name, app_id, create_time
"""

DELETE_APP = "DELETE FROM meta_app WHERE app_name = $1 RETURNING app_name, app_id, create_time"

SELECT_APPS = """
SELECT app_name, app_id, create_time FROM meta_app
WHERE app_name > $1 ORDER BY app_name LIMIT $2
"""

SELECT_NAMED_APPS = """
SELECT app_name, app_id, create_time FROM meta_app
WHERE app_name = ANY ($1::text[]) ORDER BY app_name
"""

SELECT_OF_APPS = _SELECT + "AND app_name = ANY ($1::text[]) ORDER BY credential_id"

COUNT_BY_KEY = "SELECT key_id, secret_count FROM finder.credentials_by_key()"

# Without `set_time`: it is the same secret as before.
RENEW = """
UPDATE credential SET key_id = $2, ciphertext = renewed.ciphertext
FROM unnest($1::bigint[], $3::bytea[]) AS renewed (credential_id, ciphertext)
WHERE credential.credential_id = renewed.credential_id
"""

SELECT_CHANGES = """
SELECT newest, version, tenant_id, app_name, kind, name FROM finder.credential_changes_after($1, $2)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A secret as it is stored."""

    stored: Stored
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class Changed:
    """That a secret was set or erased."""

    version: int
    ref: Ref


class CredentialStore:
    """Reads and changes secrets. A method that names a hotel touches no other's."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def set(self, ref: Ref, sealed: Sealed) -> Stored:
        """Put it in the place of what was there.

        Raises `NotFound` TENANT_UNKNOWN and APP_UNKNOWN, `InvalidArgument` for a
        token's name that is nothing of the hotel's, `FailedPrecondition` TOO_MANY_SECRETS.
        """
        async with self._changing(ref.tenant_id) as connection:
            await _check_owner(connection, ref)
            most = MOST_APP_SECRETS if ref.app_name else MOST_OF_HOTEL
            if await connection.fetchval(COUNT_OTHERS, *_key(ref)) >= most:
                raise FailedPrecondition("TOO_MANY_SECRETS", f"There are {most} already.")
            await connection.execute(UPSERT, *_key(ref), sealed.key_id, sealed.ciphertext)
            return _stored(_known(await connection.fetchrow(SELECT_THIS, *_key(ref))))

    async def remove(self, ref: Ref) -> Stored:
        """Erase it and tell what it was; raises `NotFound` CREDENTIAL_UNKNOWN."""
        async with self._changing(ref.tenant_id) as connection:
            row = _known(await connection.fetchrow(SELECT_THIS, *_key(ref)))
            await connection.execute(ERASE_THIS, *_key(ref))
            return _stored(row)

    async def page(
        self, after: int, count: int, *, tenant_id: str = "", app_name: str = ""
    ) -> list[Stored]:
        """Up to `count` after the one with the id `after`, of all or of one owner."""
        if tenant_id or app_name:
            named = self._postgres.of(tenant_id or UNRESOLVED)
            rows = await named.fetch(SELECT_PAGE, after, tenant_id, app_name, count)
        else:
            ids, owners = await self._ids(after, count)
            rows = await self._postgres.of(*owners).fetch(SELECT_THESE, ids)
        return [_stored(row) for row in rows]

    async def token(self, tenant_id: str, phone_number_id: str) -> Row:
        """The token of a number; raises `NotFound` CREDENTIAL_UNKNOWN."""
        key = (tenant_id, phone_number_id)
        row = await self._postgres.of(tenant_id).fetchrow(SELECT_FOR_NUMBER, *key)
        return _row(_known(row))

    async def pms(self, tenant_id: str, name: str) -> Row:
        """A PMS's credential; raises `NotFound` CREDENTIAL_UNKNOWN."""
        key = _key(Ref(Kind.PMS, tenant_id=tenant_id, name=name))
        return _row(_known(await self._postgres.of(tenant_id).fetchrow(SELECT_THIS, *key)))

    async def set_app(self, app_name: str, app_id: str) -> App:
        """Make an app known, or tell another id of it."""
        async with self._changing() as connection:
            row = await connection.fetchrow(UPSERT_APP, app_name, app_id)
            assert row is not None, "an upsert returns its row"
            return App(**dict(row))

    async def remove_app(self, app_name: str) -> App:
        """Forget an app and erase its secrets; raises `NotFound` APP_UNKNOWN."""
        async with self._changing() as connection:
            await connection.execute(ERASE_OF_APP, app_name)
            row = await connection.fetchrow(DELETE_APP, app_name)
            if row is None:
                raise _app_unknown()
            return App(**dict(row))

    async def apps(self, after: str, count: int) -> list[App]:
        """Up to `count` apps whose names come after `after`."""
        return [App(**dict(one)) for one in await self._postgres.fetch(SELECT_APPS, after, count)]

    async def named_apps(self, names: Sequence[str]) -> list[App]:
        """Those of the apps that there are."""
        rows = await self._postgres.fetch(SELECT_NAMED_APPS, list(names))
        return [App(**dict(row)) for row in rows]

    async def of_apps(self, names: Sequence[str]) -> list[Row]:
        """All secrets of these apps, in the order in which they were first set."""
        named = self._postgres.of(UNRESOLVED)
        return [_row(one) for one in await named.fetch(SELECT_OF_APPS, list(names))]

    async def count_by_key(self) -> dict[str, int]:
        """How many secrets are under each key."""
        return {row[0]: row[1] for row in await self._postgres.finder.fetch(COUNT_BY_KEY)}

    @asynccontextmanager
    async def stale(
        self, newest: str, after: int, count: int
    ) -> AsyncIterator[tuple[list[Row], Connection]]:
        """Up to `count` that are under another key than `newest`; nobody else changes them."""
        async with self._changing() as connection:
            ids, owners = await self._ids(after, count, newest)
            await tenancy.act_for(connection, *owners)
            rows = await connection.fetch(SELECT_THESE, ids)
            yield [_row(row) for row in rows], connection

    async def renew(
        self, connection: Connection, newest: str, renewed: Sequence[tuple[int, bytes]]
    ) -> None:
        """Store the same secrets under another key, in the transaction of `stale`."""
        ids, ciphertexts = [one[0] for one in renewed], [one[1] for one in renewed]
        await connection.execute(RENEW, ids, newest, ciphertexts)

    async def changes(self, after: int, most: int) -> tuple[int, list[Changed]]:
        """The newest version, and up to `most` changes that came after `after`.

        Raises `Unavailable` SCHEMA_BEHIND while a migration is missing.
        """
        try:
            rows = await self._postgres.finder.fetch(SELECT_CHANGES, after, most)
        except BEHIND as error:
            raise Unavailable("SCHEMA_BEHIND", "Secrets cannot be read as they are.") from error
        changed = [Changed(row["version"], _ref(row)) for row in rows if row["version"]]
        return rows[0]["newest"], changed

    async def _ids(self, after: int, count: int, newest: str = "") -> tuple[list[int], list[str]]:
        """Up to `count` secrets of all after one, not under that key, and whose they are."""
        rows = await self._postgres.finder.fetch(SELECT_IDS, after, count, newest)
        return [row["credential_id"] for row in rows], [row["tenant_id"] for row in rows]

    @asynccontextmanager
    async def _changing(self, tenant_id: str = UNRESOLVED) -> AsyncIterator[Connection]:
        async with self._postgres.of(tenant_id or UNRESOLVED).acquire() as connection:
            await connection.execute(LOCK_VERSION)
            yield connection


async def _check_owner(connection: Connection, ref: Ref) -> None:
    if ref.app_name:
        if not await connection.fetchval(APP_EXISTS, ref.app_name):
            raise _app_unknown()
        return
    if not await connection.fetchval(HOTEL_EXISTS, ref.tenant_id):
        raise NotFound("TENANT_UNKNOWN", "There is no such hotel.")
    for_one = ref.kind is Kind.ACCESS_TOKEN and ref.name
    if for_one and not await connection.fetchval(HOTEL_HAS, ref.tenant_id, ref.name):
        raise InvalidArgument.field("name", "is no number and no business account of the hotel")


def _app_unknown() -> NotFound:
    return NotFound("APP_UNKNOWN", "There is no such app.")


def _known(row: asyncpg.Record | None) -> asyncpg.Record:
    if row is None:
        raise NotFound("CREDENTIAL_UNKNOWN", "There is no such secret.")
    return row


def _key(ref: Ref) -> tuple[str | None, str | None, str, str]:
    return ref.tenant_id or None, ref.app_name or None, ref.kind, ref.name


def _ref(row: asyncpg.Record) -> Ref:
    return Ref(Kind(row["kind"]), row["tenant_id"], row["app_name"], row["name"])


def _stored(row: asyncpg.Record) -> Stored:
    return Stored(
        credential_id=row["credential_id"],
        ref=_ref(row),
        key_id=row["key_id"],
        version=row["version"],
        set_time=row["set_time"],
    )


def _row(row: asyncpg.Record) -> Row:
    return Row(_stored(row), Sealed(row["key_id"], row["ciphertext"]))
