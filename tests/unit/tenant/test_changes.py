"""What followers of the directory are told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.clock import FakeClock
from meshkit.errors import Unavailable
from meshkit.watch import NOTHING, Part
from services.tenant.changes import Change, Changes, Removed, changes_between
from services.tenant.domain import Directory, Number
from tests.unit.tenant.numbers import DELETED, MIRADOR, READ_TIME, SUSPENDED, snapshot

RENAMED = replace(MIRADOR, display_name="X")
# Some with the same id, as a number has that moved.
known = st.sets(st.sampled_from([MIRADOR, SUSPENDED, DELETED]))
after = st.lists(
    st.sampled_from([MIRADOR, RENAMED, SUSPENDED, DELETED]),
    unique_by=lambda one: one.phone_number_id,
)


def applied(numbers: dict[str, Number], items: Sequence[Change]) -> dict[str, Number]:
    """A copy after these changes."""
    copy = dict(numbers)
    for item in items:
        if isinstance(item, Removed):
            del copy[item.phone_number_id]
        else:
            copy[item.phone_number_id] = item
    return copy


async def following(changes: Changes, version: int, look: Any = lambda: None) -> Part[Change]:
    """The first part that a watcher gets."""
    async with asyncio.timeout(5), aclosing(changes.watch(version, look)) as parts:  # type: ignore[type-var]
        part: Part[Change] = await anext(parts)
        return part


@given(known, after)
async def test_what_is_told_makes_the_new_directory_of_the_old(
    before: set[Number], now: list[Number]
) -> None:
    old, new = snapshot(before), snapshot(now)
    items = await changes_between(old, new)
    assert applied(old.numbers, items) == new.numbers
    assert len(items) == len(old.numbers.items() ^ new.numbers.items()) - len(
        [one for one in now if old.numbers.get(one.phone_number_id, one) != one]
    )


async def test_other_things_under_a_known_version_are_told_whole() -> None:
    directory = Directory(FakeClock(READ_TIME))
    changes = Changes(directory)
    await changes.publish(snapshot([MIRADOR], version=7))
    async with asyncio.timeout(5), aclosing(changes.watch(7, lambda: None)) as parts:  # type: ignore[type-var]
        assert await anext(parts) == Part(7, 7)
        for version in (7, 5):
            other = replace(MIRADOR, display_name=f"Other {version}")
            await changes.publish(snapshot([other], version))
            part = await anext(parts)
            assert part.whole
            assert part.version == version
            assert part.items == [other]
        await changes.publish(snapshot([DELETED], version=8))
        part = await anext(parts)
        assert (part.after_version, part.whole) == (5, False)
        assert part.items == [DELETED, Removed(MIRADOR.phone_number_id)]
        assert changes.kept == 2


async def test_a_version_from_another_replica_is_waited_for() -> None:
    changes = Changes(Directory(FakeClock(READ_TIME)))
    await changes.publish(snapshot([MIRADOR], version=7))
    looking: list[asyncio.Task[None]] = []

    def look() -> None:
        newer = changes.publish(snapshot([MIRADOR, DELETED], version=8))
        looking.append(asyncio.create_task(newer))

    assert await following(changes, 8, look) == Part(8, 8)
    assert len(looking) == 1
    assert await following(changes, 7, look) == Part(8, 7, [DELETED])
    assert (await following(changes, NOTHING, look)).whole
    assert len(looking) == 1


async def test_a_replica_without_its_database_sets_nobody_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another one has told the version, so it is there, and this one cannot know of it."""
    monkeypatch.setattr("services.tenant.changes.CATCH_UP_SECONDS", 0.05)
    clock = FakeClock(READ_TIME)
    directory = Directory(clock)
    changes = Changes(directory)
    await changes.publish(snapshot([MIRADOR], version=7))
    clock.advance(10)
    with pytest.raises(Unavailable, match="DIRECTORY_BEHIND"):
        await following(changes, 8)
    assert await following(changes, 7) == Part(7, 7)
    # A database that is heard and has no such version was set back.
    part = await following(changes, 8, directory.confirm)
    assert (part.whole, part.version) == (True, 7)
