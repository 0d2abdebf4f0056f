"""Streams between a real server and a real client, and copies that follow them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from meshkit import deadlines, errors, streams
from meshkit.transport import Transport
from meshkit.watch import Part
from tests.integration.meshkit.watching import Numbers, NumbersCopy, in_background, watched
from tests.waiting import eventually


async def to_the_end(stream: AsyncIterator[Part[int]]) -> None:
    async with asyncio.timeout(10):
        async for _ in stream:
            pass


async def test_a_stream_outlives_every_deadline_and_is_counted_while_it_is_open() -> None:
    numbers = Numbers()
    async with watched(numbers.watch) as mesh:
        with deadlines.scope(0.03):
            stream = mesh.open(0)
            assert await anext(stream) == Part(0, 0, [])
            assert (mesh.streams("server"), mesh.streams("client")) == (1, 1)
            for _ in range(3):
                await anext(stream)
            assert (deadlines.remaining() or 0) < 0
        await stream.aclose()  # type: ignore[attr-defined]
        await eventually(lambda: mesh.streams("server") == 0)
        assert mesh.streams("client") == 0
        assert (mesh.counted("server", "CANCELLED"), mesh.counted("client", "CANCELLED")) == (1, 1)


async def test_what_a_stream_fails_with_keeps_its_kind_and_reason() -> None:
    async def fail(_version: int) -> AsyncIterator[Part[int]]:
        yield Part(1, 0)
        raise errors.Unavailable("DIRECTORY_NOT_LOADED")

    async with watched(fail) as mesh:
        stream = mesh.open(0)
        await anext(stream)
        with pytest.raises(errors.Unavailable) as caught:
            await anext(stream)
        assert caught.value.reason == "DIRECTORY_NOT_LOADED"
        assert mesh.counted("server", "UNAVAILABLE") == 1


async def test_a_drain_sends_the_readers_elsewhere_and_takes_no_new_ones() -> None:
    numbers = Numbers()
    async with watched(numbers.watch) as mesh:
        stream = mesh.open(0)
        await anext(stream)
        await mesh.server.leave()
        with pytest.raises(errors.Unavailable) as caught:
            await to_the_end(stream)
        assert caught.value.reason == "STREAM_OVER"
        with pytest.raises(errors.Unavailable):
            await anext(mesh.open(0))


async def test_a_drain_while_the_first_message_is_on_its_way_tells_the_reader() -> None:
    async def left_meanwhile(_version: int) -> AsyncIterator[Part[int]]:
        # The drain has its turn when the write has begun and cannot have ended.
        asyncio.get_running_loop().call_soon(mesh.server._streams.end)
        yield Part(1, 0, [1])
        await asyncio.Event().wait()

    async with watched(left_meanwhile) as mesh:
        with pytest.raises(errors.Unavailable) as caught:
            await to_the_end(mesh.open(0))
        assert caught.value.reason == "STREAM_OVER"


async def test_a_stream_ends_before_its_connection_does() -> None:
    numbers = Numbers()
    async with watched(numbers.watch, transport=Transport(max_age_seconds=0.3)) as mesh:
        stream = mesh.open(0)
        with pytest.raises(errors.Unavailable) as caught:
            await to_the_end(stream)
        assert caught.value.reason == "STREAM_OVER"


async def test_there_are_as_many_streams_as_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.Streams.__init__, "__kwdefaults__", {"open_at_most": 2})
    numbers = Numbers()
    async with watched(numbers.watch) as mesh:
        held = [mesh.open(0), mesh.open(0)]
        for stream in held:
            await anext(stream)
        with pytest.raises(errors.ResourceExhausted) as caught:
            await anext(mesh.open(0))
        assert caught.value.reason == "TOO_MANY_STREAMS"


async def test_a_reader_who_takes_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "WRITE_SECONDS", 0.1)
    ended = asyncio.Event()

    async def flood(_version: int) -> AsyncIterator[Part[int]]:
        try:
            while True:
                yield Part(1, 0, [1] * 5000)
        finally:
            ended.set()

    async with watched(flood) as mesh:
        stream = mesh.open(0)
        await anext(stream)
        await asyncio.wait_for(ended.wait(), 5)
        with pytest.raises(errors.Unavailable) as caught:
            await to_the_end(stream)
        assert caught.value.reason == "READER_TOO_SLOW"


async def test_a_copy_follows_and_catches_up_over_a_restart_without_a_whole_copy() -> None:
    numbers, copy = Numbers(), NumbersCopy()
    numbers.add()
    async with watched(numbers.watch) as mesh:
        follower = mesh.follower(copy)
        assert follower.stale()
        async with in_background(follower.run):
            await eventually(lambda: copy.numbers == [1])
            numbers.add()
            await eventually(lambda: copy.numbers == [1, 2])
            port = mesh.server.port
            await mesh.server.leave()
            await mesh.server.stop(1)
            for _ in range(50):
                numbers.add()
            async with watched(numbers.watch, listen=f"127.0.0.1:{port}"):
                await eventually(lambda: copy.numbers == numbers.all, 10)
                assert not follower.stale()
        assert (copy.replaced, numbers.whole_copies, follower.version) == (1, 1, 52)


async def test_a_copy_is_read_anew_over_one_stream_after_the_other() -> None:
    numbers, copy = Numbers(), NumbersCopy()
    numbers.add()
    async with watched(numbers.watch) as mesh:
        async with in_background(mesh.follower(copy, reload_seconds=0.2).run):
            await eventually(lambda: copy.numbers == [1], 20)
            copy.numbers.clear()
            await eventually(lambda: copy.numbers == [1], 20)
            assert numbers.whole_copies >= 2
            await eventually(lambda: mesh.streams("server") == mesh.streams("client") == 1, 20)
        await eventually(lambda: mesh.streams("server") == 0, 20)
        assert mesh.counted("client", "CANCELLED") == numbers.whole_copies


async def test_new_connections_under_a_follower_lose_nothing() -> None:
    numbers, copy = Numbers(), NumbersCopy()
    transport = Transport(age_grace_seconds=0.05)
    async with watched(numbers.watch) as mesh:
        mesh.channel._transport = transport
        async with in_background(mesh.follower(copy).run):
            await eventually(lambda: copy.replaced)
            await mesh.channel.renew()
            numbers.add()
            await eventually(lambda: copy.numbers == [1])
        assert copy.replaced == 1
