"""What goes wrong with hotels' systems, on demand: one by one, at random, or for good."""

import random
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

READ, CREATE, CHANGE = OPERATIONS = ("read", "create", "change")
KINDS = {
    "slow": "answered `seconds` later",
    "refuse": "503, and nothing is done",
    "hang_up": "the connection is closed; nothing is done",
    "lose_answer": "done, then the connection is closed before the answer",
    "done_then_500": "done, and answered with 500",
    "late": "answered with 504 at once, and done `seconds` later",
    "double_create": "two bookings are made instead of one",
    "stale": "a read is answered as of `seconds` ago",
    "throttle": "429, come back in `seconds`",
}
MEANT_FOR = {
    "lose_answer": (CREATE, CHANGE),
    "done_then_500": (CREATE, CHANGE),
    "late": (CREATE,),
    "double_create": (CREATE,),
    "stale": (READ,),
}
"""Operations that a kind makes sense for, where that is not all of them."""
MODES = {
    "up": (),
    "down": OPERATIONS,
    "half_down": (CREATE, CHANGE),
}
"""What is answered with 503 for as long as a mode lasts."""
MAX_FAULTS = 1000


@dataclass(frozen=True)
class Fault:
    """What happens to the next `count` requests that match."""

    kind: str
    count: int = 1
    seconds: float = 0.2
    operation: str = ""
    """read, create or change; empty: any that the kind makes sense for."""
    property_id: str = ""
    """Of this hotel only; empty: of any."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        if self.operation not in ("", *OPERATIONS):
            raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}")
        if self.count < 1:
            raise ValueError("count must be 1 or more")

    def matches(self, property_id: str, operation: str) -> bool:
        """Whether a request is meant."""
        possible = MEANT_FOR.get(self.kind, OPERATIONS)
        return (
            operation in possible
            and self.operation in ("", operation)
            and self.property_id in ("", property_id)
        )


class Faults:
    """What is still to go wrong: the queue, oldest first, then chance."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque(maxlen=MAX_FAULTS)
        self._share = 0.0
        self._kinds: tuple[str, ...] = ()
        self._seconds = 0.2
        self._chance = random.Random(0)
        self.mode = "up"

    def add(self, fields: dict[str, Any]) -> None:
        """Queue a fault; TypeError or ValueError says what is wrong with `fields`."""
        self._queue.append(Fault(**fields))

    def by_chance(self, share: float, kinds: list[str], seconds: float, seed: int) -> None:
        """From now on let a share of all requests go wrong, each kind as often."""
        if not 0 <= share <= 1 or not set(kinds) <= set(KINDS):
            raise ValueError(f"share is 0 to 1, kinds are among {', '.join(KINDS)}")
        self._share, self._kinds, self._seconds = share, tuple(kinds), seconds
        self._chance = random.Random(seed)

    def clear(self) -> None:
        """From now on everything works."""
        self._queue.clear()
        self._share = 0.0
        self.mode = "up"

    def take(self, property_id: str, operation: str) -> Fault | None:
        """The fault that hits this request, used up once."""
        if operation in MODES[self.mode]:
            return Fault("refuse")
        for index, fault in enumerate(self._queue):
            if fault.matches(property_id, operation):
                if fault.count > 1:
                    self._queue[index] = replace(fault, count=fault.count - 1)
                else:
                    del self._queue[index]
                return fault
        if self._share and self._chance.random() < self._share:
            possible = [Fault(kind, seconds=self._seconds) for kind in self._kinds]
            meant = [fault for fault in possible if fault.matches(property_id, operation)]
            return self._chance.choice(meant) if meant else None
        return None
