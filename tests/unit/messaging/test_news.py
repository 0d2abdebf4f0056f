"""How a stream of reservations that ends is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from meshkit.errors import Internal, MeshError, Unavailable
from services.messaging import news
from services.messaging.news import ReservationNews


class Heard:
    """Has heard nothing yet."""

    async def heard(self) -> int:
        """The version to go on from."""
        return 0


class Ending:
    """Streams that end with these errors, one after the other; then it is time to stop."""

    def __init__(self, *errors: MeshError) -> None:
        self._errors = list(errors)
        self.stopping = asyncio.Event()

    async def WatchReservations(self, request: Any) -> AsyncIterator[Any]:
        """Nothing but the error."""
        if not self._errors:
            self.stopping.set()
            await asyncio.Event().wait()
        raise self._errors.pop(0)
        yield


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that has ended is resumed without a pause."""
    monkeypatch.setattr(news, "PAUSE_SECONDS", 0.0)


async def test_only_what_waiting_does_not_mend_is_a_warning_and_not_at_every_try() -> None:
    broken, away = Internal("INTERNAL", "no"), Unavailable("AWAY", "no")
    other = Internal("RESULT_MISSING", "no")
    ending = Ending(away, broken, broken, away, broken, other)
    with capture_logs() as lines:
        following: Any = ReservationNews(ending, Heard(), None)  # type: ignore[arg-type]
        await following.run(ending.stopping)
    assert [(one["log_level"], one.get("reason")) for one in lines] == [
        ("debug", None),
        ("warning", "INTERNAL"),
        ("debug", None),
        ("warning", "RESULT_MISSING"),
    ]
