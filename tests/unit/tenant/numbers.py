"""Hotels and numbers for tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from services.tenant.domain import Number, Snapshot, TenantState

READ_TIME = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)

MIRADOR = Number(
    phone_number_id="100000000000001",
    whatsapp_business_account_id="200000000000001",
    tenant_id="hotel-mirador",
    state=TenantState.ACTIVE,
    display_name="Hotel Mirador",
    time_zone="Europe/Madrid",
    default_language_code="es",
    language_codes=("es", "en"),
    currency_code="EUR",
    version=3,
)
SUSPENDED = replace(
    MIRADOR,
    phone_number_id="100000000000002",
    tenant_id="posada-luna",
    state=TenantState.SUSPENDED,
)
DELETED = replace(
    MIRADOR, phone_number_id="100000000000003", tenant_id="gone", state=TenantState.DELETED
)


def snapshot(
    numbers: Iterable[Number] = (MIRADOR, SUSPENDED, DELETED), version: int = 7
) -> Snapshot:
    """A snapshot of these numbers."""
    numbers = tuple(numbers)
    active = {number.tenant_id for number in numbers if number.state is TenantState.ACTIVE}
    return Snapshot.of(version, READ_TIME, len(active), numbers)
