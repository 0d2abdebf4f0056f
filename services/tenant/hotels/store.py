"""The SQL of hotels as their operators see and change them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from meshkit.errors import AlreadyExists, FailedPrecondition
from meshkit.postgres import Postgres
from services.tenant.domain import TenantState
from services.tenant.hotels.domain import (
    MOST_NUMBERS,
    Draft,
    Hotel,
    HotelNumber,
    number_unknown,
    unknown,
)
from services.tenant.identifiers.domain import Identifier, Kind

if TYPE_CHECKING:
    from meshkit.postgres import Connection

# Every change takes this row first. Its triggers take it anyway, after rows
# that another change may wait for: in one order, nobody waits in a circle.
LOCK_DIRECTORY = "SELECT version FROM directory FOR UPDATE"

_SELECT = """
SELECT tenant.tenant_id,
       tenant.state,
       tenant.display_name,
       tenant.time_zone,
       tenant.default_language_code,
       tenant.language_codes,
       tenant.currency_code,
       tenant.settings,
       tenant.version,
       tenant.create_time,
       tenant.update_time,
       tenant.create_request_id,
       ARRAY(
         SELECT ROW(
           whatsapp_number.phone_number_id,
           whatsapp_number.whatsapp_business_account_id,
           whatsapp_number.display_phone_number,
           whatsapp_number.shared,
           whatsapp_number.throughput_tier,
           whatsapp_number.graph_version
         )
         FROM whatsapp_number
         WHERE whatsapp_number.tenant_id = tenant.tenant_id
         ORDER BY whatsapp_number.phone_number_id
       ) AS numbers,
       ARRAY(
         SELECT ROW(identifier.kind, identifier.value)
         FROM identifier
         WHERE identifier.tenant_id = tenant.tenant_id AND identifier.kind <> 'GUEST_PHONE'
         ORDER BY identifier.kind, identifier.value
       ) AS identifiers
FROM tenant
"""

SELECT_HOTEL = _SELECT + "WHERE tenant.tenant_id = $1"

SELECT_NAMED_HOTELS = _SELECT + "WHERE tenant.tenant_id = ANY ($1::text[])"

SELECT_IDS = "SELECT finder.tenant_ids_after($1, $2) AS tenant_id"

INSERT_HOTEL = """
INSERT INTO tenant (
  tenant_id, display_name, time_zone, default_language_code, language_codes, currency_code,
  settings, create_request_id
) VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8)
"""

UPDATE_HOTEL = """
UPDATE tenant
SET display_name = $2, time_zone = $3, default_language_code = $4, language_codes = $5,
    currency_code = $6, settings = $7::jsonb, state = $8
WHERE tenant_id = $1
"""

INSERT_NUMBER = """
INSERT INTO whatsapp_number (
  tenant_id, phone_number_id, whatsapp_business_account_id, display_phone_number, shared,
  throughput_tier, graph_version
) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

NUMBER_OWNER = "SELECT tenant_id FROM finder.number_owners(ARRAY[$1::text])"

UPDATE_NUMBER = """
UPDATE whatsapp_number SET display_phone_number = $3, throughput_tier = $4, graph_version = $5
WHERE tenant_id = $1 AND phone_number_id = $2
"""

# An empty account leaves it under the one it is under.
MOVE_NUMBER = """
UPDATE whatsapp_number
SET tenant_id = $3,
    whatsapp_business_account_id = coalesce(nullif($4, ''), whatsapp_business_account_id)
WHERE tenant_id = $1 AND phone_number_id = $2
"""

DELETE_NUMBER = "DELETE FROM whatsapp_number WHERE tenant_id = $1 AND phone_number_id = $2"

INSERT_IDENTIFIER = "INSERT INTO identifier (tenant_id, kind, value) VALUES ($1, $2, $3)"

IDENTIFIER_OWNER = (
    "SELECT tenant_id FROM finder.identifier_owners(ARRAY[$1::text], ARRAY[$2::text])"
)

Change = Callable[[Hotel], Hotel]


