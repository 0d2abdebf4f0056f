"""Background tasks: started again, given time, and cut off in the end."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from meshkit import workers
from meshkit.metrics import WorkerMetrics
from meshkit.workers import Workers


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def supervised(registry: CollectorRegistry) -> Workers:
    return Workers(WorkerMetrics(registry))


async def test_one_that_fails_is_started_again_and_counted(
    supervised: Workers, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "FIRST_PAUSE", 0.0)
    attempts = 0
    recovered = asyncio.Event()

    async def work(stopping: asyncio.Event) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise OSError("away")
        recovered.set()
        await stopping.wait()

    supervised.add("sweeper", work)
    with capture_logs() as lines:
        supervised.start()
        await asyncio.wait_for(recovered.wait(), 5)
    assert [line["event"] for line in lines] == ["worker failed"] * 2
    assert registry.get_sample_value("worker_restarts_total", {"worker": "sweeper"}) == 2
    await supervised.stop(5)


async def test_a_stop_waits_for_what_is_in_hand(supervised: Workers) -> None:
    finished: list[str] = []
    started = asyncio.Event()

    async def work(stopping: asyncio.Event) -> None:
        started.set()
        await stopping.wait()
        await asyncio.sleep(0)
        finished.append("row")

    supervised.add("sender", work)
    supervised.start()
    await started.wait()
    await supervised.stop(5)
    assert finished == ["row"]


async def test_one_that_does_not_finish_is_cancelled(supervised: Workers) -> None:
    cancelled = asyncio.Event()

    async def work(_stopping: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    supervised.add("stuck", work)
    supervised.start()
    await asyncio.sleep(0)
    with capture_logs() as lines:
        await asyncio.wait_for(supervised.stop(0.01), 5)
    assert cancelled.is_set()
    assert lines[0]["worker"] == "stuck"


async def test_a_pause_ends_with_the_stop(
    supervised: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "FIRST_PAUSE", 3600.0)

    async def work(_stopping: asyncio.Event) -> None:
        raise OSError("away")

    supervised.add("failing", work)
    with capture_logs():
        supervised.start()
        await asyncio.sleep(0)
        await asyncio.wait_for(supervised.stop(3600), 5)


async def test_without_workers_a_stop_is_nothing(supervised: Workers) -> None:
    supervised.start()
    await supervised.stop(5)
