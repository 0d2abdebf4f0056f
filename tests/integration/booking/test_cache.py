"""The cache: right when it may be used, gone when it may not, never in the way."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import AbstractConnection

from meshkit.clock import FakeClock
from meshkit.errors import MeshError
from meshkit.postgres import Postgres
from meshkit.redis_pool import make_redis
from sandbox.cluster import EmbeddedRedisCluster
from sandbox.embedded import EmbeddedRedis
from services.booking.cache import PAUSE_SECONDS, AvailabilityCache, entry_key, version_key
from services.booking.domain import Lock, Stay
from services.booking.metrics import BookingMetrics
from services.booking.search.domain import Counters, Inventory, search
from services.booking.search.store import Asked
from services.booking.store import BookingStore
from tests.conftest import redis_binary
from tests.integration.booking.hotel import PRICE, Hotel, Sql
from tests.integration.booking.priced import sell, total
from tests.integration.booking.searching import Searches

ROOMS = {f"type-{number}": 3 for number in range(20)}


@pytest.fixture
def clock() -> FakeClock:
    """Time for the pause after a failure."""
    return FakeClock(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))


@pytest.fixture(scope="session")
def redis_cluster(server_folder: Path) -> Iterator[EmbeddedRedisCluster]:
    """A Redis Cluster of three nodes, started once for all tests that ask for it."""
    cluster = EmbeddedRedisCluster(server_folder / "cluster", redis_binary=redis_binary())
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def redis_alone(server_folder: Path) -> Iterator[EmbeddedRedis]:
    """A Redis that nobody else asks: what it has carried out is counted here."""
    server = EmbeddedRedis(server_folder / "alone", redis_binary=redis_binary())
    server.start()
    yield server
    server.stop()


@dataclass(frozen=True)
class Servers:
    """What a test runs on: one Redis, or a cluster."""

    client: Redis
    empty: Callable[[], Awaitable[object]]
    admin_urls: Sequence[str]

    async def commands(self) -> dict[str, int]:
        """How many of which commands all of them have carried out."""
        calls = {"mget": 0, "set": 0}
        for url in self.admin_urls:
            async with Redis.from_url(url) as admin:
                stats = await admin.info("commandstats")
            for name in calls:
                calls[name] += stats.get(f"cmdstat_{name}", {}).get("calls", 0)
        return calls


@pytest.fixture(params=["one", "cluster"])
async def servers(request: pytest.FixtureRequest) -> AsyncIterator[Servers]:
    """Empty servers, as the mesh reaches them."""
    if request.param == "one":
        server: EmbeddedRedis = request.getfixturevalue("redis_alone")
        client = make_redis(server.url)
        admin = Redis.from_url(server.admin_url)
        urls = [server.admin_url]
    else:
        cluster: EmbeddedRedisCluster = request.getfixturevalue("redis_cluster")
        # The commands are the same; where they go is the client's business.
        client, admin = (
            # Redis 6.2 does not know the words by which the library introduces itself.
            cast(Redis, RedisCluster.from_url(url, driver_info=None))
            for url in (cluster.url, cluster.admin_url)
        )
        urls = [node.admin_url for node in cluster.nodes]
    await admin.flushall()
    yield Servers(client, admin.flushall, urls)
    await client.aclose()
    await admin.aclose()


@pytest.fixture
def redis(servers: Servers) -> Redis:
    """The client of the mesh."""
    return servers.client


@pytest.fixture
def make_cache(
    searches: Searches, clock: FakeClock, metrics: BookingMetrics
) -> Callable[[Redis], AvailabilityCache]:
    """A cache of the store on a Redis."""

    def make(redis: Redis) -> AvailabilityCache:
        return AvailabilityCache(
            redis, searches.counters, searches.book, seconds=60, clock=clock, metrics=metrics
        )

    return make


@pytest.fixture
def cache(make_cache: Callable[[Redis], AvailabilityCache], redis: Redis) -> AvailabilityCache:
    """The cache under test."""
    return make_cache(redis)


PARTS = ("meshkit", "services", "gateway")


def count(metrics: BookingMetrics, outcome: str) -> float:
    """How often the cache was used with this outcome."""
    return float(metrics.cache.labels(outcome)._value.get())


def free(inventory: Inventory, hotel: Hotel, stay: Stay) -> dict[str, int]:
    """Free rooms by type."""
    found = search(inventory, stay, hotel.request().guests)
    return {one.room_type.room_type_id: one.free_count for one in found.offers}


async def read(cache: AvailabilityCache, tenant_id: str, stay: Stay) -> tuple[Inventory, bool]:
    """A reading, and what comes after its answer."""
    found = await cache.inventory(tenant_id, stay)
    await cache.written()
    return found


async def test_the_second_reading_is_the_first(cache: AvailabilityCache, hotel: Hotel) -> None:
    live, was_cached = await read(cache, hotel.tenant_id, hotel.stay())
    assert not was_cached
    again, was_cached = await read(cache, hotel.tenant_id, hotel.stay())
    assert was_cached
    assert again == replace(live, counters=replace(live.counters, first_expiry=None))


async def test_what_was_read_near_pins_is_kept_whole(
    cache: AvailabilityCache, store: BookingStore, hotel: Hotel
) -> None:
    for first, room_id in ((10, "single-1"), (10, "single-2"), (11, "single-3")):
        asked = replace(hotel.request("single", hotel.stay(first, 1)), room_id=room_id)
        (lock,) = await store.acquire([asked])
        assert isinstance(lock, Lock)
    live, _ = await read(cache, hotel.tenant_id, hotel.stay())
    again, was_cached = await read(cache, hotel.tenant_id, hotel.stay())
    assert was_cached
    assert again == replace(live, counters=replace(live.counters, first_expiry=None))
    assert list(again.counters.seats) == ["single"]
    assert free(again, hotel, hotel.stay())["single"] == 0


async def test_what_was_read_before_a_grant_is_not_believed(
    cache: AvailabilityCache, store: BookingStore, hotel: Hotel, metrics: BookingMetrics
) -> None:
    await read(cache, hotel.tenant_id, hotel.stay())
    await store.acquire([hotel.request()])
    await cache.outdate([hotel.tenant_id])
    inventory, was_cached = await read(cache, hotel.tenant_id, hotel.stay())
    assert not was_cached
    assert free(inventory, hotel, hotel.stay())["suite"] == 0
    assert count(metrics, "stale") == 1


async def test_what_was_read_before_a_grant_and_written_after_it(
    cache: AvailabilityCache,
    redis: Redis,
    store: BookingStore,
    searches: Searches,
    hotel: Hotel,
    clock: FakeClock,
    metrics: BookingMetrics,
) -> None:
    """The reader is slow: between its reading and its writing a lock is granted elsewhere."""

    async def slow_load(asked: Sequence[Asked]) -> list[Counters | MeshError]:
        counters = await searches.counters(asked)
        await store.acquire([hotel.request()])
        await cache.outdate([hotel.tenant_id])
        return counters

    slow = AvailabilityCache(
        redis, slow_load, searches.book, seconds=60, clock=clock, metrics=metrics
    )
    await slow.inventory(hotel.tenant_id, hotel.stay())
    await slow.written()
    inventory, was_cached = await read(cache, hotel.tenant_id, hotel.stay())
    assert not was_cached
    assert free(inventory, hotel, hotel.stay())["suite"] == 0


async def test_an_entry_ends_with_the_first_live_lock(
    cache: AvailabilityCache, store: BookingStore, hotel: Hotel, sql: Sql, redis: Redis
) -> None:
    (lock,) = await store.acquire([hotel.request()])
    assert isinstance(lock, Lock)
    await sql.execute("UPDATE room_lock SET expire_time = clock_timestamp() + interval '9 s'")
    await read(cache, hotel.tenant_id, hotel.stay())
    left = await redis.pttl(entry_key(hotel.tenant_id, hotel.stay()))
    assert 0 < left <= 9000
    await read(cache, hotel.tenant_id, hotel.stay(30))
    left = await redis.pttl(entry_key(hotel.tenant_id, hotel.stay(30)))
    assert left > 9000


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (b"", "garbage"),
        (b"\xff\x00garbage", "garbage"),
        (b"null", "garbage"),
        (b"[]", "garbage"),
        (b"{}", "garbage"),
        (b'{"tenant": "mirador", "version": "", "counters": {"version": 1}}', "garbage"),
        (b'{"tenant": "mirador", "version": "", "counters": [1]}', "garbage"),
        (b'{"tenant": "luna", "version": "", "counters": {}}', "foreign"),
        (b'{"tenant": "mirador", "version": "old", "counters": {}}', "stale"),
    ],
)
async def test_what_cannot_be_believed_is_read_from_the_database(
    cache: AvailabilityCache,
    redis: Redis,
    hotel: Hotel,
    metrics: BookingMetrics,
    value: bytes,
    outcome: str,
) -> None:
    await redis.set(entry_key(hotel.tenant_id, hotel.stay()), value)
    inventory, was_cached = await read(cache, hotel.tenant_id, hotel.stay())
    assert not was_cached
    assert free(inventory, hotel, hotel.stay())["suite"] == 1
    assert count(metrics, outcome) == 1
    _, was_cached = await read(cache, hotel.tenant_id, hotel.stay())
    assert was_cached


async def test_another_hotels_value_under_our_key(
    cache: AvailabilityCache, redis: Redis, hotel: Hotel, sql: Sql, metrics: BookingMetrics
) -> None:
    other = await Hotel.create(sql, "luna", {"suite": 7})
    await read(cache, other.tenant_id, hotel.stay())
    theirs = await redis.get(entry_key(other.tenant_id, hotel.stay()))
    assert orjson.loads(theirs or b"")["tenant"] == "luna"
    await redis.set(entry_key(hotel.tenant_id, hotel.stay()), theirs or b"")
    inventory, _ = await read(cache, hotel.tenant_id, hotel.stay())
    assert free(inventory, hotel, hotel.stay())["suite"] == 1
    assert count(metrics, "foreign") == 1


async def test_an_evicted_version_makes_nothing_believable(
    cache: AvailabilityCache, redis: Redis, hotel: Hotel
) -> None:
    await cache.outdate([hotel.tenant_id])
    await read(cache, hotel.tenant_id, hotel.stay())
    await redis.delete(version_key(hotel.tenant_id))
    _, was_cached = await read(cache, hotel.tenant_id, hotel.stay())
    assert not was_cached


async def test_redis_emptied_mid_way(
    cache: AvailabilityCache, servers: Servers, hotel: Hotel, store: BookingStore
) -> None:
    await read(cache, hotel.tenant_id, hotel.stay())
    await servers.empty()
    await store.acquire([hotel.request()])
    await cache.outdate([hotel.tenant_id])
    inventory, was_cached = await read(cache, hotel.tenant_id, hotel.stay())
    assert not was_cached
    assert free(inventory, hotel, hotel.stay())["suite"] == 0


async def test_redis_stopped_and_back(
    own_redis: EmbeddedRedis,
    make_cache: Callable[[Redis], AvailabilityCache],
    store: BookingStore,
    hotel: Hotel,
    clock: FakeClock,
    metrics: BookingMetrics,
) -> None:
    """Searches are answered, locks are granted, and only the metric tells."""
    redis = make_redis(own_redis.url)
    cache = make_cache(redis)
    await read(cache, hotel.tenant_id, hotel.stay())
    own_redis.kill()
    for _ in range(3):
        inventory, was_cached = await read(cache, hotel.tenant_id, hotel.stay())
        assert not was_cached
    assert free(inventory, hotel, hotel.stay())["suite"] == 1
    await store.acquire([hotel.request()])
    await cache.outdate([hotel.tenant_id])
    assert count(metrics, "away") == 4
    own_redis.start()
    clock.advance(PAUSE_SECONDS + 0.1)
    for expected in (False, True):
        inventory, was_cached = await read(cache, hotel.tenant_id, hotel.stay())
        assert was_cached is expected
        assert free(inventory, hotel, hotel.stay())["suite"] == 0
    await redis.aclose(close_connection_pool=True)


async def test_many_hotels_are_outdated_at_once_wherever_their_slots_are(
    cache: AvailabilityCache, redis: Redis
) -> None:
    hotels = [f"hotel-{number}" for number in range(20)]
    await cache.outdate(hotels)
    assert all([await redis.get(version_key(one)) for one in hotels])


async def test_a_million_keys_of_others_change_nothing_that_is_asked_of_redis(
    own_redis: EmbeddedRedis,
    make_cache: Callable[[Redis], AvailabilityCache],
    store: BookingStore,
    hotel: Hotel,
) -> None:
    """Every command is in the SLOWLOG here; none of them looks at other keys than its own."""
    redis = make_redis(own_redis.url)
    cache = make_cache(redis)
    async with Redis.from_url(own_redis.admin_url) as admin:

        async def asked() -> list[list[bytes]]:
            await admin.config_set("slowlog-log-slower-than", 0)
            await admin.slowlog_reset()
            for _ in range(2):
                await cache.outdate([hotel.tenant_id])
                await read(cache, hotel.tenant_id, hotel.stay())
                await read(cache, hotel.tenant_id, hotel.stay())
            await admin.config_set("slowlog-log-slower-than", -1)
            entries = [one["command"].split() for one in await admin.slowlog_get(100)]
            return [one for one in entries if b"booking:" in b" ".join(one)]

        alone = await asked()
        # Redis answers nobody meanwhile, so in parts shorter than the time-out of its client.
        for part in range(20):
            populate = ("DEBUG POPULATE", 50_000, f"other-{part}")
            await admin.execute_command(*populate)  # type: ignore[no-untyped-call]
        assert await admin.dbsize() > 1_000_000
        crowded = await asked()
    await redis.aclose(close_connection_pool=True)
    assert [one[:2] for one in crowded] == [one[:2] for one in alone]
    assert {one[0].upper() for one in crowded} == {b"SET", b"MGET"}
    assert len(crowded) == 8


def test_no_command_of_ours_looks_through_all_keys() -> None:
    """The server forbids them; here nobody even writes them down."""
    root = Path(__file__).parents[3]
    forbidden = re.compile(r"""\bscan_iter\b|redis\.(scan|keys)\(|["'](SCAN|KEYS)\b""")
    sources = [one for part in PARTS for one in (root / part).rglob("*.py")]
    assert len(sources) > 100
    assert [str(one) for one in sources if forbidden.search(one.read_text())] == []


async def test_keys_of_a_hotel_share_a_slot(hotel: Hotel) -> None:
    """One MGET reads both, also on a cluster: what is hashed is the part in braces."""
    assert version_key("h") == "booking:{h}:version"
    assert entry_key("h", hotel.stay()).startswith("booking:{h}:")


@pytest.fixture
def asked_at_once(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many stays' keys each message to a server asked for; who sends two has waited twice."""
    sent: list[int] = []
    send = AbstractConnection.send_packed_command

    async def counted(connection: Any, command: Any, *others: Any, **options: Any) -> None:
        packed = command if isinstance(command, bytes) else b"".join(command)
        if reads := packed.upper().count(b"MGET"):
            sent.append(reads)
        await send(connection, command, *others, **options)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    return sent


async def test_a_batch_is_two_statements_and_one_round_trip_whatever_its_size(
    cache: AvailabilityCache,
    store: BookingStore,
    searches: Searches,
    hotel: Hotel,
    sql: Sql,
    servers: Servers,
    asked_at_once: list[int],
) -> None:
    hotels = [hotel, await Hotel.create(sql, "luna", {"suite": 1, **ROOMS})]
    await store.acquire([hotel.request("suite")])
    asked = [(one.tenant_id, one.stay(day)) for one in hotels for day in range(10, 20)]
    postgres = store._postgres
    for expected in ((2, False), (1, True)):  # The hotel that is not there is not kept.
        statements, before = postgres.statements, await servers.commands()
        asked_at_once.clear()
        found = await cache.inventories([*asked, ("nobody", hotel.stay())])
        assert (postgres.statements - statements, found[0][1]) == expected
        after = await servers.commands()
        # One for each hotel, and one message to each server.
        assert after["mget"] - before["mget"] == sum(asked_at_once) == 3
        assert len(asked_at_once) <= len(servers.admin_urls)
        await cache.written()
        written = (await servers.commands())["set"] - before["set"]
        assert written == (0 if expected[1] else len(asked))
    for (inventory, _), (tenant_id, stay) in zip(found, asked, strict=False):
        assert isinstance(inventory, Inventory)
        taken = tenant_id == hotel.tenant_id and stay.check_in < hotel.stay().check_out
        assert free(inventory, hotel, stay)["suite"] == (0 if taken else 1)
    assert isinstance(found[-1][0], MeshError)


async def test_new_prices_are_not_shown_under_old_counters(
    cache: AvailabilityCache, postgres: Postgres, hotel: Hotel
) -> None:
    """An entry names the inventory that it is of; what is kept in the process is never older."""
    await read(cache, hotel.tenant_id, hotel.stay())
    await sell(postgres, hotel, price=PRICE + 1)
    await cache.outdate([hotel.tenant_id])
    for expected in (False, True):
        inventory, was_cached = await read(cache, hotel.tenant_id, hotel.stay())
        assert was_cached is expected
        found = search(inventory, hotel.stay(), hotel.request().guests)
        assert {one.quote.total_price for one in found.offers} == {total(2, 2, PRICE + 1)}
