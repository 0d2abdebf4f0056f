"""The SQL of the tenant service."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime

import asyncpg

from meshkit.errors import Unavailable
from meshkit.postgres import BEHIND, Postgres
from services.tenant.domain import Difference, Holdings, Number, Snapshot, TenantState, until
from services.tenant.identifiers.domain import Identifier, Kind

# One statement of all hotels, so of one moment; `0040_asked_of_all_hotels.sql` says what is in it.
SELECT_DIRECTORY = """
SELECT directory_version, read_time, active_tenant_count, tenant_id, state, display_name,
       time_zone, default_language_code, language_codes, currency_code, version, kind, value,
       whatsapp_business_account_id, shared, since_time, until_time, throughput_tier, graph_version
FROM finder.directory_after($1)
"""

SELECT_VERSION = "SELECT version FROM directory"

BEFORE_ALL = -1

SLICE_ROWS = 100
"""Decoding as many takes 0.7 ms of the loop and building them less; the bound is 2 ms."""


class TenantStore:
    """Reads the directory."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def read_directory(self, known: Snapshot | None = None) -> Snapshot:
        """All hotels and numbers as of one moment; what is as in `known` is shared with it.

        Raises `Unavailable` SCHEMA_BEHIND while a migration is missing.
        """
        building = _Building(known)
        await self._read(building, BEFORE_ALL)
        return building.snapshot()

    async def read_difference(self, known: Snapshot) -> Difference:
        """The hotels that have changed after `known`, with all that they are found by.

        A hotel that was erased is not among them; it is found by nothing any more then, and its
        past goes with the next full reading.
        Raises `Unavailable` SCHEMA_BEHIND while a migration is missing.
        """
        building = _Building(known)
        await self._read(building, known.version)
        return building.difference()

    async def _read(self, building: _Building, version: int) -> None:
        slices = self._postgres.finder.slices(SELECT_DIRECTORY, version, rows=SLICE_ROWS)
        try:
            async with aclosing(slices):
                async for rows in slices:
                    building.add(rows)
        except BEHIND as error:
            raise Unavailable("SCHEMA_BEHIND", "The directory cannot be read as it is.") from error

    async def read_version(self) -> int:
        """The version of the directory, raised by every change."""
        version: int = await self._postgres.fetchval(SELECT_VERSION)
        return version


class _Building:
    """What is put together slice by slice."""

    def __init__(self, known: Snapshot | None) -> None:
        self._known_numbers = {} if known is None else known.numbers
        self._known_identifiers = {} if known is None else known.identifiers
        self._numbers: dict[str, Number] = {}
        self._identifiers: dict[str, Number] = {}
        self._hotels: dict[str, Number] = {}
        self._past: dict[str, list[Number]] = {}
        self._memory = 0
        self._tenant_ids: set[str] = set()
        self._head: asyncpg.Record | None = None

    def add(self, rows: Sequence[asyncpg.Record]) -> None:
        """Take in the next rows."""
        self._head = self._head or rows[0]
        for row in rows:
            if row["tenant_id"] is not None:
                self._tenant_ids.add(row["tenant_id"])
            if row["kind"] is not None:
                self._add_identifier(row)
            elif row["value"] is not None:
                self._add_number(_number(row, row["value"], row["whatsapp_business_account_id"]))

    def _add_number(self, number: Number) -> None:
        if number.until_time is not None:
            self._past.setdefault(number.phone_number_id, []).append(self._kept(number, None))
            return
        known = self._known_numbers.get(number.phone_number_id)
        self._numbers[number.phone_number_id] = self._kept(number, known)

    def _add_identifier(self, row: asyncpg.Record) -> None:
        key = Identifier(Kind(row["kind"]), row["value"]).key
        hotel = self._hotels.get(row["tenant_id"])
        if hotel is None:
            known = self._known_identifiers.get(key)
            hotel = self._kept(_number(row, "", ""), known)
            self._hotels[row["tenant_id"]] = hotel
        self._identifiers[key] = hotel
        self._memory += sys.getsizeof(key)

    def _kept(self, number: Number, known: Number | None) -> Number:
        # Sharing keeps one copy of most numbers in memory while two snapshots are.
        kept = known if known is not None and known == number else number
        self._memory += kept.memory()
        return kept

    def snapshot(self) -> Snapshot:
        """All of it, once all rows are in."""
        held = self._held()
        memory = self._memory + sum(map(sys.getsizeof, held.past.values()))
        return Snapshot(*self._of_directory(), held, held.tables() + memory)

    def difference(self) -> Difference:
        """What has changed, once all rows are in."""
        return Difference(*self._of_directory(), self._tenant_ids, self._held())

    def _held(self) -> Holdings:
        past = {key: tuple(sorted(owners, key=until)) for key, owners in self._past.items()}
        return Holdings(self._numbers, self._identifiers, past)

    def _of_directory(self) -> tuple[int, datetime, int]:
        head = self._head
        assert head is not None, "the directory always has its row"
        return head["directory_version"], head["read_time"], head["active_tenant_count"]


def _number(row: asyncpg.Record, phone_number_id: str, account_id: str) -> Number:
    return Number(
        phone_number_id=phone_number_id,
        whatsapp_business_account_id=account_id,
        tenant_id=row["tenant_id"],
        state=TenantState(row["state"]),
        display_name=row["display_name"],
        time_zone=row["time_zone"],
        default_language_code=row["default_language_code"],
        language_codes=tuple(row["language_codes"]),
        currency_code=row["currency_code"],
        version=row["version"],
        shared=row["shared"],
        since_time=row["since_time"],
        until_time=row["until_time"],
        # A few words, each in memory once.
        throughput_tier=sys.intern(row["throughput_tier"]),
        graph_version=sys.intern(row["graph_version"]),
    )
