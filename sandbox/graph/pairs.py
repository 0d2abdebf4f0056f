"""The pair limit: one message in 6 s to one guest, 45 of them borrowed in a burst.

Source: "Pair rate limits" of the Cloud API documentation; over it: error 131056.
"""

from collections import OrderedDict

SECONDS_PER_MESSAGE = 6.0
BURST = 45
MAX_PAIRS = 100_000


class PairLimit:
    """A bucket for every (number, guest), the least recently used forgotten first."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self._full_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def allows(self, phone_number_id: str, guest: str, now: float) -> bool:
        """Whether a send may pass at `now` (monotonic seconds); it is counted if so."""
        if not self.enabled:
            return True
        pair = (phone_number_id, guest)
        # The bucket is kept as the moment at which it will be full again.
        full_at = max(self._full_at.pop(pair, now), now)
        allowed = full_at - now <= (BURST - 1) * SECONDS_PER_MESSAGE
        self._full_at[pair] = full_at + SECONDS_PER_MESSAGE * allowed
        while len(self._full_at) > MAX_PAIRS:
            self._full_at.popitem(last=False)
        return allowed