class HotelStore:
    """Reads and changes hotels. A method that names a hotel touches no other.

    What another hotel has already is refused, and whose it is only said with `tell_owner`.
    """

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def get(self, tenant_id: str) -> Hotel:
        """One hotel; raises `NotFound` TENANT_UNKNOWN."""
        row = await self._postgres.of(tenant_id).fetchrow(SELECT_HOTEL, tenant_id)
        return _known(row, tenant_id)

    async def get_many(self, tenant_ids: Collection[str]) -> dict[str, Hotel]:
        """Those of the hotels that there are, by their ids."""
        named = self._postgres.of(*tenant_ids)
        rows = await named.fetch(SELECT_NAMED_HOTELS, list(tenant_ids))
        return {row["tenant_id"]: hotel_of(row) for row in rows}

    async def list(self, after: str, count: int) -> list[Hotel]:
        """Up to `count` hotels whose ids come after `after`."""
        rows = await self._postgres.finder.fetch(SELECT_IDS, after, count)
        ids = [row["tenant_id"] for row in rows]
        found = await self.get_many(ids)
        return [found[tenant_id] for tenant_id in ids if tenant_id in found]

    async def create(self, request_id: UUID, draft: Draft, *, tell_owner: bool = False) -> Hotel:
        """A new hotel with what it is found by, or the one that this request has made before.

        Raises `AlreadyExists` TENANT_EXISTS, TENANT_DELETED, NUMBER_TAKEN and IDENTIFIER_TAKEN.
        """
        async with changing(self._postgres, draft.tenant_id) as connection:
            there = await connection.fetchrow(SELECT_HOTEL, draft.tenant_id)
            if there is None:
                await connection.execute(INSERT_HOTEL, *decided(draft), request_id)
                for number in draft.numbers:
                    await self._refuse_taken(number, tell_owner)
                    await _insert_number(connection, draft.tenant_id, number)
                for identifier in draft.identifiers:
                    await refuse_taken(self._postgres, identifier, tell_owner)
                    await insert_identifier(connection, draft.tenant_id, identifier)
            elif there["create_request_id"] != request_id:
                raise _taken(TenantState(there["state"]))
            return await read(connection, draft.tenant_id)

    async def change(self, tenant_id: str, change: Change) -> Hotel:
        """Store what `change` makes of the hotel, numbers aside; nobody else changes it meanwhile.

        What comes back as it was is not written. Raises `NotFound` TENANT_UNKNOWN.
        """
        async with changing(self._postgres, tenant_id) as connection:
            before = await read(connection, tenant_id)
            after = change(before)
            if after == before:
                return before
            await connection.execute(UPDATE_HOTEL, *decided(after.draft), after.state)
            return await read(connection, tenant_id)

    async def add_number(
        self, tenant_id: str, number: HotelNumber, *, tell_owner: bool = False
    ) -> Hotel:
        """The hotel with the number.

        Raises `NotFound` TENANT_UNKNOWN, `AlreadyExists` NUMBER_TAKEN and
        `FailedPrecondition` TOO_MANY_NUMBERS.
        """
        async with changing(self._postgres, tenant_id) as connection:
            before = await read(connection, tenant_id)
            if number in before.draft.numbers:
                return before
            _need_room(before)
            await self._refuse_taken(number, tell_owner)
            await _insert_number(connection, tenant_id, number)
            return await read(connection, tenant_id)

    async def change_number(
        self,
        tenant_id: str,
        phone_number_id: str,
        change: Callable[[Hotel, HotelNumber], HotelNumber],
    ) -> Hotel:
        """Store what `change` makes of the number: how it is printed, and how is sent from it.

        What comes back as it was is not written. Raises `NotFound` TENANT_UNKNOWN and
        NUMBER_UNKNOWN.
        """
        async with changing(self._postgres, tenant_id) as connection:
            hotel = await read(connection, tenant_id)
            before = hotel.number(phone_number_id)
            after = change(hotel, before)
            if after == before:
                return hotel
            told = (after.display_phone_number, after.throughput_tier, after.graph_version)
            await connection.execute(UPDATE_NUMBER, tenant_id, phone_number_id, *told)
            return await read(connection, tenant_id)

    async def move_number(
        self, tenant_id: str, phone_number_id: str, to_tenant_id: str, account_id: str = ""
    ) -> Hotel:
        """The other hotel, which has the number now; "" leaves it under its account.

        Raises `NotFound` TENANT_UNKNOWN and NUMBER_UNKNOWN, and `FailedPrecondition`
        TOO_MANY_NUMBERS.
        """
        async with changing(self._postgres, tenant_id, to_tenant_id) as connection:
            await read(connection, tenant_id)
            before = await read(connection, to_tenant_id)
            if before.has_number(phone_number_id, account_id):
                return before
            if tenant_id != to_tenant_id:
                _need_room(before)
            moved = (tenant_id, phone_number_id, to_tenant_id, account_id)
            _need_one(await connection.execute(MOVE_NUMBER, *moved), phone_number_id)
            return await read(connection, to_tenant_id)

    async def remove_number(self, tenant_id: str, phone_number_id: str) -> Hotel:
        """The hotel without the number; raises `NotFound` TENANT_UNKNOWN and NUMBER_UNKNOWN."""
        async with changing(self._postgres, tenant_id) as connection:
            await read(connection, tenant_id)
            done = await connection.execute(DELETE_NUMBER, tenant_id, phone_number_id)
            _need_one(done, phone_number_id)
            return await read(connection, tenant_id)

    async def _refuse_taken(self, number: HotelNumber, tell_owner: bool) -> None:
        owner = await self._postgres.finder.fetchval(NUMBER_OWNER, number.phone_number_id)
        if owner is not None:
            told = {"owner_tenant_id": owner} if tell_owner else {}
            raise AlreadyExists(
                "NUMBER_TAKEN",
                "A hotel has this number already.",
                phone_number_id=number.phone_number_id,
                **told,
            )


