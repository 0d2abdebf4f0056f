"""The history a watch is served from, and what a follower makes of any stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from meshkit.clock import FakeClock
from meshkit.watch import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PART_ITEMS,
    RELOAD_AGAIN_SECONDS,
    Follower,
    History,
    Part,
    WatchMetrics,
)
from tests.waiting import eventually

RELOAD_SECONDS = 300.0


class Copy:
    """A copy that counts how it was made."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.replaced = 0
        self.changed = asyncio.Event()

    async def replace(self, _version: int, items: Sequence[int]) -> None:
        self.items = list(items)
        self.replaced += 1
        self.changed.set()

    def change(self, _version: int, items: Sequence[int]) -> None:
        self.items.extend(items)
        self.changed.set()


Step = Part[int] | Callable[[], None]
"""What a stream says, or what happens before it says the next."""


class Following:
    """A follower of the streams that a test prepared, one for each time it connects."""

    def __init__(self, *streams: Sequence[Step]) -> None:
        self.streams = list(streams)
        self.asked: list[int] = []
        self.copy = Copy()
        self.clock = FakeClock(datetime(2026, 11, 25, tzinfo=UTC))
        self.registry = CollectorRegistry()
        self.used_up = asyncio.Event()
        self.follower = Follower(
            "numbers",
            opened=self._open,
            copy=self.copy,
            clock=self.clock,
            metrics=WatchMetrics(self.registry),
            silence_seconds=0.05,
            reload_seconds=RELOAD_SECONDS,
        )

    async def to_the_end(self) -> None:
        """Follow until all streams were read."""
        stopping = asyncio.Event()
        task = asyncio.create_task(self.follower.run(stopping))
        await asyncio.wait_for(self.used_up.wait(), 5)
        stopping.set()
        await asyncio.wait_for(task, 5)

    def reconnects(self, cause: str) -> float | None:
        """How often a stream ended for that reason."""
        labels = {"what": "numbers", "cause": cause}
        return self.registry.get_sample_value("watch_reconnects_total", labels)

    async def _open(self, after_version: int) -> AsyncIterator[Part[int]]:
        self.asked.append(after_version)
        if not self.streams:
            self.used_up.set()
            await asyncio.Event().wait()
        for step in self.streams.pop(0):
            if isinstance(step, Part):
                yield step
            else:
                step()

    def later(self, seconds: float) -> Callable[[], None]:
        """Time goes by."""
        return lambda: self.clock.advance(seconds)


def versions(parts: Any) -> list[int]:
    return [version for version, _ in parts]


def test_changes_after_a_version_are_told_while_they_are_kept() -> None:
    history: History[int] = History(kept=3)
    for version in (2, 5, 6, 9):
        history.add(version, [version])
    assert history.size == 3
    assert history.after(1) is None
    assert versions(history.after(2)) == [5, 6, 9]
    assert versions(history.after(7)) == [9]
    assert history.after(9) == []
    # Of a database that was set back to a backup.
    assert history.after(10) is None


def test_versions_only_grow() -> None:
    history: History[int] = History(kept=3)
    history.add(2, [1])
    with pytest.raises(ValueError, match="version 2 comes after 2"):
        history.add(2, [1])


def test_after_a_restart_only_the_new_version_is_known() -> None:
    history: History[int] = History(kept=3)
    history.add(2, [1])
    history.restart(7)
    assert (history.after(2), history.after(7), history.size) == (None, [], 0)


@pytest.mark.parametrize("count", [0, 1, PART_ITEMS, PART_ITEMS + 1, 3 * PART_ITEMS])
async def test_a_whole_copy_comes_in_bounded_parts(count: int) -> None:
    history: History[int] = History(kept=3)
    history.restart(4)
    stream = history.watch(-1, lambda: (4, list(range(count))))
    got: list[int] = []
    while True:
        part = await anext(stream)
        assert part.whole
        assert len(part.items) <= PART_ITEMS
        got.extend(part.items)
        if not part.more:
            break
    assert got == list(range(count))


