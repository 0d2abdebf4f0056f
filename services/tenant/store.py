"""The SQL of the tenant service."""

from __future__ import annotations

import asyncpg

from meshkit.errors import Unavailable
from meshkit.postgres import Postgres
from services.tenant.domain import Number, Snapshot, TenantState

# One statement, so that hotels, numbers and version are of one moment. The
# joins keep the one row of `directory` when there is no hotel, and a hotel
# that has no number.
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
       whatsapp_number.phone_number_id,
       whatsapp_number.whatsapp_business_account_id
FROM directory
LEFT JOIN tenant ON true
LEFT JOIN whatsapp_number ON whatsapp_number.tenant_id = tenant.tenant_id
"""

SELECT_VERSION = "SELECT version FROM directory"


class TenantStore:
    """Reads the directory."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def read_directory(self) -> Snapshot:
        """All hotels and numbers as of one moment.

        Raises `Unavailable` SCHEMA_BEHIND while a migration is missing.
        """
        try:
            rows = await self._postgres.fetch(SELECT_DIRECTORY)
        except asyncpg.SyntaxOrAccessError as error:
            raise Unavailable("SCHEMA_BEHIND", "The directory cannot be read as it is.") from error
        active = {row["tenant_id"] for row in rows if row["state"] == TenantState.ACTIVE}
        return Snapshot.of(
            version=rows[0]["directory_version"],
            read_time=rows[0]["read_time"],
            active_tenant_count=len(active),
            numbers=(_number(row) for row in rows if row["phone_number_id"] is not None),
        )

    async def read_version(self) -> int:
        """The version of the directory, raised by every change."""
        version: int = await self._postgres.fetchval(SELECT_VERSION)
        return version


def _number(row: asyncpg.Record) -> Number:
    return Number(
        phone_number_id=row["phone_number_id"],
        whatsapp_business_account_id=row["whatsapp_business_account_id"],
        tenant_id=row["tenant_id"],
        state=TenantState(row["state"]),
        display_name=row["display_name"],
        time_zone=row["time_zone"],
        default_language_code=row["default_language_code"],
        language_codes=tuple(row["language_codes"]),
        currency_code=row["currency_code"],
        version=row["version"],
    )
