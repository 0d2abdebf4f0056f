"""Whose number is this? The tenant service's routing records, all of them, in this process."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from conserje.tenant.v1.tenant_pb2 import (
    THROUGHPUT_TIER_UNSPECIFIED,
    RoutingRecord,
    TenantState,
    ThroughputTier,
)
from conserje.tenant.v1.tenant_service_pb2 import WatchTenantsRequest, WatchTenantsResponse
from prometheus_client import CollectorRegistry, Gauge

from meshkit.clock import Clock
from meshkit.memory import let_go
from meshkit.watch import NOTHING, Follower, Part, WatchMetrics

if TYPE_CHECKING:
    from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceAsyncStub

RELOAD_SECONDS = 300.0
"""All records are read anew so often, whatever was told."""
SLICE = 250
"""Records put into a new table between two ticks of the loop, in about half a millisecond."""


@dataclass(slots=True)
class Record:
    """A number and its hotel, as far as its messages must be led. Shared: not to be changed."""

    phone_number_id: str
    whatsapp_business_account_id: str
    tenant_id: str
    state: TenantState.ValueType
    display_name: str
    time_zone: str
    default_language_code: str
    language_codes: tuple[str, ...]
    currency_code: str
    version: int
    shared: bool = False
    """Some who write to it are guests of other hotels, as the tenant service knows."""
    since_time: datetime | None = None
    """What came before it is another hotel's, as the tenant service knows; None: nobody's."""
    throughput_tier: ThroughputTier.ValueType = THROUGHPUT_TIER_UNSPECIFIED
    """How fast it may send."""
    graph_version: str = ""
    """Of the API that it sends with; empty: the installation's."""

    def memory(self) -> int:
        """Bytes that it takes at most: what the numbers of a hotel share is counted for each."""
        own = (
            self,
            self.phone_number_id,
            self.whatsapp_business_account_id,
            self.tenant_id,
            self.display_name,
            self.language_codes,
            self.version,
            *((self.since_time,) if self.since_time else ()),
        )
        return sum(map(sys.getsizeof, own))


Removed = str
"""The id of a number that is no hotel's any more."""
Item = Record | Removed


class Directory:
    """All records by their numbers, in a copy that `run` keeps new.

    Its size is the number of WhatsApp numbers of the installation, whatever is asked for.
    """

    def __init__(
        self,
        stub: TenantServiceAsyncStub,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        watches: WatchMetrics,
    ) -> None:
        self.loaded = asyncio.Event()
        """Set once there is a copy, which then may age but does not go."""
        self._stub = stub
        self._records: dict[str, Record] = {}
        self._memory = 0
        self._follower: Follower[Item] = Follower(
            "directory",
            opened=self._open,
            copy=self,
            clock=clock,
            metrics=watches,
            reload_seconds=RELOAD_SECONDS,
        )
        self.run = self._follower.run
        self._watch(registry)

    @property
    def stale(self) -> bool:
        """Whether there may be changes that have not come here."""
        return self._follower.stale()

    def find(self, phone_number_id: str) -> Record | None:
        """The record of a number; None when no hotel has it, as far as is known here."""
        return self._records.get(phone_number_id)

    async def records(self) -> list[Record]:
        """All of them, as they are now."""
        await asyncio.sleep(0)
        return list(self._records.values())

    def problem(self) -> str | None:
        """What is wrong with the copy; None while it follows."""
        if not self.loaded.is_set():
            return "The directory of hotels has not come from the tenant service yet."
        if self.stale:
            age = self._follower.age()
            return f"The directory of hotels is a copy {age:.0f} s old: its changes do not come."
        return None

    async def replace(self, _version: int, items: Sequence[Item]) -> None:
        """Be these records."""
        records: dict[str, Record] = {}
        memory, rest = 0, iter(items)
        while some := list(islice(rest, SLICE)):
            for record in some:
                assert isinstance(record, Record), "a whole copy removes nothing"
                records[record.phone_number_id] = record
                memory += record.memory()
            await asyncio.sleep(0)
        old, self._records, self._memory = self._records, records, memory
        self.loaded.set()
        await let_go(old)

    def change(self, _version: int, items: Sequence[Item]) -> None:
        """Take in what is new, and drop what is no more."""
        for item in items:
            known = item if isinstance(item, Removed) else item.phone_number_id
            if (old := self._records.pop(known, None)) is not None:
                self._memory -= old.memory()
            if isinstance(item, Record):
                self._records[known] = item
                self._memory += item.memory()

    async def _open(self, after_version: int) -> AsyncIterator[Part[Item]]:
        request = WatchTenantsRequest()
        if after_version != NOTHING:
            request.after_version = after_version
        async for message in self._stub.WatchTenants(request):
            yield self._part(message)

    def _part(self, message: WatchTenantsResponse) -> Part[Item]:
        records = [record_of(one) for one in message.routing_records]
        # What is the same is kept as it is: a reload makes next to no new records.
        known = [self._records.get(one.phone_number_id) for one in records]
        items: list[Item] = [
            old if old == new else new for old, new in zip(known, records, strict=True)
        ]
        if message.whole and known != records:
            # Records hold no cycles, and looking for some among all of them takes 20 ms.
            gc.freeze()
        items += message.removed_phone_number_ids
        return Part(message.version, message.after_version, items, message.whole, message.more)

    def _watch(self, registry: CollectorRegistry) -> None:
        Gauge(
            "tenant_directory_copy_records",
            "WhatsApp numbers in this process's copy of the directory.",
            registry=registry,
        ).set_function(lambda: len(self._records))
        Gauge(
            "tenant_directory_copy_bytes",
            "Memory of the copy at most: its records and the table that finds them.",
            registry=registry,
        ).set_function(lambda: self._memory + sys.getsizeof(self._records))


def record_of(message: RoutingRecord) -> Record:
    """A record as it is kept."""
    # Most of these words are those of many records: each is in memory once.
    once = sys.intern
    return Record(
        phone_number_id=message.phone_number_id,
        whatsapp_business_account_id=once(message.whatsapp_business_account_id),
        tenant_id=once(message.tenant_id),
        state=message.state,
        display_name=once(message.display_name),
        time_zone=once(message.time_zone),
        default_language_code=once(message.default_language_code),
        language_codes=tuple(map(once, message.language_codes)),
        currency_code=once(message.currency_code),
        version=message.version,
        shared=message.shared,
        since_time=message.since_time.ToDatetime(UTC) if message.HasField("since_time") else None,
        throughput_tier=message.throughput_tier,
        graph_version=once(message.graph_version),
    )
