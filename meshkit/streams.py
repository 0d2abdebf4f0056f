"""The streams a server has open: bounded, and ended in a way that lets their readers resume."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from meshkit.errors import ResourceExhausted, Unavailable

OPEN_AT_MOST = 256
"""Streams of one server. Each process of the mesh has one or two per replica."""
WRITE_SECONDS = 10.0
"""A reader who takes no message for so long is cut; he resumes by version."""
AGE_SHARE = (0.7, 0.9)
"""A stream lives for a part of the age of its connection, which would cut it without a word."""
RETRY_SECONDS = 0.1


class Streams:
    """What is common to the streams of one server."""

    def __init__(self, max_age_seconds: float, *, open_at_most: int = OPEN_AT_MOST) -> None:
        self._max_age_seconds = max_age_seconds
        self._open_at_most = open_at_most
        self._open: set[asyncio.Timeout] = set()
        self._ended = False

    def end(self) -> None:
        """End all with `Unavailable`, and refuse new ones."""
        self._ended = True
        now = asyncio.get_running_loop().time()
        for scope in self._open:
            if not scope.expired():
                scope.reschedule(now)

    async def send(self, messages: AsyncIterator[Any], context: Any) -> None:
        """Write all `messages`, as long as the stream may live.

        The initial metadata goes first and alone: with it, a first message that is cut off
        on its way would leave grpcio unable to send the status, and the reader would wait.

        Raises `Unavailable` STREAM_OVER when it may not any more or READER_TOO_SLOW, and
        `ResourceExhausted` TOO_MANY_STREAMS.
        """
        await context.send_initial_metadata(())
        try:
            async with asyncio.timeout(self._max_age_seconds * random.uniform(*AGE_SHARE)) as scope:
                with self._counted(scope):
                    await _write_all(messages, context)
        except TimeoutError:
            raise _over() from None

    @contextmanager
    def _counted(self, scope: asyncio.Timeout) -> Iterator[None]:
        if self._ended:
            raise _over()
        if len(self._open) >= self._open_at_most:
            raise ResourceExhausted(
                "TOO_MANY_STREAMS", "This server has as many as it can.", retry_after=1.0
            )
        self._open.add(scope)
        try:
            yield
        finally:
            self._open.discard(scope)


def _over() -> Unavailable:
    return Unavailable(
        "STREAM_OVER", "Resume at any replica, from the last version.", retry_after=RETRY_SECONDS
    )


async def _write_all(messages: AsyncIterator[Any], context: Any) -> None:
    async with aclosing(messages) as open_messages:  # type: ignore[type-var]
        async for message in open_messages:
            await _write(message, context)


async def _write(message: Any, context: Any) -> None:
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            await context.write(message)
    except TimeoutError:
        raise Unavailable(
            "READER_TOO_SLOW", "Messages are not taken.", retry_after=RETRY_SECONDS
        ) from None
