"""Hotels' systems tell by themselves that something has changed: checked, remembered, followed.

A notice is a hint and never the truth: whoever sends one, the system is asked for its
changes, and what it answers counts. It proves itself by the signature of Standard
Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over its id, the time it was
sent and the raw bytes of its body, believed for five minutes.

Any number of notices costs a hotel's system one question a second: the first is
followed at once, those of the second after it by one question together. Replicas
share that through Postgres. What is lost on the way is found by the next regular look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog
from standardwebhooks.webhooks import (
    EmptyWebhookSecretError,
    Webhook,
    WebhookVerificationError,
)

from meshkit import deadlines
from meshkit.errors import Aborted, MeshError, ResourceExhausted, Unauthenticated, Unavailable
from meshkit.postgres import Postgres
from meshkit.rate_limit import Bucket, Limit, RateLimiter
from meshkit.waiting import first_of
from services.booking.pms.connections import Connections
from services.booking.pms.metrics import PmsMetrics
from services.booking.pms.reconcile import CALL_SECONDS, Reconciler
from services.booking.pms.secrets import PmsSecrets

FOLLOW_SECONDS = 1.0
LOOK_SECONDS = 0.5
BUCKET = Bucket("notices", Limit(10.0, burst=100.0))
"""Of one hotel: what bounds the ids that are remembered."""
KEEP_SECONDS = 900
"""Longer than a signature is believed: five minutes, from a clock five minutes ahead."""
ATTEMPTS = 3
"""Somebody else may be counting the same changes; then what comes after those is asked for."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Notice:
    """What came over HTTP."""

    tenant_id: str
    notice_id: str
    timestamp: str
    """Seconds since 1970."""
    signature: str = field(repr=False)
    body: bytes = field(repr=False)


class NoticeStore:
    """Which notices were received, and whose system is to be asked."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    # One that waits already is left as it is: whoever takes it asks the system later than now.
    KEEP = """
WITH new AS (
    INSERT INTO pms_notice (tenant_id, notice_id)
    SELECT tenant_id, $2 FROM pms_connection WHERE tenant_id = $1
    ON CONFLICT DO NOTHING RETURNING tenant_id
), told AS (
    UPDATE pms_connection c SET notice_time = clock_timestamp()
    FROM new WHERE c.tenant_id = new.tenant_id AND c.notice_time IS NULL
)
SELECT count(*) > 0 FROM new
"""

    async def keep(self, tenant_id: str, notice_id: str) -> bool:
        """Whether it is new; its hotel's system is to be asked then."""
        return bool(await self._postgres.of(tenant_id).fetchval(self.KEEP, tenant_id, notice_id))

    TAKE = "SELECT finder.take_pms_notices($1, $2) AS tenant_id"

    async def take(self, seconds: float, but: Iterable[str] = ()) -> list[str]:
        """Hotels whose systems are ours to ask: none that was asked less than so long ago."""
        rows = await self._postgres.finder.fetch(self.TAKE, seconds, list(but))
        return [row["tenant_id"] for row in rows]

    SWEEP = "SELECT finder.sweep_pms_notices($1)"

    async def sweep(self) -> int:
        """Forget old ones; how many those were."""
        swept: int = await self._postgres.finder.fetchval(self.SWEEP, float(KEEP_SECONDS))
        return swept


class Notices:
    """Takes notices in, and has their hotels' systems asked."""

    def __init__(
        self,
        store: NoticeStore,
        connections: Connections,
        secrets: PmsSecrets,
        limiter: RateLimiter,
        reconciler: Reconciler,
        metrics: PmsMetrics,
    ) -> None:
        self._store = store
        self._connections = connections
        self._secrets = secrets
        self._limiter = limiter
        self._reconciler = reconciler
        self._metrics = metrics
        self._news = asyncio.Event()
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def receive(self, notice: Notice) -> bool:
        """Whether it is new.

        Raises Unauthenticated NOTICE_NOT_AUTHENTIC, ResourceExhausted TOO_MANY_NOTICES, or
        Unavailable while the hotel's secret or Postgres is away.
        """
        # A hotel without a system is refused like one with another secret: nobody learns which.
        connected = await self._connections.of(notice.tenant_id)
        secrets = await self._secrets.of_notices(notice.tenant_id) if connected else ()
        if not is_authentic(notice, secrets):
            self._metrics.notices.labels("not_authentic").inc()
            raise Unauthenticated(
                "NOTICE_NOT_AUTHENTIC", "The signature is not the hotel's, or it is too old."
            )
        (wait,) = await self._limiter.take(notice.tenant_id, [[BUCKET]])
        if wait > 0:
            self._metrics.notices.labels("too_many").inc()
            raise ResourceExhausted(
                "TOO_MANY_NOTICES", "The hotel's system tells too much.", retry_after=wait
            )
        new = await self._store.keep(notice.tenant_id, notice.notice_id)
        self._metrics.notices.labels("new" if new else "known").inc()
        if new:
            self._news.set()
        return new

    async def run(self, stopping: asyncio.Event) -> None:
        """Ask the systems of hotels that have told something; finish what is under way."""
        while not stopping.is_set():
            self._news.clear()
            await self.look()
            await first_of(stopping, self._news, seconds=LOOK_SECONDS)
        await self.idle()

    async def look(self) -> None:
        """Begin to ask where a notice waits: a hotel at a time, none waits for another."""
        try:
            hotels = await self._store.take(FOLLOW_SECONDS, self._asking)
        except Unavailable:
            return  # Readiness tells of it; the next round will do.
        for tenant_id in hotels:
            self._asking[tenant_id] = asyncio.create_task(self._follow(tenant_id))

    async def idle(self) -> None:
        """Until nothing is under way."""
        await asyncio.gather(*self._asking.values())

    async def _follow(self, tenant_id: str) -> None:
        try:
            with deadlines.scope(CALL_SECONDS):
                await self._ask(tenant_id)
        except MeshError as error:
            # The regular look, every few seconds, finds what this has not.
            log.debug("notice not followed", tenant_id=tenant_id, reason=error.reason)
        finally:
            del self._asking[tenant_id]

    async def _ask(self, tenant_id: str) -> None:
        hotel = await self._connections.of(tenant_id)
        if hotel is None:
            return
        for _ in range(ATTEMPTS):
            try:
                await self._reconciler.follow(hotel)
            except Aborted:
                continue
            break


def is_authentic(notice: Notice, secrets: Sequence[str]) -> bool:
    """Whether one of the secrets made the signature, less than five minutes ago."""
    headers = {
        "webhook-id": notice.notice_id,
        "webhook-timestamp": notice.timestamp,
        "webhook-signature": notice.signature,
    }
    return any(_made(notice.body, headers, secret) for secret in secrets)


def _made(body: bytes, headers: dict[str, str], secret: str) -> bool:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except (WebhookVerificationError, EmptyWebhookSecretError, ValueError):
        # ValueError: a secret, a signature or a body that is no base64 or no UTF-8.
        return False
    return True
