"""The way to the hosts of hotels' systems: one pooled session a host, and what answers mean.

A slow host keeps its own few connections busy and nobody else's. Reads are tried
again, with jitter and within the caller's budget; writes never are, for only
looking them up tells whether they happened.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from meshkit import deadlines
from meshkit.errors import FailedPrecondition, MeshError, ResourceExhausted, Unavailable

CONNECTIONS_PER_HOST = 8
"""Enough for a hotel's searches; a small server has no more workers than that."""
MOST_HOSTS = 512
"""Sessions kept; the least recently used is closed, its hotels open a new one."""
CONNECT_SECONDS = 1.0
READ_SECONDS, WRITE_SECONDS = 2.0, 10.0
"""A read that takes longer is worth a stale answer; a create may take its time."""
READ_ATTEMPTS = 3
FIRST_PAUSE = 0.05
MOST_BYTES = 16 * 1024 * 1024
"""No answer of ours is as long; a longer one would fill the memory."""
DEFAULT_PATIENCE = 1.0
"""Seconds to wait when the other side is busy and does not say for how long."""

NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    retry_after: float


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to a hotel's system."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None = None


class Hosts:
    """Sessions by host, scheme and port."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[URL, aiohttp.ClientSession] = OrderedDict()

    async def close(self) -> None:
        """Close every connection."""
        while self._sessions:
            await self._sessions.popitem()[1].close()

    async def read(self, request: Request, seconds: float = READ_SECONDS) -> Answer:
        """The answer of a read, tried again while the host does not give one."""
        with deadlines.scope(seconds):
            for attempt in range(1, READ_ATTEMPTS + 1):
                try:
                    answer = await self._once(request)
                    if answer.status < 500:
                        return answer
                    error = away(f"HTTP {answer.status}")
                except NO_ANSWER as failed:
                    error = away(type(failed).__name__)
                pause = random.uniform(0.5, 1.5) * FIRST_PAUSE * 2 ** (attempt - 1)
                if attempt == READ_ATTEMPTS or pause >= deadlines.bounded(seconds):
                    raise error
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def write(self, request: Request, seconds: float = WRITE_SECONDS) -> Answer | str:
        """The answer of a write; a word for why there is none."""
        with deadlines.scope(seconds):
            try:
                return await self._once(request)
            except NO_ANSWER as failed:
                return type(failed).__name__

    async def _once(self, request: Request) -> Answer:
        left = deadlines.bounded()
        if left <= 0:
            raise TimeoutError
        async with self._session(request.url).request(
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=left, connect=min(left, CONNECT_SECONDS)),
        ) as response:
            body = await response.content.read(MOST_BYTES + 1)
            while len(body) <= MOST_BYTES and not response.content.at_eof():
                body += await response.content.read(MOST_BYTES + 1 - len(body))
            if len(body) > MOST_BYTES:
                raise aiohttp.ClientPayloadError("too long")
            return Answer(response.status, body, _patience(response.headers.get("Retry-After")))

    def _session(self, url: URL) -> aiohttp.ClientSession:
        host = url.origin()
        session = self._sessions.get(host)
        if session is None:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=CONNECTIONS_PER_HOST, limit_per_host=CONNECTIONS_PER_HOST
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            self._sessions[host] = session
        self._sessions.move_to_end(host)
        if len(self._sessions) > MOST_HOSTS:
            _, oldest = self._sessions.popitem(last=False)
            closing = asyncio.ensure_future(oldest.close())
            closing.add_done_callback(lambda _: None)
        return session


def away(detail: str) -> Unavailable:
    """Nobody knows: the system gave no answer."""
    return Unavailable("PMS_AWAY", f"The hotel's system does not answer ({detail}).", detail=detail)


def refused(answer: Answer, detail: str = "") -> MeshError:
    """A read was answered with something that is no answer."""
    if answer.status == 429:
        return ResourceExhausted(
            "PMS_BUSY", "The hotel's system asks for patience.", retry_after=answer.retry_after
        )
    return FailedPrecondition(
        "PMS_REFUSED",
        f"The hotel's system refused ({detail or f'HTTP {answer.status}'}).",
        status=answer.status,
        detail=detail,
    )


def garbled(detail: str) -> Unavailable:
    """It answered something that its own contract does not allow."""
    return away(f"unreadable: {detail}")


def json_headers(authorization: str) -> dict[str, str]:
    """Headers of a JSON request."""
    return {
        "Authorization": authorization,
        "Accept": "application/json",
        "Content-Type": "application/json",
    }


def _patience(header: Any) -> float:
    try:
        return min(max(float(header), 0.1), 60.0)
    except (TypeError, ValueError):
        return DEFAULT_PATIENCE
