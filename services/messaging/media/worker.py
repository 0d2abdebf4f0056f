"""The worker that fetches what guests send: at once, whole, once, and each hotel for itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path

import structlog
from conserje.messaging.v1.event_pb2 import MediaContent

from copies.directory import Directory
from meshkit.clock import Clock
from meshkit.errors import MeshError, Unavailable
from meshkit.waiting import first_of, set_within
from services.messaging import leases
from services.messaging.backoff import backoff
from services.messaging.directory import Owners, Standing, holder_of
from services.messaging.media.fetching import FINAL, Fetcher, FetchError, Reason
from services.messaging.media.metrics import MediaMetrics
from services.messaging.media.shelf import Shelf
from services.messaging.metrics import MessagingMetrics
from services.messaging.settings import MessagingSettings
from services.messaging.slots import Slots
from services.messaging.store.media import MediaStore, StoredMedia, WaitingMedia
from services.messaging.store.uploads import UploadStore
from services.messaging.tokens import Tokens
from services.messaging.whatsapp.codes import TABLE, TOKEN_CODES, Reaction

FIRST_RETRY, LONGEST_RETRY = 1.0, 6 * 3600.0
MOST_ATTEMPTS = 40
"""With these pauses that is most of the 7 days for which Meta keeps a file."""
PASSING = (Reaction.RETRY, Reaction.STOP, Reaction.SLOW_NUMBER)
"""What Meta refuses for these may be had later: a token or an account is put right."""
SWEEP_SECONDS = 60.0
SWEPT_AT_ONCE = 500

log = structlog.get_logger()


class MediaWorker:
    """Fetches and keeps files, and removes them at the end of their time."""

    def __init__(
        self,
        *,
        store: MediaStore,
        uploads: UploadStore,
        shelf: Shelf,
        fetcher: Fetcher,
        owners: Owners,
        directory: Directory,
        tokens: Tokens,
        clock: Clock,
        metrics: MediaMetrics,
        service_metrics: MessagingMetrics,
        settings: MessagingSettings,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._shelf = shelf
        self._fetcher = fetcher
        self._owners = owners
        self._directory = directory
        self._tokens = tokens
        self._clock = clock
        self._metrics = metrics
        self._away = service_metrics.dependency_away
        self._settings = settings
        self._slots = Slots(settings.media_concurrency)
        self._held: dict[int, WaitingMedia] = {}
        self._problem: str | None = None

    def problem(self) -> str | None:
        """Why files cannot be kept, as a sentence."""
        return self._problem

    async def run(self, stopping: asyncio.Event) -> None:
        """Fetch until told to stop, then finish what is under way."""
        await first_of(stopping, self._directory.loaded)
        while not stopping.is_set():
            claimed = await self._claim(await self._slots.free())
            for media in claimed:
                self._held[media.media_key] = media
                self._slots.start(self._work(media), partial(self._let_go, media))
            if not claimed:
                await set_within(stopping, self._settings.poll_seconds)
        await self._slots.drain()

    def _let_go(self, media: WaitingMedia) -> None:
        del self._held[media.media_key]

    async def renew(self, stopping: asyncio.Event) -> None:
        """Hold on to what is being fetched, also in the drain."""
        await leases.hold(stopping, self._leases, self._store.renew, self._settings.lease_seconds)

    def _leases(self) -> list[leases.Held]:
        return [(media.media_key, media.lease_number) for media in self._held.values()]

    async def sweep(self, stopping: asyncio.Event) -> None:
        """Remove what has ended or was left behind, and tell what waits."""
        while not stopping.is_set():
            more = False
            try:
                await self._measure()
                more = await self._erase()
                await self._uploads.forget_ended(SWEPT_AT_ONCE)
                await self._shelf.tidy()
            except Unavailable:
                self._away.labels("postgres").inc()
            except OSError as error:
                self._failed(error)
            await set_within(stopping, 0.0 if more else SWEEP_SECONDS)

    async def _measure(self) -> None:
        backlog = await self._store.backlog()
        self._metrics.waiting.set(backlog.waiting_count)
        self._metrics.oldest.set(backlog.oldest_seconds)

    async def _erase(self) -> bool:
        """Files first: a row whose file is gone is found again, a file without a row never."""
        ended = await self._store.ended(SWEPT_AT_ONCE)
        for one in ended:
            if one.tenant_id is not None:
                await self._shelf.remove(one.tenant_id, one.media_key)
        if ended:
            await self._store.forget(ended)
            self._metrics.erased.inc(len(ended))
        return len(ended) == SWEPT_AT_ONCE

    async def _claim(self, limit: int) -> list[WaitingMedia]:
        try:
            claimed = await self._store.claim(
                limit=limit,
                share=self._settings.media_share,
                seconds=self._settings.lease_seconds,
                held=Counter(media.phone_number_id for media in self._held.values()),
            )
        except Unavailable:
            self._away.labels("postgres").inc()
            return []
        self._slots.claimed(len(claimed), min(limit, self._settings.media_share))
        return claimed

    async def _work(self, media: WaitingMedia) -> None:
        """One file; whatever happens, it is stored, dead, or tried again."""
        started = self._clock.monotonic()
        try:
            tenant_id = None
            try:
                tenant_id = await self._hotel(media)
                await self._fetch(media, tenant_id)
                self._metrics.fetch_seconds.observe(self._clock.monotonic() - started)
            except FetchError as error:
                await self._not_fetched(media, tenant_id, error)
            except OSError as error:
                self._failed(error)
                await self._not_fetched(media, tenant_id, FetchError(Reason.STORE_AWAY))
        except Unavailable:
            # Ours is the database: the lease runs out, and the file is due again.
            self._away.labels("postgres").inc()
        except Exception:
            log.exception("fetching a file failed", media_key=media.media_key)

    async def _hotel(self, media: WaitingMedia) -> str:
        """Whose file it is."""
        try:
            owner = await self._owners.owner(
                *(media.phone_number_id, media.account_id, media.arrive_time),
                media.whatsapp_id or b"",
            )
        except MeshError as error:
            self._away.labels("tenant").inc()
            raise FetchError(Reason.TENANT_AWAY) from error
        if owner.standing is Standing.DELETED:
            raise FetchError(Reason.HOTEL_DELETED)
        if not owner.tenant_id:
            raise FetchError(Reason.NO_HOTEL)
        return owner.tenant_id

    async def _fetch(self, media: WaitingMedia, tenant_id: str) -> None:
        token = await self._token(media, tenant_id)
        content = MediaContent.FromString(media.content)
        draft = await self._shelf.draft()
        try:
            what = await self._fetcher.fetch(content, media.phone_number_id, token, draft)
            await self._keep(media, tenant_id, what, draft)
        finally:
            await asyncio.to_thread(draft.unlink, missing_ok=True)

    async def _keep(
        self, media: WaitingMedia, tenant_id: str, what: StoredMedia, draft: Path
    ) -> None:
        """The file first: a row never names one that is not there."""
        await self._shelf.keep(draft, tenant_id, media.media_key)
        self._problem = None
        ours = await self._store.stored(media, tenant_id, what, self._settings.media_keep_seconds)
        self._metrics.fetches.labels("stored" if ours else "lost").inc()
        self._metrics.bytes.inc(what.byte_count if ours else 0)
        if not ours and not await self._store.is_wanted(tenant_id, media.media_key):
            await self._shelf.remove(tenant_id, media.media_key)

    async def _token(self, media: WaitingMedia, tenant_id: str) -> str:
        try:
            holder = holder_of(self._directory, media.phone_number_id, tenant_id)
            return await self._tokens.of(holder.tenant_id, media.phone_number_id)
        except Unavailable as error:
            self._away.labels("tenant").inc()
            raise FetchError(Reason.TENANT_AWAY) from error

    async def _not_fetched(
        self, media: WaitingMedia, tenant_id: str | None, error: FetchError
    ) -> None:
        self._metrics.fetches.labels(error.reason.lower()).inc()
        if tenant_id is not None and error.code in TOKEN_CODES:
            holder = holder_of(self._directory, media.phone_number_id, tenant_id)
            self._tokens.refused(holder.tenant_id, media.phone_number_id)
        if _final(error) or media.attempt_count >= MOST_ATTEMPTS:
            self._metrics.dead.inc()
            log.warning(
                "file given up",
                reason=error.reason,
                code=error.code,
                tenant_id=tenant_id,
                media_key=media.media_key,
            )
            await self._store.dead(
                media, tenant_id, error.reason, self._settings.media_keep_seconds
            )
            return
        seconds = backoff(media.attempt_count, first=FIRST_RETRY, longest=LONGEST_RETRY)
        await self._store.again(media, tenant_id, error.reason, seconds)

    def _failed(self, error: OSError) -> None:
        """The shelf does not take files."""
        self._away.labels("media_store").inc()
        if self._problem is None:
            log.error("files cannot be kept", error=type(error).__name__, errno=error.errno)
        self._problem = f"Files of guests cannot be kept: {type(error).__name__}."


def _final(error: FetchError) -> bool:
    if error.code is None:
        return error.reason in FINAL
    return TABLE.get(error.code, Reaction.NEVER) not in PASSING
