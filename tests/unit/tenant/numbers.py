"""Hotels and numbers for tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.tenant.domain import Number, Snapshot, TenantState
from services.tenant.identifiers.domain import Identifier, Kind

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


MOVED = READ_TIME - timedelta(days=1)
SHARED = replace(
    MIRADOR,
    phone_number_id="100000000000004",
    tenant_id="platform",
    shared=True,
    since_time=MOVED,
    throughput_tier="HIGH",
    graph_version="v24.0",
)
BEFORE = replace(SHARED, tenant_id="before", shared=False, since_time=None, until_time=MOVED)
"""Who had the shared number before."""
MIRADOR_ITSELF = replace(MIRADOR, phone_number_id="", whatsapp_business_account_id="")
"""As it is found by anything but a number of its own."""
IDENTIFIERS = [
    (Identifier(kind, value), MIRADOR_ITSELF)
    for kind, value in (
        (Kind.WHATSAPP_PHONE, "+525512345678"),
        (Kind.EMAIL, "front@mirador.example"),
        (Kind.WHATSAPP_BUSINESS_ACCOUNT, "200000000000001"),
        (Kind.GUEST_PHONE, "+5511982345678"),
    )
]

PAST = {BEFORE.phone_number_id: (BEFORE,)}


def snapshot(
    numbers: Iterable[Number] = (MIRADOR, SUSPENDED, DELETED, SHARED), version: int = 7
) -> Snapshot:
    """A snapshot of these numbers, and of all that finds the first hotel."""
    numbers = tuple(numbers)
    active = {number.tenant_id for number in numbers if number.state is TenantState.ACTIVE}
    return Snapshot.of(version, READ_TIME, len(active), numbers, IDENTIFIERS, PAST)
