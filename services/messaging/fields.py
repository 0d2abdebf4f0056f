"""The worker for webhooks that are about an account, not about a message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from conserje.messaging.v1.event_pb2 import InboundEvent

from meshkit.tenancy import UNRESOLVED
from services.messaging import calls, renames, rounds
from services.messaging.metrics import MessagingMetrics
from services.messaging.settings import MessagingSettings
from services.messaging.store.fields import FieldStore, FieldUpdateRow
from services.messaging.templates import changes

if TYPE_CHECKING:
    from meshkit.postgres import Connection

AT_ONCE = 100
READ_AFTER_SECONDS = 5.0

log = structlog.get_logger()


class FieldWorker:
    """Takes them up in their order; replicas share the work."""

    def __init__(
        self, store: FieldStore, metrics: MessagingMetrics, settings: MessagingSettings
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._poll = settings.poll_seconds

    async def run(self, stopping: asyncio.Event) -> None:
        """Look after what has come until told to stop."""
        await rounds.repeat(self._take, stopping, self._metrics, seconds=2 * self._poll)

    async def _take(self) -> bool:
        async with self._store.postgres.of(UNRESOLVED).acquire() as connection:
            rows = await self._store.take(connection, AT_ONCE)
            for row in rows:
                await self._look_at(connection, row)
        return len(rows) == AT_ONCE

    async def _look_at(self, connection: Connection, row: FieldUpdateRow) -> None:
        event = InboundEvent.FromString(row.event)
        field = event.field_update.field
        if field == calls.FIELD:
            for alias, time in calls.calls_of(event, row.order_time):
                await self._store.called(connection, row.phone_number_id, alias, time)
        if field == renames.FIELD:
            for rename in renames.renames_of(event, row.order_time):
                await self._store.rename(connection, row.phone_number_id, rename)
        if field not in changes.FIELDS:
            return
        change = changes.change_of(field, event.raw_json)
        if change is None:
            log.warning("webhook names no template", field=field, inbox_id=row.inbox_id)
            return
        await self._store.change(connection, row.account_id, change)
        await self._store.read_soon(connection, row.account_id, READ_AFTER_SECONDS)
