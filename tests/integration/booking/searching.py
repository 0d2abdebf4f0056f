"""What searches read, for one stay at a time."""

from __future__ import annotations

from meshkit.errors import MeshError
from meshkit.postgres import Postgres
from services.booking.domain import Stay
from services.booking.inventory.book import PriceBook
from services.booking.metrics import BookingMetrics
from services.booking.search.domain import Inventory
from services.booking.search.store import SearchStore


class Searches:
    """The counters of hotels and what they sell, without a cache."""

    def __init__(self, postgres: Postgres, metrics: BookingMetrics) -> None:
        self.book = PriceBook(postgres, metrics)
        self.counters = SearchStore(postgres).counters

    async def inventory(self, tenant_id: str, stay: Stay) -> Inventory:
        """The hotel around a stay."""
        (found,) = await self.counters([(tenant_id, stay)])
        if isinstance(found, MeshError):
            raise found
        pages = await self.book.pages([tenant_id], {tenant_id: found.version})
        return Inventory(pages[tenant_id], found)
