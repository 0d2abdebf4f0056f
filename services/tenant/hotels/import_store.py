"""The SQL of an import: one transaction, a few statements whatever the number of hotels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from meshkit.errors import AlreadyExists
from meshkit.postgres import Postgres, Statements
from services.tenant.domain import TenantState
from services.tenant.hotels.imports import Action, Plan, Wanted, planned
from services.tenant.hotels.store import (
    INSERT_HOTEL,
    INSERT_IDENTIFIER,
    INSERT_NUMBER,
    SELECT_NAMED_HOTELS,
    UPDATE_HOTEL,
    changing,
    decided,
    hotel_of,
)

if TYPE_CHECKING:
    from meshkit.postgres import Connection

TAKEN_NUMBERS = "SELECT phone_number_id, tenant_id FROM finder.number_owners($1) LIMIT 1"

TAKEN_IDENTIFIERS = "SELECT kind, value, tenant_id FROM finder.identifier_owners($1, $2) LIMIT 1"


class ImportStore:
    """Writes many hotels at once."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def write(
        self,
        request_id: UUID,
        wanted: Sequence[Wanted],
        *,
        validate_only: bool,
        tell_owner: bool = False,
    ) -> list[Action]:
        """Have the hotels as they are wanted, all or none; raises what `ImportTenants` says."""
        ids = [one.draft.tenant_id for one in wanted]
        async with changing(self._postgres, *ids) as connection:
            rows = await connection.fetch(SELECT_NAMED_HOTELS, ids)
            there = {row["tenant_id"]: hotel_of(row) for row in rows}
            plans = planned(wanted, there)
            await _check_free(self._postgres.finder, plans, tell_owner)
            if not validate_only:
                states = {tenant_id: hotel.state for tenant_id, hotel in there.items()}
                await _write(connection, request_id, plans, states)
        return [plan.action for plan in plans]


async def _write(
    connection: Connection,
    request_id: UUID,
    plans: Sequence[Plan],
    states: Mapping[str, TenantState],
) -> None:
    written = [(plan.action, decided(plan.draft)) for plan in plans if plan.fields_change]
    created = [(*row, request_id) for action, row in written if action is Action.CREATED]
    changed = [(*row, states[str(row[0])]) for action, row in written if action is Action.CHANGED]
    await connection.executemany(INSERT_HOTEL, created)
    await connection.executemany(UPDATE_HOTEL, changed)
    numbers = [
        (
            plan.draft.tenant_id,
            number.phone_number_id,
            number.whatsapp_business_account_id,
            number.display_phone_number,
            number.shared,
            number.throughput_tier,
            number.graph_version,
        )
        for plan in plans
        for number in plan.numbers
    ]
    await connection.executemany(INSERT_NUMBER, numbers)
    identifiers = [
        (plan.draft.tenant_id, one.kind, one.value) for plan in plans for one in plan.identifiers
    ]
    await connection.executemany(INSERT_IDENTIFIER, identifiers)


async def _check_free(finder: Statements, plans: Sequence[Plan], tell_owner: bool) -> None:
    """Raise `AlreadyExists` for what another hotel has; whoever is in the way waits for us."""
    by_number = {one.phone_number_id: plan for plan in plans for one in plan.numbers}
    row = await finder.fetchrow(TAKEN_NUMBERS, list(by_number))
    if row is not None:
        raise AlreadyExists(
            "NUMBER_TAKEN",
            "A hotel has this number already.",
            phone_number_id=row["phone_number_id"],
            tenant_id=by_number[row["phone_number_id"]].draft.tenant_id,
            **({"owner_tenant_id": row["tenant_id"]} if tell_owner else {}),
        )
    by_identifier = {(one.kind, one.value): plan for plan in plans for one in plan.identifiers}
    kinds, values = [kind for kind, _ in by_identifier], [value for _, value in by_identifier]
    row = await finder.fetchrow(TAKEN_IDENTIFIERS, kinds, values)
    if row is not None:
        raise AlreadyExists(
            "IDENTIFIER_TAKEN",
            "A hotel has this identifier already.",
            kind=row["kind"],
            tenant_id=by_identifier[row["kind"], row["value"]].draft.tenant_id,
            **({"owner_tenant_id": row["tenant_id"]} if tell_owner else {}),
        )
