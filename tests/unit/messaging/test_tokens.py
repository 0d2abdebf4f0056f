"""The tokens in memory: bounded, read once for many, and good for as long as they may be."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from conserje.tenant.v1.credential_pb2 import (
    CREDENTIAL_KIND_ACCESS_TOKEN,
    CREDENTIAL_KIND_PMS,
    CredentialChange,
)
from conserje.tenant.v1.credential_service_pb2 import ReadAccessTokenResponse
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from copies import credentials
from meshkit.clock import FakeClock
from meshkit.errors import FailedPrecondition, MeshError, NotFound, Unavailable, Unimplemented
from meshkit.watch import WatchMetrics
from services.messaging.tokens import Tokens


class Stub:
    """Answers with the newest word, or fails; waits while `open` is not set."""

    def __init__(self) -> None:
        self.word = "own"
        self.error: MeshError | None = None
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()

    async def ReadAccessToken(self, request: Any, timeout: float) -> ReadAccessTokenResponse:
        self.asked += 1
        word, error = self.word, self.error
        await self.open.wait()
        if error is not None:
            raise error
        return ReadAccessTokenResponse(value=f"{word}-{request.tenant_id}")


class Place:
    """Tokens on a clock of the test's."""

    def __init__(self) -> None:
        self.stub = Stub()
        self.clock = FakeClock(datetime(2026, 11, 26, tzinfo=UTC))
        self.registry = CollectorRegistry()
        self.changed: set[str] = set()
        self.tokens = Tokens(
            self.stub,  # type: ignore[arg-type]
            SecretStr("installations"),
            clock=self.clock,
            registry=self.registry,
            watches=WatchMetrics(self.registry),
        )
        self.tokens.on_change(self.changed.update)

    def changes(self, tenant_id: str, kind: Any = CREDENTIAL_KIND_ACCESS_TOKEN) -> None:
        self.tokens._secrets.change(1, [CredentialChange(tenant_id=tenant_id, kind=kind)])


@pytest.fixture
async def place() -> Place:
    return Place()


async def test_what_many_wait_for_is_read_once(place: Place) -> None:
    place.stub.open.clear()
    many = [asyncio.create_task(place.tokens.of("a", "1")) for _ in range(20)]
    await asyncio.sleep(0)
    place.stub.open.set()
    assert set(await asyncio.gather(*many)) == {"own-a"}
    assert place.stub.asked == 1


async def test_one_who_leaves_does_not_take_the_answer_with_him(place: Place) -> None:
    place.stub.open.clear()
    first, second = (asyncio.create_task(place.tokens.of("a", "1")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    place.stub.open.set()
    assert await second == "own-a"


@pytest.mark.parametrize("error", [NotFound("CREDENTIAL_UNKNOWN"), Unimplemented("OLD")])
async def test_who_has_none_is_sent_for_with_the_installations(
    place: Place, error: MeshError
) -> None:
    place.stub.error = error
    for _ in range(3):
        assert await place.tokens.of("a", "1") == "installations"
    assert place.stub.asked == 1


@pytest.mark.parametrize("error", [Unavailable("KEY_MISSING"), FailedPrecondition("KEY_RING")])
async def test_a_token_that_cannot_be_read_is_no_reason_for_another(
    place: Place, error: MeshError
) -> None:
    place.stub.error = error
    with pytest.raises(Unavailable, match="SECRET_UNKNOWN"):
        await place.tokens.of("a", "1")
    place.stub.error = None
    assert await place.tokens.of("a", "1") == "own-a"
    place.stub.error = error
    place.changes("a")
    for _ in range(3):
        assert await place.tokens.of("a", "1") == "own-a"
    assert place.stub.asked == 3, "it is asked again after a while, not for each message"


async def test_a_change_concerns_its_hotel_alone(place: Place) -> None:
    for hotel in "ab":
        await place.tokens.of(hotel, "1")
    place.stub.word = "new"
    place.changes("a")
    assert await place.tokens.of("a", "1") == "new-a"
    assert await place.tokens.of("b", "1") == "own-b"
    place.changes("b", CREDENTIAL_KIND_PMS)
    assert await place.tokens.of("b", "1") == "own-b"
    assert place.changed == {"a"}
    await place.tokens._secrets.replace(2, [])
    assert await place.tokens.of("b", "1") == "new-b"


async def test_what_was_read_while_it_changed_is_read_again(place: Place) -> None:
    place.stub.open.clear()
    reading = asyncio.create_task(place.tokens.of("a", "1"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    place.stub.word = "new"
    place.changes("a")
    place.stub.open.set()
    assert await reading == "own-a"
    assert await place.tokens.of("a", "1") == "new-a"


async def test_it_is_read_anew_after_a_while_and_when_it_is_refused(place: Place) -> None:
    await place.tokens.of("a", "1")
    place.clock.advance(credentials.KEEP_SECONDS * 2)
    await place.tokens.of("a", "1")
    assert place.stub.asked == 2
    place.tokens.refused("a", "1")
    place.tokens.refused("b", "1")
    await place.tokens.of("a", "1")
    assert place.stub.asked == 3


async def test_no_more_are_kept_than_the_bound(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "MOST_KEPT", 3)
    for number in "1234":
        await place.tokens.of("a", number)
    assert place.registry.get_sample_value("graph_tokens_kept") == 3
    await place.tokens.of("a", "4")
    assert place.stub.asked == 4
    await place.tokens.of("a", "1")
    assert place.stub.asked == 5
    assert "own-a" not in repr(vars(place.tokens._secrets))