async def test_many_changes_of_one_version_come_in_bounded_parts() -> None:
    history: History[int] = History(kept=2 * PART_ITEMS)
    items = list(range(PART_ITEMS + 1))
    history.add(7, items)
    stream = history.watch(0, lambda: (7, []))
    first, last = await anext(stream), await anext(stream)
    assert (first.version, first.after_version) == (0, 0)
    assert (last.version, last.after_version) == (7, 0)
    assert [*first.items, *last.items] == items
    # Whoever has the first of them has not got the version yet.
    following = Following([Part(0, 0, whole=True), first], [first, last])
    await following.to_the_end()
    assert following.asked == [-1, 0, 7]
    assert following.copy.items == [*first.items, *items]


async def test_a_watcher_left_behind_gets_a_whole_copy_and_goes_on() -> None:
    history: History[int] = History(kept=2, heartbeat_seconds=0.01)
    stream = history.watch(0, lambda: (history.version, [history.version]))
    assert await anext(stream) == Part(0, 0)
    for version in range(1, 10):
        history.add(version, [version])
    assert await anext(stream) == Part(9, 9, [9], whole=True)
    history.add(10, [10])
    assert await anext(stream) == Part(10, 9, [10])
    assert await anext(stream) == Part(10, 10)


async def test_a_follower_asks_for_what_comes_after_its_version() -> None:
    following = Following(
        [Part(3, 3, [1, 2], whole=True, more=True), Part(3, 3, [3], whole=True)],
        [Part(3, 3), Part(4, 3, [4])],
        [Part(7, 4, [5])],
    )
    await following.to_the_end()
    assert following.asked == [-1, 3, 4, 7]
    assert following.copy.items == [1, 2, 3, 4, 5]
    assert following.copy.replaced == 1
    assert following.reconnects("ended") == 3


async def test_a_gap_is_noticed_and_the_missing_part_asked_for() -> None:
    following = Following(
        [Part(1, 1, [1], whole=True), Part(3, 2, [3])],
        [Part(2, 1, [2]), Part(3, 2, [3])],
    )
    await following.to_the_end()
    assert following.asked == [-1, 1, 3]
    assert following.copy.items == [1, 2, 3]
    assert following.reconnects("gap") == 1


async def test_half_a_whole_copy_is_never_used() -> None:
    following = Following(
        [Part(1, 1, [1, 2], whole=True, more=True)],
        [Part(2, 2, [1, 3], whole=True)],
    )
    await following.to_the_end()
    assert following.copy.items == [1, 3]
    assert following.copy.replaced == 1


async def test_silence_makes_a_copy_stale() -> None:
    following = Following([Part(1, 1, [1], whole=True)])
    assert following.follower.stale()
    await following.to_the_end()
    assert not following.follower.stale()
    following.clock.advance(0.06)
    assert following.follower.stale()
    assert following.follower.loaded
    assert following.follower.age() == pytest.approx(0.06)


async def test_a_silent_stream_is_given_up() -> None:
    following = Following()
    stopping = asyncio.Event()
    task = asyncio.create_task(following.follower.run(stopping))
    await eventually(lambda: following.reconnects("silent"))
    stopping.set()
    await asyncio.wait_for(task, 5)


async def test_everything_is_read_anew_now_and_then_and_the_old_copy_serves_meanwhile() -> None:
    following, served = Following(), list[object]()
    copy, follower = following.copy, following.follower

    def look() -> None:
        served.append((list(copy.items), follower.version, follower.stale()))

    following.streams += [
        [
            Part(3, 3, [1, 2, 3], whole=True),
            lambda: copy.items.remove(2),
            following.later(RELOAD_SECONDS * 0.85),
            Part(3, 3),
            look,
            following.later(RELOAD_SECONDS * 0.3),
            Part(3, 3),
            look,
        ],
        [Part(3, 3, [1, 2], whole=True, more=True), look, Part(3, 3, [3], whole=True), look],
    ]
    await following.to_the_end()
    assert following.asked == [-1, -1, 3]
    # The second look was never had: the stream was left for one that says all.
    assert served == [([1, 3], 3, False)] * 2 + [([1, 2, 3], 3, False)]
    assert following.copy.replaced == 2
    assert following.reconnects("reload") == 1


