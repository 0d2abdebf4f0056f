"""Portfolios and business accounts: what they are, and their SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from meshkit.errors import FailedPrecondition, NotFound
from meshkit.postgres import Postgres
from services.tenant.credentials.store import LOCK_VERSION

MOST_OF_APP = 10_000

UPSERT_PORTFOLIO = """
INSERT INTO portfolio (portfolio_id, display_name) VALUES ($1, $2)
ON CONFLICT (portfolio_id) DO UPDATE SET display_name = excluded.display_name
RETURNING portfolio_id, display_name, create_time
"""

DELETE_PORTFOLIO = """
DELETE FROM portfolio WHERE portfolio_id = $1 RETURNING portfolio_id, display_name, create_time
"""

SELECT_PORTFOLIOS = """
SELECT portfolio_id, display_name, create_time FROM portfolio
WHERE portfolio_id > $1 ORDER BY portfolio_id LIMIT $2
"""

COUNT_OTHERS = """
SELECT count(*) FROM business_account WHERE app_name = $1 AND whatsapp_business_account_id <> $2
"""

UPSERT_ACCOUNT = """
INSERT INTO business_account (whatsapp_business_account_id, app_name, portfolio_id)
VALUES ($1, nullif($2, ''), nullif($3, ''))
ON CONFLICT (whatsapp_business_account_id) DO UPDATE
SET app_name = excluded.app_name, portfolio_id = excluded.portfolio_id
RETURNING whatsapp_business_account_id AS account_id, coalesce(app_name, '') AS app_name,
          coalesce(portfolio_id, '') AS portfolio_id, create_time
"""

DELETE_ACCOUNT = """
DELETE FROM business_account WHERE whatsapp_business_account_id = $1
RETURNING whatsapp_business_account_id AS account_id, coalesce(app_name, '') AS app_name,
          coalesce(portfolio_id, '') AS portfolio_id, create_time
"""

SELECT_ACCOUNTS = """
SELECT whatsapp_business_account_id AS account_id, coalesce(app_name, '') AS app_name,
       coalesce(portfolio_id, '') AS portfolio_id, create_time
FROM business_account
WHERE whatsapp_business_account_id > $1 ORDER BY whatsapp_business_account_id LIMIT $2
"""

SELECT_OF_APPS = """
SELECT app_name, array_agg(whatsapp_business_account_id) AS account_ids
FROM business_account WHERE app_name = ANY ($1::text[]) GROUP BY app_name
"""

# What a foreign key that holds nothing is called over the wire.
UNKNOWN = {
    "business_account_app": NotFound("APP_UNKNOWN", "There is no such app."),
    "business_account_portfolio": NotFound("PORTFOLIO_UNKNOWN", "There is no such portfolio."),
}


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A business portfolio at Meta."""

    portfolio_id: str
    display_name: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """A WhatsApp business account; `app_name` and `portfolio_id` may be empty."""

    account_id: str
    app_name: str
    portfolio_id: str
    create_time: datetime


class AccountStore:
    """Reads and changes what is said of portfolios and accounts."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def set_portfolio(self, portfolio_id: str, display_name: str) -> Portfolio:
        """Make one known, or call it something else."""
        row = await self._postgres.fetchrow(UPSERT_PORTFOLIO, portfolio_id, display_name)
        assert row is not None, "an upsert returns its row"
        return Portfolio(**dict(row))

    async def remove_portfolio(self, portfolio_id: str) -> Portfolio:
        """Forget one.

        Raises `NotFound` PORTFOLIO_UNKNOWN, `FailedPrecondition` PORTFOLIO_IN_USE.
        """
        try:
            row = await self._postgres.fetchrow(DELETE_PORTFOLIO, portfolio_id)
        except asyncpg.ForeignKeyViolationError:
            raise FailedPrecondition("PORTFOLIO_IN_USE", "It owns accounts.") from None
        if row is None:
            raise UNKNOWN["business_account_portfolio"]
        return Portfolio(**dict(row))

    async def portfolios(self, after: str, count: int) -> list[Portfolio]:
        """Up to `count` whose ids come after `after`."""
        rows = await self._postgres.fetch(SELECT_PORTFOLIOS, after, count)
        return [Portfolio(**dict(row)) for row in rows]

    async def set_account(self, account_id: str, app_name: str, portfolio_id: str) -> Account:
        """Say whose an account is, in place of what was said.

        Raises `NotFound` APP_UNKNOWN and PORTFOLIO_UNKNOWN, `FailedPrecondition`
        TOO_MANY_ACCOUNTS.
        """
        async with self._postgres.transaction() as connection:
            await connection.execute(LOCK_VERSION)
            others = await connection.fetchval(COUNT_OTHERS, app_name, account_id)
            if others >= MOST_OF_APP:
                raise FailedPrecondition("TOO_MANY_ACCOUNTS", f"The app has {MOST_OF_APP}.")
            try:
                row = await connection.fetchrow(UPSERT_ACCOUNT, account_id, app_name, portfolio_id)
            except asyncpg.ForeignKeyViolationError as error:
                raise UNKNOWN[str(error.constraint_name)] from None
            assert row is not None, "an upsert returns its row"
            return Account(**dict(row))

    async def remove_account(self, account_id: str) -> Account:
        """Forget what was said of one; raises `NotFound` ACCOUNT_UNKNOWN."""
        async with self._postgres.transaction() as connection:
            await connection.execute(LOCK_VERSION)
            row = await connection.fetchrow(DELETE_ACCOUNT, account_id)
            if row is None:
                raise NotFound(
                    "ACCOUNT_UNKNOWN",
                    "Nothing was said of this account.",
                    whatsapp_business_account_id=account_id,
                )
            return Account(**dict(row))

    async def accounts(self, after: str, count: int) -> list[Account]:
        """Up to `count` whose ids come after `after`."""
        rows = await self._postgres.fetch(SELECT_ACCOUNTS, after, count)
        return [Account(**dict(row)) for row in rows]

    async def of_apps(self, names: Sequence[str]) -> dict[str, list[str]]:
        """The accounts of each of these apps that has any."""
        rows = await self._postgres.fetch(SELECT_OF_APPS, list(names))
        return {row["app_name"]: sorted(row["account_ids"]) for row in rows}
