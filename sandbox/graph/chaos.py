"""Misbehaviour by itself, at a rate, from one seed: what Meta allows itself on a bad day.

Sends fail in every way of `faults`, webhooks come twice, in other company and out of order, and
everything takes its time. The same seed and the same order of requests give the same day.
"""

import asyncio
import random
from dataclasses import dataclass, field

from sandbox.graph.errors import KINDS as CODES
from sandbox.graph.faults import KINDS, Fault


@dataclass(frozen=True)
class Mood:
    """How bad the day is; by default it is a good one."""

    seed: int = 0
    fail: float = 0.0
    """The share of sends that fail."""
    fail_kinds: tuple[str, ...] = tuple(KINDS)
    fail_codes: tuple[int, ...] = tuple(CODES)
    """For `error` and `fail_status`."""
    duplicate: float = 0.0
    """The share of webhook items that come once more, later and in another webhook."""
    shuffle: bool = False
    """Webhook items overtake each other, also those of one guest, in batches of any size."""
    latency_seconds: float = 0.0
    """The longest an answer or a webhook takes; each takes something between nothing and that."""

    def __post_init__(self) -> None:
        for name in ("fail", "duplicate"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be a share: 0 or more, and less than 1")
        if unknown := set(self.fail_kinds) - set(KINDS):
            raise ValueError(f"{', '.join(sorted(unknown))}: kinds are {', '.join(KINDS)}")


GOOD = Mood()


@dataclass
class Chaos:
    """Draws what goes wrong next."""

    mood: Mood
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.mood.seed)

    def fault(self) -> Fault | None:
        """What happens to the next send; nothing to most."""
        if self._chance.random() >= self.mood.fail:
            return None
        return Fault(
            self._chance.choice(self.mood.fail_kinds),
            code=self._chance.choice(self.mood.fail_codes),
            seconds=self._chance.uniform(0, self.mood.latency_seconds),
        )

    def again(self) -> bool:
        """Whether an item comes once more."""
        return self._chance.random() < self.mood.duplicate

    def batch(self, ready: int, most: int) -> list[int]:
        """Which of the items that are ready go into the next webhook, in its order."""
        size = min(ready, most)
        if not self.mood.shuffle:
            return list(range(size))
        return self._chance.sample(range(ready), self._chance.randint(1, size))

    async def take_time(self) -> None:
        """An answer or a webhook is on its way."""
        if self.mood.latency_seconds:
            await asyncio.sleep(self._chance.uniform(0, self.mood.latency_seconds))