async def test_a_reload_that_ends_half_way_is_tried_again_after_what_was_missed() -> None:
    following = Following()
    following.streams += [
        [
            Part(3, 3, [1, 2, 3], whole=True),
            following.later(2 * RELOAD_SECONDS),
            Part(3, 3),
        ],
        [Part(4, 4, [5], whole=True, more=True)],
        [Part(4, 3, [4]), following.later(RELOAD_AGAIN_SECONDS), Part(4, 4)],
        [Part(4, 4, [1, 2, 3, 4], whole=True)],
    ]
    await following.to_the_end()
    assert following.asked == [-1, -1, 3, -1, 4]
    assert following.copy.items == [1, 2, 3, 4]
    assert following.copy.replaced == 2


async def test_a_copy_does_not_go_back_to_what_a_replica_behind_has() -> None:
    following = Following()
    following.streams += [
        [Part(3, 3, [1, 2, 3], whole=True), following.later(2 * RELOAD_SECONDS), Part(3, 3)],
        [Part(2, 2, [1, 2], whole=True), Part(3, 2, [3])],
        # Asked for what comes after 3, it tells that it was set back.
        [Part(2, 2, [1, 2], whole=True)],
    ]
    await following.to_the_end()
    assert following.asked == [-1, -1, 3, 2]
    assert following.reconnects("gap") == 1
    assert following.copy.items == [1, 2]


async def test_a_copy_cut_off_for_long_catches_up_by_version_before_all_is_read_anew() -> None:
    following = Following([Part(1, 1, [1], whole=True)])
    following.streams += [
        [following.later(2 * RELOAD_SECONDS), Part(2, 1, [2])],
        [Part(2, 2, [1, 2], whole=True)],
    ]
    await following.to_the_end()
    assert following.asked == [-1, 1, -1, 2]


async def test_copies_made_together_are_not_read_anew_together() -> None:
    all_following = [Following() for _ in range(40)]
    for one in all_following:
        one.streams += [
            [Part(1, 1, [1], whole=True), one.later(RELOAD_SECONDS), Part(1, 1)],
            [Part(1, 1, [1], whole=True)],
        ]
    await asyncio.gather(*(one.to_the_end() for one in all_following))
    reloaded = {one.reconnects("reload") for one in all_following}
    assert reloaded == {None, 1.0}


async def test_readers_cut_off_together_do_not_come_back_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept, tries = list[float](), 8
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr("meshkit.watch.asyncio.sleep", noted)
    for _ in range(2):
        await Following(*([] for _ in range(tries))).to_the_end()
    first, second = slept[:tries], slept[tries:]
    assert all(one != other for one, other in zip(first, second, strict=True))
    for number, (one, other) in enumerate(zip(first, second, strict=True)):
        full = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)
        assert 0.5 * full <= min(one, other) <= max(one, other) <= 1.5 * full


class _Reader:
    """Reads a history in pieces of any length."""

    def __init__(self, history: History[int], everything: Any) -> None:
        self.copy = Copy()
        self._history = history
        self._everything = everything
        self.version = -1

    async def read(self, parts: int) -> None:
        stream = self._history.watch(self.version, self._everything)
        for _ in range(parts):
            part = await anext(stream)
            if part.whole:
                await self.copy.replace(part.version, part.items)
            else:
                assert part.after_version == self.version
                self.copy.change(part.version, part.items)
            self.version = part.version
        await stream.aclose()  # type: ignore[attr-defined]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=20), st.integers(1, 5))
async def test_however_it_is_read_nothing_is_missing_and_nothing_twice(
    steps: list[tuple[int, int]], kept: int
) -> None:
    history: History[int] = History(kept=kept, heartbeat_seconds=0.0)
    items: list[int] = []
    reader = _Reader(history, lambda: (history.version, list(items)))
    for changes, parts in steps:
        for _ in range(changes):
            items.append(len(items) + 1)
            history.add(len(items), [len(items)])
        await reader.read(parts)
        assert reader.copy.items == items[: max(reader.version, 0)]
