"""Brings webhooks to the gateway, again and again until it answers 200."""

import asyncio
import json
import random
from collections import deque
from dataclasses import replace

import aiohttp

from sandbox.graph.chaos import Chaos
from sandbox.graph.journal import Journal
from sandbox.graph.settings import GraphSettings
from sandbox.graph.webhooks import SIGNATURE_HEADER, Item, envelope, signature

# Meta delivers concurrently. Webhooks that are being repeated keep their place among these.
UNDER_WAY = 64
_POST_TIMEOUT = aiohttp.ClientTimeout(total=15)


class Courier:
    """Holds every item until the gateway has taken it, in bounded memory.

    Items of one lane (one guest, one number) go one after the other, so that what a guest
    types arrives as typed; Meta promises less. Everything else overtakes freely.
    """

    def __init__(self, settings: GraphSettings, journal: Journal, chaos: Chaos) -> None:
        self.webhook_url = settings.webhook_url
        self.delivered = 0
        self.dropped = 0
        self.refused_posts = 0
        self.last_refusal = ""
        self._settings = settings
        self._journal = journal
        self._chaos = chaos
        self._ready: deque[Item] = deque()
        self._lanes: dict[str, deque[Item]] = {}
        self._waiting: dict[str, asyncio.Event] = {}
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(UNDER_WAY)
        self._deliveries: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Items that the gateway has not taken yet."""
        return len(self._waiting)

    def put(self, item: Item) -> asyncio.Event:
        """Takes an item over; the event is set once the gateway has taken it."""
        delivered = asyncio.Event()
        if len(self._waiting) >= self._settings.keep_waiting:
            self.dropped += 1
            return delivered
        self._waiting[item.key] = delivered
        if self._chaos.mood.shuffle:
            item = replace(item, lane="")
        if item.lane in self._lanes:
            self._lanes[item.lane].append(item)
            return delivered
        if item.lane:
            self._lanes[item.lane] = deque()
        self._make_ready(item)
        return delivered

    async def run(self) -> None:
        """Delivers until cancelled."""
        async with aiohttp.ClientSession(timeout=_POST_TIMEOUT) as session:
            try:
                while True:
                    await self._slots.acquire()
                    self._start(session, await self._next_batch())
            finally:
                for delivery in self._deliveries:
                    delivery.cancel()
                await asyncio.gather(*self._deliveries, return_exceptions=True)

    def _start(self, session: aiohttp.ClientSession, batch: list[Item]) -> None:
        delivery = asyncio.create_task(self._deliver(session, batch))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)
        delivery.add_done_callback(lambda _: self._slots.release())

    async def _next_batch(self) -> list[Item]:
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        places = self._chaos.batch(len(self._ready), self._settings.batch_items)
        batch = [self._ready[place] for place in places]
        for place in sorted(places, reverse=True):
            del self._ready[place]
        return batch

    async def _deliver(self, session: aiohttp.ClientSession, batch: list[Item]) -> None:
        # Escaped to ASCII, as Meta serialises; the signature covers these very bytes.
        body = json.dumps(envelope(batch), separators=(",", ":")).encode()
        pause = self._settings.first_retry
        await self._chaos.take_time()
        while not await self._post(session, body):
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, self._settings.last_retry)
        self._journal.delivered(item.key for item in batch)
        for item in batch:
            self._done(item)
            if self._chaos.again():
                self.put(replace(item, lane="", key=f"{item.key}:again"))

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> bool:
        if not self.webhook_url:
            return False
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            SIGNATURE_HEADER: signature(self._settings.app_secret, body),
        }
        try:
            async with session.post(
                self.webhook_url, data=body, headers=headers, allow_redirects=False
            ) as response:
                await response.read()
                refusal = "" if response.status == 200 else f"HTTP {response.status}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            refusal = str(error) or type(error).__name__
        self.last_refusal = refusal
        self.refused_posts += bool(refusal)
        return not refusal

    def _done(self, item: Item) -> None:
        self.delivered += 1
        if event := self._waiting.pop(item.key, None):
            event.set()
        if not item.lane:
            return
        if followers := self._lanes[item.lane]:
            self._make_ready(followers.popleft())
        else:
            del self._lanes[item.lane]

    def _make_ready(self, item: Item) -> None:
        self._ready.append(item)
        self._wake.set()
