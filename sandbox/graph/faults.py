"""Failures on demand, for the next sends."""

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

KINDS = {
    "error": "refused with error `code`",
    "hang_up": "the connection is closed; nothing is accepted",
    "lose_answer": "accepted, then the connection is closed before the answer",
    "accept_then_500": "accepted, and answered with 500",
    "delay": "answered `seconds` later",
    "no_statuses": "accepted, and never heard of again",
    "fail_status": "accepted; its only status is `failed` with error `code`",
}
MAX_FAULTS = 1000


@dataclass(frozen=True)
class Fault:
    """What happens to the next `count` sends that match."""

    kind: str
    count: int = 1
    code: int = 131000
    status: int | None = None
    details: str = ""
    seconds: float = 1.0
    to: str = ""
    """Only sends to this phone number; empty: to anyone."""
    phone_number_id: str = ""
    """Only sends from this number; empty: from any."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        if self.count < 1:
            raise ValueError("count must be 1 or more")

    def matches(self, phone_number_id: str, to: str) -> bool:
        """Whether a send is meant."""
        return self.to in ("", to) and self.phone_number_id in ("", phone_number_id)


class Faults:
    """The queue of what is still to go wrong, oldest first."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque(maxlen=MAX_FAULTS)

    def add(self, fields: dict[str, Any]) -> None:
        """Queues a fault; TypeError or ValueError says what is wrong with `fields`."""
        self._queue.append(Fault(**fields))

    def clear(self) -> None:
        """From now on everything works."""
        self._queue.clear()

    def take(self, phone_number_id: str, to: str) -> Fault | None:
        """The fault that hits this send, used up once."""
        for index, fault in enumerate(self._queue):
            if fault.matches(phone_number_id, to):
                if fault.count > 1:
                    self._queue[index] = replace(fault, count=fault.count - 1)
                else:
                    del self._queue[index]
                return fault
        return None

    def pending(self) -> list[Fault]:
        """What has not happened yet."""
        return list(self._queue)
