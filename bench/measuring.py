"""What is measured, how often, and in which order."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

WARM_UP_SECONDS = 1.0


class BenchError(Exception):
    """The bench cannot go on; the message is one sentence for whoever started it."""


@dataclass(frozen=True)
class Sample:
    """One run of one entry."""

    value: float
    """In the unit of the entry."""
    cpu_us_per_item: Mapping[str, float] = field(default_factory=dict)
    """Microseconds of CPU for one item, by process."""
    details: Mapping[str, float] = field(default_factory=dict)
    """What else was counted, for the report."""


Run = Callable[[float], Awaitable[Sample]]
"""Runs an entry once, for so many seconds."""


@dataclass(frozen=True)
class Entry:
    """One line of the report."""

    name: str
    unit: str
    explains: str
    """What one item is and who asks for it."""
    ceiling: str | None = None
    """The entry that it is compared with, turn by turn."""
    least_value: float | None = None
    """Below this the target is missed; for a ceiling, the whole run is void."""
    most_value: float | None = None
    """Above this the target is missed: for what should be short."""
    least_ratio: float | None = None
    most: Mapping[str, float] = field(default_factory=dict)
    """Above these the target is missed: details of the samples, by name."""
    own_processes: tuple[str, ...] | None = None
    """Those whose CPU counts as ours; None for all that were measured."""

    @property
    def is_ceiling(self) -> bool:
        """Whether it says what this machine can do at all."""
        return self.name.startswith("ceiling.")


@dataclass(frozen=True)
class Group:
    """Entries that share processes and a ceiling; they are run in turns."""

    entries: Sequence[Entry]
    start: Callable[[], AbstractAsyncContextManager[Mapping[str, Run]]]
    """Starts the processes and says how to run each entry, by name."""


@dataclass
class Series:
    """The samples of one entry; the n-th ones of a group were taken in the same turn."""

    entry: Entry
    samples: list[Sample] = field(default_factory=list)

    @property
    def values(self) -> list[float]:
        """The values in order of the turns."""
        return [sample.value for sample in self.samples]

    def cpu(self) -> dict[str, float]:
        """The median CPU for one item, by process."""
        return _medians([sample.cpu_us_per_item for sample in self.samples])

    def details(self) -> dict[str, float]:
        """The medians of what else was counted."""
        return _medians([sample.details for sample in self.samples])

    def ratios(self, ceiling: Series) -> list[float]:
        """Each value over the ceiling's of the same turn."""
        pairs = zip(self.values, ceiling.values, strict=True)
        return [value / ceiling_value for value, ceiling_value in pairs]


def spread(values: Sequence[float]) -> float:
    """How far the middle half of the values lies apart, as a part of their median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / middle


async def measure(
    group: Group,
    wanted: Sequence[Entry],
    *,
    pairs: int,
    seconds: float,
    tell: Callable[[str], None],
) -> list[Series]:
    """Run `wanted` in turns, there and back, after a turn that warms up and is not counted."""
    series = [Series(entry) for entry in wanted]
    async with group.start() as runs:
        for one in series:
            await runs[one.entry.name](WARM_UP_SECONDS)
        for turn in range(pairs):
            for one in series if turn % 2 == 0 else reversed(series):
                sample = await runs[one.entry.name](seconds)
                one.samples.append(sample)
                value = f"{sample.value:,.1f} {one.entry.unit}"
                tell(f"{turn + 1}/{pairs}  {one.entry.name}: {value}")
    return series


def _medians(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = sorted({name for sample in samples for name in sample})
    return {name: statistics.median(one.get(name, 0.0) for one in samples) for name in names}
