"""Reads the templates of every hotel's accounts from Meta, one account at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
import structlog

from copies.directory import Directory
from meshkit.clock import Clock
from meshkit.errors import FailedPrecondition, MeshError, Unavailable
from services.messaging import rounds
from services.messaging.metrics import MessagingMetrics
from services.messaging.settings import MessagingSettings
from services.messaging.store.templates import Account, TemplateRow, TemplateStore
from services.messaging.tokens import Tokens
from services.messaging.whatsapp.reader import GraphReader

ENROL_SECONDS = 30.0
# Longer than the slowest reading of a full account.
TAKEN_SECONDS = 300.0
FIRST_RETRY, LONGEST_RETRY = 60.0, 6 * 3600.0

log = structlog.get_logger()


class Catalogue:
    """Reads an account into the catalogue."""

    def __init__(
        self,
        store: TemplateStore,
        reader: GraphReader,
        tokens: Tokens,
        metrics: MessagingMetrics,
    ) -> None:
        self._store = store
        self._reader = reader
        self._tokens = tokens
        self._metrics = metrics

    async def read(self, account: Account, again: float) -> tuple[int, int]:
        """How many templates it has, and how many are no more; due again after `again` seconds.

        Raises `FailedPrecondition` and `Unavailable` as the reader does. What was
        read until then is kept, and nothing is removed.
        """
        begin = await self._store.now()
        count = 0
        try:
            token = await self._tokens.of(account.tenant_id, account.phone_number_id)
            async for page in self._reader.templates(account.account_id, token):
                rows = {(row.name, row.language_code): row for row in map(_row, page) if row.name}
                await self._store.keep(account, list(rows.values()), begin)
                count += len(rows)
        except MeshError as error:
            self._metrics.template_reads.labels(error.reason).inc()
            raise
        removed = await self._store.finish(account, begin, again)
        self._metrics.template_reads.labels("OK").inc()
        return count, removed


class CatalogueWorker:
    """Has every account read now and then; replicas share the work."""

    def __init__(
        self,
        *,
        store: TemplateStore,
        catalogue: Catalogue,
        directory: Directory,
        clock: Clock,
        metrics: MessagingMetrics,
        settings: MessagingSettings,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._directory = directory
        self._clock = clock
        self._metrics = metrics
        self._seconds = settings.template_seconds
        self._poll = settings.poll_seconds
        self._enrol_at = 0.0

    async def run(self, stopping: asyncio.Event) -> None:
        """Read what is due until told to stop."""
        await rounds.repeat(self._round, stopping, self._metrics, seconds=5 * self._poll)

    async def _round(self) -> bool:
        await self._enrol()
        return await self._read_one()

    async def _enrol(self) -> None:
        """The accounts of the numbers that hotels have, once the directory is here."""
        now = self._clock.monotonic()
        if now < self._enrol_at or not self._directory.loaded.is_set() or self._directory.stale:
            return
        found = {
            (record.tenant_id, record.whatsapp_business_account_id): record.phone_number_id
            for record in await self._directory.records()
        }
        await self._store.enrol([Account(*key, number) for key, number in found.items()])
        self._enrol_at = now + ENROL_SECONDS

    async def _read_one(self) -> bool:
        account = await self._store.due(TAKEN_SECONDS)
        if account is None:
            return False
        try:
            await self._catalogue.read(account, self._seconds)
        except (FailedPrecondition, Unavailable) as error:
            log.warning("templates not read", tenant_id=account.tenant_id, reason=error.reason)
            why = f"{error.reason} {error.metadata.get('code', '')}".strip()
            await self._store.failed(account, why, first=FIRST_RETRY, longest=LONGEST_RETRY)
        return True


def _row(described: Mapping[str, Any]) -> TemplateRow:
    """A template as Meta describes it; whatever is missing or odd is empty."""
    quality = described.get("quality_score")
    score = quality.get("score") if isinstance(quality, dict) else quality
    reason = _word(described.get("rejected_reason"))
    return TemplateRow(
        name=_word(described.get("name")),
        language_code=_word(described.get("language")),
        template_id=_word(described.get("id")),
        category=_word(described.get("category")),
        status=_word(described.get("status")),
        reason="" if reason == "NONE" else reason,
        quality=_word(score) or "UNKNOWN",
        parameter_format=_word(described.get("parameter_format")) or "POSITIONAL",
        components=orjson.dumps(described.get("components") or []),
    )


def _word(value: Any) -> str:
    return str(value).replace("\0", "") if isinstance(value, (str, int)) else ""
