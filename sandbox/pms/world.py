"""The state of one fake system."""

from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import web

from sandbox.pms.faults import Faults
from sandbox.pms.hotel import Hotel


class World:
    """Hotels, what goes wrong, and what was counted."""

    def __init__(self) -> None:
        self.hotels: dict[str, Hotel] = {}
        self.faults = Faults()
        self.qloapps_version = "1.6"
        self.calls: Counter[tuple[str, str]] = Counter()
        """Requests by hotel and operation, the failed ones included."""
        self.hit: Counter[str] = Counter()
        """Faults by kind."""
        self.restart: Callable[[float], Awaitable[None]] | None = None


WORLD = web.AppKey("world", World)
