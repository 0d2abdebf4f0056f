"""The worker that counts what Meta bills, and tells when it is more than was expected."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from conserje.messaging.v1.event_pb2 import InboundEvent, Pricing

from copies.directory import Directory
from services.messaging import rounds
from services.messaging.metrics import MessagingMetrics
from services.messaging.settings import MessagingSettings
from services.messaging.store.usage import Plan, PricedRow, UsageStore
from services.messaging.usage.model import Count, billable, month_of

if TYPE_CHECKING:
    from meshkit.postgres import Connection

AT_ONCE = 1000
LONGEST_WORD = 64

Key = tuple[str, date, str, str, str]

log = structlog.get_logger()


class UsageMeter:
    """Takes statuses up in their order; replicas share the work."""

    def __init__(
        self,
        store: UsageStore,
        directory: Directory,
        metrics: MessagingMetrics,
        settings: MessagingSettings,
    ) -> None:
        self._store = store
        self._directory = directory
        self._metrics = metrics
        self._poll = settings.poll_seconds

    async def run(self, stopping: asyncio.Event) -> None:
        """Count what has come until told to stop."""
        await rounds.repeat(self._round, stopping, self._metrics, seconds=5 * self._poll)

    async def _round(self) -> bool:
        count = await self._take()
        self._metrics.caps_passed.set(await self._store.passed_count())
        return count == AT_ONCE

    async def _take(self) -> int:
        waiting = await self._store.waiting(AT_ONCE)
        if not waiting:
            return 0
        hotels = {tenant_id for tenant_id in waiting.values() if tenant_id is not None}
        async with self._store.postgres.of(*hotels).acquire() as connection:
            rows = await self._store.take(connection, list(waiting))
            priced = _priced(rows)
            if priced:
                await self._count(connection, priced)
        return len(rows)

    async def _count(
        self, connection: Connection, priced: Mapping[UUID, tuple[PricedRow, Pricing]]
    ) -> None:
        tenants = [row.tenant_id for row, _ in priced.values()]
        plans = await self._store.plans(connection, sorted(set(tenants)))
        fresh = await self._store.once(connection, tenants, list(priced))
        counts: Counter[Key] = Counter()
        for outbox_id in fresh:
            row, pricing = priced[outbox_id]
            counts[self._key(row, pricing, plans.get(row.tenant_id))] += 1
        if not counts:
            return
        await self._store.count(connection, counts)
        for _, _, _, category, pricing_type in counts.elements():
            self._metrics.priced(category, pricing_type)
        for tenant_id, month in sorted({key[:2] for key in counts}):
            await self._watch_cap(connection, tenant_id, month, plans.get(tenant_id))

    def _key(self, row: PricedRow, pricing: Pricing, plan: Plan | None) -> Key:
        month = month_of(row.order_time, plan.time_zone if plan else self._zone(row))
        words = (_word(pricing.category), _word(pricing.type))
        return (row.tenant_id, month, row.phone_number_id, *words)

    def _zone(self, row: PricedRow) -> str:
        record = self._directory.find(row.phone_number_id)
        return record.time_zone if record is not None else "UTC"

    async def _watch_cap(
        self, connection: Connection, tenant_id: str, month: date, plan: Plan | None
    ) -> None:
        if plan is None or plan.cap_count is None or plan.passed_month == month:
            return
        count = total_billable(await self._store.month(tenant_id, month, connection))
        if count > plan.cap_count and await self._store.passed(connection, tenant_id, month):
            log.error(
                "usage above its cap",
                tenant_id=tenant_id,
                month=month.isoformat(),
                billable=count,
                cap=plan.cap_count,
            )


def total_billable(counts: Sequence[Count]) -> int:
    """What Meta bills of a hotel's numbers; each has free messages of its own."""
    numbers = groupby(counts, key=lambda one: one.phone_number_id)
    return sum(billable(list(mine)) for _, mine in numbers)


def _priced(rows: Sequence[PricedRow]) -> dict[UUID, tuple[PricedRow, Pricing]]:
    """The first price of each message."""
    found: dict[UUID, tuple[PricedRow, Pricing]] = {}
    for row in rows:
        status = InboundEvent.FromString(row.event).status
        if status.HasField("pricing"):
            found.setdefault(row.outbox_id, (row, status.pricing))
    return found


def _word(word: str) -> str:
    return word.replace("\0", "")[:LONGEST_WORD] or "unknown"
