"""The state of one fake system."""

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from sandbox.pms.faults import Faults
from sandbox.pms.hotel import Hotel
from sandbox.pms.notices import Teller


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
        self.teller = Teller()
        self.restart: Callable[[float], Awaitable[None]] | None = None

    def add(self, hotel: Hotel) -> None:
        """A hotel, or one that begins anew."""
        if hotel.notices_url:
            hotel.on_change = partial(
                self.teller.tell, hotel.notices_url, hotel.notices_secret, hotel.property_id
            )
        self.hotels[hotel.property_id] = hotel


WORLD = web.AppKey("world", World)