@asynccontextmanager
async def changing(postgres: Postgres, *tenant_ids: str) -> AsyncIterator[Connection]:
    """A transaction of these hotels, in which nobody else changes anything hotels are found by."""
    async with postgres.of(*tenant_ids).acquire() as connection:
        await connection.execute(LOCK_DIRECTORY)
        yield connection


async def owner_of(postgres: Postgres, identifier: Identifier) -> str | None:
    """Whose it is; within `changing` nobody else gets it meanwhile."""
    owner: str | None = await postgres.finder.fetchval(
        IDENTIFIER_OWNER, identifier.kind, identifier.value
    )
    return owner


async def refuse_taken(postgres: Postgres, identifier: Identifier, tell_owner: bool) -> None:
    """Raise `AlreadyExists` IDENTIFIER_TAKEN when a hotel has it."""
    owner = await owner_of(postgres, identifier)
    if owner is not None:
        told: dict[str, Any] = {"owner_tenant_id": owner} if tell_owner else {}
        raise AlreadyExists(
            "IDENTIFIER_TAKEN",
            "A hotel has this identifier already.",
            kind=identifier.kind,
            **told,
        )


async def insert_identifier(connection: Connection, tenant_id: str, identifier: Identifier) -> None:
    """Give what is nobody's to a hotel."""
    await connection.execute(INSERT_IDENTIFIER, tenant_id, identifier.kind, identifier.value)


async def _insert_number(connection: Connection, tenant_id: str, number: HotelNumber) -> None:
    await connection.execute(
        INSERT_NUMBER,
        tenant_id,
        number.phone_number_id,
        number.whatsapp_business_account_id,
        number.display_phone_number,
        number.shared,
        number.throughput_tier,
        number.graph_version,
    )


async def read(connection: Connection, tenant_id: str) -> Hotel:
    """One hotel, within a change; raises `NotFound` TENANT_UNKNOWN."""
    return _known(await connection.fetchrow(SELECT_HOTEL, tenant_id), tenant_id)


def _taken(state: TenantState) -> AlreadyExists:
    """Why an id cannot be given to another hotel."""
    if state is TenantState.DELETED:
        return AlreadyExists("TENANT_DELETED", "The hotel with this id has left.")
    return AlreadyExists("TENANT_EXISTS", "There is a hotel with this id.")


def _need_room(hotel: Hotel) -> None:
    if len(hotel.draft.numbers) >= MOST_NUMBERS:
        raise FailedPrecondition("TOO_MANY_NUMBERS", f"It has {MOST_NUMBERS} already.")


def _need_one(done: str, phone_number_id: str) -> None:
    if done.endswith(" 0"):
        raise number_unknown(phone_number_id)


def _known(row: asyncpg.Record | None, tenant_id: str) -> Hotel:
    if row is None:
        raise unknown(tenant_id)
    return hotel_of(row)


def decided(draft: Draft) -> tuple[str | list[str], ...]:
    """The first parameters of `INSERT_HOTEL` and `UPDATE_HOTEL`."""
    return (
        draft.tenant_id,
        draft.display_name,
        draft.time_zone,
        draft.default_language_code,
        list(draft.language_codes),
        draft.currency_code,
        json.dumps(draft.settings, ensure_ascii=False),
    )


def hotel_of(row: asyncpg.Record) -> Hotel:
    """A row of `SELECT_NAMED_HOTELS` and its like."""
    draft = Draft(
        tenant_id=row["tenant_id"],
        display_name=row["display_name"],
        time_zone=row["time_zone"],
        default_language_code=row["default_language_code"],
        language_codes=tuple(row["language_codes"]),
        currency_code=row["currency_code"],
        numbers=tuple(HotelNumber(*number) for number in row["numbers"]),
        settings=json.loads(row["settings"]),
        identifiers=tuple(Identifier(Kind(kind), value) for kind, value in row["identifiers"]),
    )
    return Hotel(
        draft=draft,
        state=TenantState(row["state"]),
        version=row["version"],
        create_time=row["create_time"],
        update_time=row["update_time"],
    )
