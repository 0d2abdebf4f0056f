"""The SQL of the tenant service."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime

import asyncpg

from meshkit.errors import Unavailable
from meshkit.postgres import Postgres
from services.tenant.domain import Number, Snapshot, TenantState
from services.tenant.identifiers.domain import Identifier, Kind

# One statement, so that hotels, what they are found by and the version are of
# one moment. The joins keep the one row of `directory` when there is no hotel,
# and a hotel that is found by nothing. A number that is the hotel's has no
# `until_time`; other identifiers have a `kind`.
SELECT_DIRECTORY = """
SELECT directory.version AS directory_version,
       statement_timestamp() AS read_time,
       tenant.tenant_id,
       tenant.state,
       tenant.display_name,
       tenant.time_zone,
       tenant.default_language_code,
       tenant.language_codes,
       tenant.currency_code,
       tenant.version,
       found.kind,
       found.value,
       found.whatsapp_business_account_id,
       found.shared,
       found.since_time,
       found.until_time
FROM directory
LEFT JOIN tenant ON true
LEFT JOIN (
  SELECT tenant_id, NULL AS kind, phone_number_id AS value, whatsapp_business_account_id, shared,
         past.since_time, NULL::timestamptz AS until_time
  FROM whatsapp_number
  LEFT JOIN (
    SELECT phone_number_id, max(until_time) AS since_time FROM past_number GROUP BY phone_number_id
  ) AS past USING (phone_number_id)
  UNION ALL
  SELECT tenant_id, NULL, phone_number_id, whatsapp_business_account_id, shared,
         lag(until_time) OVER (PARTITION BY phone_number_id ORDER BY until_time), until_time
  FROM past_number
  UNION ALL
  SELECT tenant_id, kind, value, '', false, NULL, NULL FROM identifier
) AS found ON found.tenant_id = tenant.tenant_id
"""

SELECT_VERSION = "SELECT version FROM directory"


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
        try:
            async with aclosing(self._postgres.slices(SELECT_DIRECTORY, rows=SLICE_ROWS)) as slices:
                async for rows in slices:
                    building.add(rows)
        except asyncpg.SyntaxOrAccessError as error:
            raise Unavailable("SCHEMA_BEHIND", "The directory cannot be read as it is.") from error
        return building.finish()

    async def read_version(self) -> int:
        """The version of the directory, raised by every change."""
        version: int = await self._postgres.fetchval(SELECT_VERSION)
        return version


class _Building:
    """A snapshot that is put together slice by slice."""

    def __init__(self, known: Snapshot | None) -> None:
        self._known_numbers = {} if known is None else known.numbers
        self._known_identifiers = {} if known is None else known.identifiers
        self._numbers: dict[str, Number] = {}
        self._identifiers: dict[str, Number] = {}
        self._hotels: dict[str, Number] = {}
        self._past: dict[str, list[Number]] = {}
        self._memory = 0
        self._active: set[str] = set()
        self._head: asyncpg.Record | None = None

    def add(self, rows: Sequence[asyncpg.Record]) -> None:
        """Take in the next rows."""
        self._head = self._head or rows[0]
        for row in rows:
            if row["state"] == TenantState.ACTIVE:
                self._active.add(row["tenant_id"])
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

    def finish(self) -> Snapshot:
        """The snapshot, once all rows are in."""
        assert self._head is not None, "the directory always has its row"
        past = {key: tuple(sorted(owners, key=_until)) for key, owners in self._past.items()}
        self._memory += sum(map(sys.getsizeof, past.values()))
        return Snapshot(
            version=self._head["directory_version"],
            read_time=self._head["read_time"],
            active_tenant_count=len(self._active),
            numbers=self._numbers,
            identifiers=self._identifiers,
            past=past,
            memory=sum(map(sys.getsizeof, (self._numbers, self._identifiers, past))) + self._memory,
        )


def _until(past: Number) -> datetime:
    assert past.until_time is not None, "it is over"
    return past.until_time


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
    )
