"""What hotels sell, kept in the process by version, so that a price is found without asking.

Nobody has to believe it: whoever decides compares the version with that of the
property, under the lock on the room type that an import takes as well.
"""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from meshkit.postgres import Postgres
from services.booking.domain import MOST_QUOTES, Quote, Stay, refusal
from services.booking.inventory.catalogue import STANDARD
from services.booking.inventory.domain import Inventory
from services.booking.inventory.policy import Charges, Policy, charges, policy
from services.booking.inventory.pricing import Rate, quotes_kept
from services.booking.inventory.rates import NightlyPrices
from services.booking.inventory.store import SELECT_INVENTORY, Stored, stored_of
from services.booking.metrics import BookingMetrics
from services.booking.reservations.snapshot import terms_to_json
from services.booking.reservations.terms import Terms

if TYPE_CHECKING:
    import asyncpg

    from meshkit.postgres import Connection

MOST_HOTELS = 2000
"""Two years of five room types are about 40 kB."""


class Page:
    """What one hotel sells, in one version."""

    def __init__(self, stored: Stored) -> None:
        self.version = stored.version
        self.inventory = _small(stored.inventory)
        self.sells = any(one.prices for one in self.inventory.room_types.values())
        self._rates: dict[tuple[str, str], Rate] = {}
        self._terms: dict[str, str] = {}

    def rate(self, room_type_id: str, rate_plan_id: str = STANDARD) -> Rate:
        """A type under a plan; NotFound `ROOM_TYPE_UNKNOWN` or `RATE_PLAN_UNKNOWN`."""
        key = (room_type_id, rate_plan_id)
        found = self._rates.get(key)
        if found is None:
            kind = self.inventory.room_types.get(room_type_id)
            if kind is None:
                raise refusal("ROOM_TYPE_UNKNOWN")
            if rate_plan_id != STANDARD and self.inventory.house.plan(rate_plan_id) is None:
                raise refusal("RATE_PLAN_UNKNOWN")
            found = self._rates[key] = Rate(self.inventory, kind, rate_plan_id)
        return found

    def terms(self, rate_plan_id: str) -> Terms:
        """The terms of those who book under a plan."""
        plan = None if rate_plan_id == STANDARD else self.inventory.house.plan(rate_plan_id)
        return self.inventory.terms if plan is None or plan.terms is None else plan.terms

    def policy(self, quote: Quote, stay: Stay, now: dt.datetime) -> Policy:
        """What is told to who books a stay for that now."""
        charged = _charges(self, quote)
        zone = self.inventory.time_zone
        return policy(self.terms(quote.rate_plan_id), charged, stay, zone, now)

    def terms_json(self, rate_plan_id: str) -> str:
        """The same, as rows keep them."""
        if rate_plan_id not in self._terms:
            self._terms[rate_plan_id] = terms_to_json(self.terms(rate_plan_id))
        return self._terms[rate_plan_id]


@lru_cache(maxsize=MOST_QUOTES)
def _charges(page: Page, quote: Quote) -> Charges:
    return charges(page.terms(quote.rate_plan_id), quote)


class PriceBook:
    """The pages of the hotels that were asked about last."""

    def __init__(
        self, postgres: Postgres, metrics: BookingMetrics, most: int = MOST_HOTELS
    ) -> None:
        self._postgres = postgres
        self._metrics = metrics
        self._most = most
        self._pages: OrderedDict[str, Page] = OrderedDict()
        metrics.quotes.set_function(quotes_kept)

    async def pages(
        self, tenant_ids: Iterable[str], versions: Mapping[str, int] | None = None
    ) -> dict[str, Page]:
        """The pages of hotels, those that have none left out; one statement at most.

        One that is older than its `versions` is read again.
        """
        wanted = set(tenant_ids)
        found = {one: page for one in wanted if (page := self._kept(one, versions)) is not None}
        missing = sorted(wanted - found.keys())
        if missing:
            found |= self._keep(await self._postgres.of(*missing).fetch(SELECT_INVENTORY, missing))
        return found

    SELECT_VERSION = "SELECT inventory_version FROM property WHERE tenant_id = $1"

    async def current(self, connection: Connection, tenant_id: str) -> Page:
        """The page of a hotel as of the connection's next statement; it has to have one."""
        version = await connection.fetchval(self.SELECT_VERSION, tenant_id)
        if version is None:
            raise refusal("PROPERTY_UNKNOWN")
        kept = self._kept(tenant_id, {tenant_id: version})
        if kept is not None:
            return kept
        return self._keep(await connection.fetch(SELECT_INVENTORY, [tenant_id]))[tenant_id]

    def forget(self, tenant_ids: Collection[str]) -> None:
        """Read these again before they are used."""
        for one in tenant_ids:
            self._pages.pop(one, None)

    def _kept(self, tenant_id: str, versions: Mapping[str, int] | None) -> Page | None:
        page = self._pages.get(tenant_id)
        if page is None or (versions is not None and page.version < versions.get(tenant_id, 0)):
            return None
        self._pages.move_to_end(tenant_id)
        return page

    def _keep(self, rows: Iterable[asyncpg.Record]) -> dict[str, Page]:
        read = {tenant_id: Page(stored) for tenant_id, stored in stored_of(rows).items()}
        self._metrics.pages_read.inc(len(read))
        self._pages.update(read)
        while len(self._pages) > self._most:
            self._pages.popitem(last=False)
        self._metrics.pages.set(len(self._pages))
        return read


def _small(inventory: Inventory) -> Inventory:
    """What decides prices, in little memory."""
    types = {
        one.room_type_id: replace(one, rooms={}, prices=NightlyPrices(one.prices))
        for one in inventory.room_types.values()
    }
    return replace(inventory, room_types=types)
