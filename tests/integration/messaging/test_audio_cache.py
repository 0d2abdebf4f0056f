"""The audio cache on a real Redis: its bound, its order, its ends, and how it is listed."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from conserje.messaging.v1 import media_service_pb2 as pb
from conserje.messaging.v1.media_service_pb2_grpc import MediaServiceStub
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.crc import key_slot
from structlog.testing import capture_logs

from meshkit.clock import SystemClock
from meshkit.errors import Unavailable
from meshkit.redis_pool import make_redis
from services.messaging.media import audio_cache
from services.messaging.media.audio_cache import (
    Audio,
    AudioCache,
    AudioCacheMetrics,
    Kind,
    Source,
    entry_key,
    index_keys,
)
from tests.conftest import RedisServer
from tests.integration.cli.conftest import Conserje
from tests.integration.cli.conftest import conserje as conserje
from tests.integration.messaging.mesh import TENANT, Mesh
from tests.waiting import eventually

OTHER = "hotel-other"
BOUND = 10_000
ROUNDS = 5


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """An empty Redis, as the user the mesh gets, and however long it takes."""
    async with Redis.from_url(redis_url) as client:
        yield client


def replica(
    redis: Redis,
    *,
    seconds: float = 600,
    most_bytes: int = BOUND,
    registry: CollectorRegistry | None = None,
) -> AudioCache:
    """The cache as one process has it."""
    metrics = AudioCacheMetrics(registry or CollectorRegistry())
    return AudioCache(
        redis, seconds=seconds, most_bytes=most_bytes, clock=SystemClock(), metrics=metrics
    )


def said(name: object) -> Source:
    return Source(Kind.TRANSCRIPT, str(name))


def text(size: int) -> Audio:
    return Audio(b"x" * size, "text/plain")


async def fill(cache: AudioCache, count: int, *, size: int = 10, tenant: str = TENANT) -> None:
    """So many entries, numbered from 0; no more at once than there are connections."""
    for start in range(0, count, 16):
        some = range(start, min(start + 16, count))
        stored = await asyncio.gather(*(cache.put(tenant, said(at), text(size)) for at in some))
        assert all(stored)


async def listed(cache: AudioCache, tenant: str = TENANT, size: int = 1000) -> list[str]:
    """The ids of all entries, page by page."""
    ids: list[str] = []
    place, more = "", True
    while more:
        page = await cache.page(tenant, place, size)
        ids += [entry.entry_id for entry in page.entries]
        place, more = page.place, page.truncated
    return ids


async def kept(redis: Redis, tenant: str = TENANT) -> int:
    """How many bytes the index says there are, when all its parts agree with the entries."""
    used, rows, due, size = index_keys(tenant)
    keys: list[Any] = await redis.hkeys(rows)
    ids = [one.decode() for one in keys]
    assert await redis.zcard(used) == await redis.zcard(due) == len(ids)
    there = [await redis.hstrlen(entry_key(tenant, one), "content") for one in ids]
    assert all(there)
    assert sum(there) == int(await redis.get(size) or 0)
    return sum(there)


def stub(mesh: Mesh) -> Any:
    channel = grpc.aio.insecure_channel(mesh.target)
    mesh.channels.append(channel)
    return MediaServiceStub(channel)


async def test_what_was_put_in_is_found_by_its_own_hotel(redis: Redis) -> None:
    registry = CollectorRegistry()
    cache = replica(redis, registry=registry)
    speech = Source(Kind.SPEECH, "hash-of-text")
    assert await cache.get(TENANT, speech) is None
    assert await cache.put(TENANT, speech, Audio(b"\x00ogg\xff", "audio/ogg"))
    assert await replica(redis).get(TENANT, speech) == Audio(b"\x00ogg\xff", "audio/ogg")
    assert await cache.get(TENANT, speech) is not None
    assert await cache.get(OTHER, speech) is None
    assert await cache.get(TENANT, Source(Kind.TRANSCRIPT, "hash-of-text")) is None
    assert await listed(cache, OTHER) == []
    asked = "audio_cache_asks_total"
    assert registry.get_sample_value(asked, {"kind": "speech", "outcome": "hit"}) == 1
    assert registry.get_sample_value(asked, {"kind": "speech", "outcome": "miss"}) == 2
    assert registry.get_sample_value("audio_cache_entries") == 1
    assert registry.get_sample_value("audio_cache_bytes") == 5


async def test_the_bound_is_kept_while_it_is_filled(redis: Redis) -> None:
    registry = CollectorRegistry()
    cache = replica(redis, registry=registry)
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for at in range(150):
        assert await cache.put(TENANT, said(at), text(chance.randint(1, 1500)))
        assert 0 < await kept(redis) <= BOUND
        assert await cache.get(TENANT, said(at)) is not None
    assert (registry.get_sample_value("audio_cache_evictions_total", {"reason": "room"}) or 0) > 50
    assert await kept(redis) == registry.get_sample_value("audio_cache_bytes")


async def test_what_was_used_longest_ago_goes_first(redis: Redis) -> None:
    cache = replica(redis, most_bytes=30)
    await cache.put(TENANT, said("first"), text(10))
    await cache.put(TENANT, said("second"), text(10))
    await cache.put(TENANT, said("third"), text(10))
    assert await cache.get(TENANT, said("first")) is not None
    await cache.put(TENANT, said("fourth"), text(11))
    assert await cache.get(TENANT, said("second")) is None
    assert await cache.get(TENANT, said("third")) is None
    assert await cache.get(TENANT, said("first")) is not None
    assert await cache.get(TENANT, said("fourth")) is not None


async def test_one_large_entry_takes_the_room_of_many(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = replica(redis)
    await fill(cache, 100)
    assert await cache.put(TENANT, said("large"), text(BOUND))
    assert await listed(cache) == [said("large").entry_id]
    assert not await cache.put(TENANT, said("larger"), text(BOUND + 1))
    assert await listed(cache) == [said("large").entry_id]
    monkeypatch.setattr(audio_cache, "MOST_ENTRIES", 5)
    await fill(cache, 20)
    assert len(await listed(cache)) == 5


async def test_any_order_of_uses_is_that_of_a_small_model(redis: Redis) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    replicas = [replica(redis, most_bytes=100), replica(redis, most_bytes=100)]
    model: OrderedDict[str, int] = OrderedDict()
    for _ in range(500):
        cache, name = chance.choice(replicas), str(chance.randrange(25))
        todo = chance.choices(("put", "get", "lose", "purge"), (10, 8, 1, 0.1))[0]
        if todo == "put":
            size = chance.randint(1, 60)
            model.pop(name, None)
            while sum(model.values()) + size > 100:
                model.popitem(last=False)
            model[name] = size
            assert await cache.put(TENANT, said(name), text(size))
        elif todo == "get":
            found = await cache.get(TENANT, said(name))
            assert (len(found.content) if found else None) == model.get(name)
            if found:
                model.move_to_end(name)
        elif todo == "lose":
            # As Redis does when its memory is full. A list looks for it and takes it out.
            await redis.unlink(entry_key(TENANT, said(name).entry_id))
            model.pop(name, None)
        else:
            assert (await cache.purge(TENANT)).count == len(model)
            model.clear()
        assert sorted(await listed(cache, size=3)) == sorted(said(one).entry_id for one in model)
        assert await kept(redis) == sum(model.values())


async def test_two_replicas_fill_it_at_once_and_the_bound_holds(
    redis: Redis, redis_url: str
) -> None:
    other = Redis.from_url(redis_url)
    replicas = [replica(redis), replica(other)]
    sizes: list[int] = []

    async def put_some(cache: AudioCache, start: int) -> None:
        for at in range(60):
            await cache.put(TENANT, said(start + at), text(700))
            sizes.append(int(await redis.get(index_keys(TENANT)[3]) or 0))

    await asyncio.gather(*(put_some(one, 40 * at) for at, one in enumerate(replicas * 4)))
    await other.aclose(close_connection_pool=True)
    assert max(sizes) <= BOUND
    assert await kept(redis) == 14 * 700


async def test_what_has_ended_takes_metadata_and_index_along(redis: Redis) -> None:
    registries = [CollectorRegistry(), CollectorRegistry()]
    short = replica(redis, seconds=0.1, registry=registries[0])
    lasting = replica(redis, registry=registries[1])
    await lasting.put(TENANT, said("lasting"), text(7))
    for at in range(5):
        await short.put(TENANT, said(at), text(3))
    keys = [entry_key(TENANT, said(at).entry_id) for at in range(5)]

    async def ended() -> bool:
        return await redis.exists(*keys) == 0

    await eventually(ended)
    page = await lasting.page(TENANT, "", 10)
    assert [entry.entry_id for entry in page.entries] == [said("lasting").entry_id]
    assert (page.total, page.truncated) == (1, False)
    assert await lasting.get(TENANT, said("lasting")) is not None
    assert await kept(redis) == 7
    labels = {"reason": "ended"}
    ends = [one.get_sample_value("audio_cache_evictions_total", labels) for one in registries]
    assert sum(one or 0 for one in ends) == 5


async def test_nothing_is_left_of_a_hotel_whose_entries_ended(redis: Redis) -> None:
    cache = replica(redis, seconds=0.1)
    await fill(cache, 5)

    async def gone() -> bool:
        everything = [entry_key(TENANT, said(at).entry_id) for at in range(5)]
        return await redis.exists(*index_keys(TENANT), *everything) == 0

    await eventually(gone)


async def test_an_index_that_is_not_whole_is_begun_anew(redis: Redis) -> None:
    for part in index_keys(TENANT):
        cache = replica(redis)
        await fill(cache, 20, size=400)
        await redis.unlink(part)
        assert await cache.get(TENANT, said(3)) is None
        await fill(cache, 30, size=400)
        assert await kept(redis) == 25 * 400
        await cache.purge(TENANT)


async def test_without_redis_all_is_a_miss_and_counted() -> None:
    registry = CollectorRegistry()
    nowhere = make_redis("redis://127.0.0.1:1/0")
    cache = replica(nowhere, registry=registry)
    assert await cache.get(TENANT, said(1)) is None
    assert not await cache.put(TENANT, said(1), text(1))
    labels = {"kind": "transcript", "outcome": "away"}
    assert registry.get_sample_value("audio_cache_asks_total", labels) == 1
    assert registry.get_sample_value("audio_cache_puts_total", labels) == 1
    with pytest.raises(Unavailable):
        await cache.page(TENANT, "", 10)
    with pytest.raises(Unavailable):
        await cache.purge(TENANT)
    await nowhere.aclose(close_connection_pool=True)


async def test_a_page_says_honestly_whether_anything_follows(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = replica(redis)
    await fill(cache, 12)
    page = await cache.page(TENANT, "", 12)
    assert (len(page.entries), page.total, page.truncated, page.place) == (12, 12, False, "")
    page = await cache.page(TENANT, "", 11)
    assert (len(page.entries), page.total, page.truncated) == (11, 12, True)
    monkeypatch.setattr(audio_cache, "STEP", 1)
    monkeypatch.setattr(audio_cache, "MOST_STEPS", 5)
    order = await listed(cache, size=4)
    assert len(order) == len(set(order)) == 12
    for lost in order[:11]:
        await redis.unlink(entry_key(TENANT, lost))
    page = await cache.page(TENANT, "", 12)
    assert (page.entries, page.steps, page.truncated) == ([], 5, True)
    assert await listed(cache) == order[11:]
    assert (await cache.page(TENANT, "", 12)).total == 1


async def test_a_purge_is_done_in_bounded_steps_and_is_the_hotels_own(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = replica(redis)
    await fill(cache, 5)
    await fill(cache, 3, tenant=OTHER)
    monkeypatch.setattr(audio_cache, "STEP", 2)
    monkeypatch.setattr(audio_cache, "MOST_STEPS", 2)
    first, second, third = [await cache.purge(TENANT) for _ in range(3)]
    assert (first.count, first.steps, first.more) == (4, 2, True)
    assert (second.count, second.more) == (1, False)
    assert (third.count, third.more) == (0, False)
    assert await kept(redis) == 0
    assert len(await listed(cache, OTHER)) == 3


def test_a_hotels_keys_are_in_one_slot() -> None:
    keys = [*index_keys(TENANT), entry_key(TENANT, said(1).entry_id)]
    assert len({key_slot(key.encode()) for key in keys}) == 1
    assert key_slot(index_keys(OTHER)[0].encode()) != key_slot(keys[0].encode())


async def test_ten_thousand_entries_are_listed_page_by_page_and_redis_is_never_slow(
    mesh: Mesh, redis: Redis, redis_server: RedisServer
) -> None:
    await mesh.start("serve")
    await fill(replica(redis, most_bytes=1 << 20), 10_000)
    await fill(replica(redis), 3, tenant=OTHER)
    async with Redis.from_url(redis_server.admin_url) as admin:
        usual = await admin.config_get("slowlog-log-slower-than")
        await admin.config_set("slowlog-log-slower-than", 1000)
        slow = await _slow_commands(mesh, admin)
        for _ in range(ROUNDS):
            # Redis counts the time that others had its processor. What is slow by itself, for
            # there are many keys, is so each time.
            slow = slow and slow & await _slow_commands(mesh, admin)
        await admin.config_set("slowlog-log-slower-than", str(usual["slowlog-log-slower-than"]))
    assert not slow


async def _slow_commands(mesh: Mesh, admin: Redis) -> set[bytes]:
    """What took Redis more than a millisecond while all was listed."""
    await admin.slowlog_reset()
    await _list_all(mesh)
    return {one["command"] for one in await admin.slowlog_get(128)}


async def _list_all(mesh: Mesh) -> None:
    request = pb.ListAudioCacheEntriesRequest(tenant_id=TENANT)
    ids: list[str] = []
    pages = 0
    with capture_logs() as logs:
        while True:
            page = await stub(mesh).ListAudioCacheEntries(request)
            pages += 1
            assert page.total_count == 10_000
            assert len(page.entries) <= 1000
            assert page.step_count <= 11
            assert page.truncated == bool(page.next_page_token)
            ids += [entry.entry_id for entry in page.entries]
            if not page.truncated:
                break
            request.page_token = page.next_page_token
    assert pages == 10
    assert sorted(ids) == sorted(said(at).entry_id for at in range(10_000))
    told = [one for one in logs if one["event"] == "audio cache listed"]
    assert len(told) == pages
    assert told[0] == {
        **{"event": "audio cache listed", "log_level": "info", "tenant_id": TENANT},
        **{"entries": 1000, "total": 10_000, "steps": 11, "truncated": True},
    }


async def test_a_token_of_another_list_is_refused_and_redis_away_is_told(mesh: Mesh) -> None:
    await mesh.start("serve")
    request = pb.ListAudioCacheEntriesRequest(tenant_id=TENANT, page_token="WyJ4Il0=")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub(mesh).ListAudioCacheEntries(request)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    await mesh.stop()
    await mesh.start("serve", redis_url="redis://127.0.0.1:1/0")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub(mesh).ListAudioCacheEntries(pb.ListAudioCacheEntriesRequest(tenant_id=TENANT))
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_the_command_lists_and_purges(mesh: Mesh, redis: Redis, conserje: Conserje) -> None:
    await mesh.start("serve")
    cache = replica(redis)
    await cache.put(TENANT, said(1), text(12))
    await cache.put(OTHER, said(2), text(12))
    at = ("--target", mesh.target)
    shown = await conserje("audio-cache", "list", TENANT, *at)
    assert shown.code == 0, shown
    assert f"{said(1).entry_id}  transcript  text/plain  12 bytes" in shown.out
    assert "1 in all" in shown.out
    assert said(2).entry_id not in shown.out
    assert "forgotten: 1" in (await conserje("audio-cache", "purge", TENANT, *at)).out
    assert "0 in all" in (await conserje("audio-cache", "list", TENANT, *at)).out
