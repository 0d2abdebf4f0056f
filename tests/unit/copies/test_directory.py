"""A process's own copy of the directory of hotels."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from conserje.tenant.v1.tenant_pb2 import (
    TENANT_STATE_ACTIVE,
    THROUGHPUT_TIER_COEXISTENCE,
    RoutingRecord,
)
from conserje.tenant.v1.tenant_service_pb2 import WatchTenantsRequest, WatchTenantsResponse
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from copies.directory import RELOAD_SECONDS, Directory, Record, record_of
from meshkit.clock import FakeClock
from meshkit.errors import Unavailable
from meshkit.watch import PART_ITEMS, WatchMetrics
from tests.waiting import eventually

BYTES_OF_A_RECORD = 400


def record(number: int, version: int = 1, *, numbers_of_a_hotel: int = 10) -> RoutingRecord:
    """A number of a hotel whose words are as long as real ones get."""
    hotel = number // numbers_of_a_hotel
    return RoutingRecord(
        tenant_id=f"hotel-y-apartamentos-de-la-playa-{hotel:06}",
        phone_number_id=str(100_000_000_000_000 + number),
        whatsapp_business_account_id=str(200_000_000_000_000 + hotel),
        state=TENANT_STATE_ACTIVE,
        display_name=f"Gran Hotel & Spa Balneario de la Concepción {hotel:06}",
        time_zone="America/Argentina/ComodRivadavia",
        default_language_code="es-419",
        language_codes=["es-419", "en-US", "pt-BR", "fr-CA", "zh-Hant-TW", "de", "it", "ja"],
        currency_code="ARS",
        version=version,
        throughput_tier=THROUGHPUT_TIER_COEXISTENCE,
        graph_version="v26.0",
    )


class Tenants:
    """Says what it is given; then that it is away, or nothing more."""

    def __init__(self, *streams: Sequence[WatchTenantsResponse]) -> None:
        self.asked: list[WatchTenantsRequest] = []
        self._streams = list(streams)
        self._count = len(streams)

    def all_said(self) -> bool:
        """Whether all was read."""
        return len(self.asked) > self._count

    async def WatchTenants(
        self, request: WatchTenantsRequest
    ) -> AsyncIterator[WatchTenantsResponse]:
        self.asked.append(request)
        if not self._streams:
            await asyncio.Event().wait()
        for message in self._streams.pop(0):
            yield message
        raise Unavailable("STREAM_OVER")


def whole(version: int, records: Sequence[RoutingRecord]) -> list[WatchTenantsResponse]:
    """A whole copy as it comes."""
    starts = range(0, len(records), PART_ITEMS) or [0]
    return [
        WatchTenantsResponse(
            version=version,
            whole=True,
            more=start + PART_ITEMS < len(records),
            routing_records=records[start : start + PART_ITEMS],
        )
        for start in starts
    ]


@asynccontextmanager
async def following(tenants: Any) -> AsyncIterator[tuple[Directory, FakeClock, CollectorRegistry]]:
    """A copy that has read all that `tenants` has to say."""
    clock = FakeClock(datetime(2026, 11, 26, tzinfo=UTC))
    registry = CollectorRegistry()
    directory = Directory(tenants, clock=clock, registry=registry, watches=WatchMetrics(registry))
    stopping = asyncio.Event()
    task = asyncio.create_task(directory.run(stopping))
    try:
        await eventually(tenants.all_said)
        yield directory, clock, registry
    finally:
        stopping.set()
        await asyncio.wait_for(task, 5)


async def test_it_answers_from_memory_and_takes_in_changes() -> None:
    gone, stays, changes = record(1), record(2), record(3)
    other = record(3, version=2)
    other.display_name = "Another name"
    change = WatchTenantsResponse(
        version=2,
        after_version=1,
        routing_records=[other, record(4, version=2)],
        removed_phone_number_ids=[gone.phone_number_id],
    )
    tenants = Tenants([*whole(1, [gone, stays, changes]), change])
    async with following(tenants) as (directory, _, registry):
        assert directory.loaded.is_set()
        assert directory.problem() is None
        assert directory.find(gone.phone_number_id) is None
        assert directory.find(stays.phone_number_id) is not None
        found = directory.find(changes.phone_number_id)
        assert found is not None
        assert found.display_name == "Another name"
        assert registry.get_sample_value("tenant_directory_copy_records") == 3
    # The second time it asks for what comes after the version it has.
    assert [asked.HasField("after_version") for asked in tenants.asked] == [False, True]
    assert tenants.asked[1].after_version == 2


async def test_before_the_first_copy_it_knows_nothing_and_says_so() -> None:
    async with following(Tenants([])) as (directory, _, _):
        assert not directory.loaded.is_set()
        assert directory.stale
        assert directory.problem() == (
            "The directory of hotels has not come from the tenant service yet."
        )


async def test_a_copy_whose_changes_do_not_come_goes_on_and_says_its_age() -> None:
    async with following(Tenants(whole(1, [record(1)]))) as (directory, clock, registry):
        assert not directory.stale
        clock.advance(90)
        assert directory.stale
        assert directory.find(record(1).phone_number_id) is not None
        assert directory.problem() == (
            "The directory of hotels is a copy 90 s old: its changes do not come."
        )
        assert registry.get_sample_value("watch_age_seconds", {"what": "directory"}) == 90


class Reloaded:
    """Says the same whole copy whenever it is asked, from the second time on in two halves."""

    def __init__(self, records: Sequence[RoutingRecord]) -> None:
        self.said, self.go_on = False, asyncio.Event()
        self._first, *self._others = whole(1, records)

    def all_said(self) -> bool:
        """Whether it was read once."""
        return self.said

    async def WatchTenants(
        self, request: WatchTenantsRequest
    ) -> AsyncIterator[WatchTenantsResponse]:
        assert not request.HasField("after_version")
        yield self._first
        if self.said:
            await self.go_on.wait()
        for message in self._others:
            yield message
        while True:
            yield WatchTenantsResponse(version=1, after_version=1)
            self.said = True
            await asyncio.sleep(0.01)


async def test_a_copy_that_went_wrong_is_right_again_after_the_reload() -> None:
    records = [record(number) for number in range(2 * PART_ITEMS)]
    right = {one.phone_number_id: record_of(one) for one in records}
    tenants = Reloaded(records)
    async with following(tenants) as (directory, clock, registry):
        taken = registry.get_sample_value("tenant_directory_copy_bytes")
        kept, moved, lost = (records[n].phone_number_id for n in (0, 1, 2))
        shared = directory.find(kept)
        directory._records[moved].tenant_id = "another-hotel"
        del directory._records[lost]
        directory._records["7"] = right[lost]
        clock.advance(2 * RELOAD_SECONDS)
        await eventually(lambda: reloads(registry) == 1)
        # Until the whole copy is there the old one serves.
        assert not directory.stale
        assert directory.problem() is None
        assert directory.find(moved).tenant_id == "another-hotel"  # type: ignore[union-attr]
        tenants.go_on.set()
        await eventually(lambda: directory._records == right)
        assert directory.find(kept) is shared
        assert registry.get_sample_value("tenant_directory_copy_bytes") == taken


def reloads(registry: CollectorRegistry) -> float | None:
    labels = {"what": "directory", "cause": "reload"}
    return registry.get_sample_value("watch_reconnects_total", labels)


def test_a_routing_record_is_small_on_the_wire() -> None:
    assert record(999_999, version=10**12).ByteSize() <= BYTES_OF_A_RECORD


async def measure(count: int) -> tuple[int, int]:
    """What a copy of so many records takes, and what is told of it, in bytes."""
    messages = whole(1, [record(number) for number in range(count)])
    gc.collect()
    tracemalloc.start()
    async with following(Tenants(messages)) as (directory, _, registry):
        messages.clear()
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
        assert directory.find(record(count - 1).phone_number_id) is not None
        told = registry.get_sample_value("tenant_directory_copy_bytes")
    assert told is not None
    return taken, int(told)


@pytest.mark.parametrize("count", [20_000])
def test_a_routing_record_is_small_in_memory_and_its_bytes_are_told(count: int) -> None:
    # In a process of its own: what other tests have left behind takes memory too.
    asked = f"import asyncio; print(*asyncio.run({measure.__name__}({count})))"
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import measure; {asked}"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    taken, told = map(int, done.stdout.splitlines()[-1].split())
    # Told is what it takes at most: what the numbers of a hotel share is taken once.
    assert taken <= told
    assert taken / count <= BYTES_OF_A_RECORD


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("whole"), st.sets(st.integers(0, 9))),
            st.tuples(st.just("change"), st.dictionaries(st.integers(0, 9), st.booleans())),
        ),
        max_size=12,
    )
)
async def test_whatever_comes_it_is_the_directory_and_counts_its_bytes(steps: list[Any]) -> None:
    registry = CollectorRegistry()
    copy = Directory(
        Tenants(),  # type: ignore[arg-type]
        clock=FakeClock(datetime(2026, 11, 26, tzinfo=UTC)),
        registry=registry,
        watches=WatchMetrics(registry),
    )
    model: dict[int, int] = {}
    for version, (kind, what) in enumerate(steps, start=1):
        if kind == "whole":
            model = dict.fromkeys(what, version)
            await copy.replace(version, [_plain(one, version) for one in what])
        else:
            copy.change(
                version,
                [
                    _plain(one, version) if there else _plain(one, 0).phone_number_id
                    for one, there in what.items()
                ],
            )
            model |= dict.fromkeys((one for one, there in what.items() if there), version)
            model = {one: had for one, had in model.items() if what.get(one, True)}
        for one in range(10):
            found = copy.find(_plain(one, 0).phone_number_id)
            assert (found and found.version) == model.get(one)
    records = [_plain(one, version) for one, version in model.items()]
    assert copy._memory == sum(one.memory() for one in records)


def _plain(number: int, version: int) -> Record:
    return Record(
        phone_number_id=f"{number}",
        whatsapp_business_account_id="2",
        tenant_id="hotel",
        state=TENANT_STATE_ACTIVE,
        display_name="Hotel",
        time_zone="UTC",
        default_language_code="es",
        language_codes=("es",),
        currency_code="EUR",
        version=version,
    )
