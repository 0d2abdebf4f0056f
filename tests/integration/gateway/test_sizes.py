"""Bodies of every size, and those that never end."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest
from conserje.messaging.v1.event_pb2 import UNREADABLE_REASON_BODY

from gateway import webhook
from gateway.webhook import MAX_BODY, PATH
from tests import bodies
from tests.integration.gateway.conftest import SECRET, Gateway


def sized(length: int) -> bytes:
    """A text message whose body has exactly so many bytes."""
    content = json.loads(bodies.body("text").data)
    message = content["entry"][0]["changes"][0]["value"]["messages"][0]
    message["text"]["body"] = ""
    message["text"]["body"] = "x" * (length - len(json.dumps(content)))
    data = json.dumps(content).encode()
    assert len(data) == length
    return data


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    """Sent without a Content-Length."""
    for start in range(0, len(data), 65536):
        yield data[start : start + 65536]


@pytest.mark.parametrize("length", [1000, 1_048_577, 3_000_000, MAX_BODY])
@pytest.mark.parametrize("chunked", [False, True])
async def test_up_to_three_mib_are_taken(gateway: Gateway, length: int, chunked: bool) -> None:
    data = sized(length)
    sent = chunks(data) if chunked else data
    status, _, _ = await gateway.post(sent, bodies.sign(data, SECRET))
    assert status == 200
    (event,) = gateway.messaging.events
    assert len(event.message.text.body) > length - 1000


@pytest.mark.parametrize("length", [MAX_BODY + 1, 3_200_000])
@pytest.mark.parametrize("chunked", [False, True])
async def test_more_is_refused(gateway: Gateway, length: int, chunked: bool) -> None:
    data = sized(length)
    sent = chunks(data) if chunked else data
    status, _, problem = await gateway.post(sent, bodies.sign(data, SECRET))
    assert status == 413
    assert str(MAX_BODY) in problem["detail"]
    assert gateway.messaging.arrived == 0
    assert gateway.count("gateway_webhooks_total", outcome="too_large") == 1
    assert await gateway.post_signed(bodies.body("text").data) == 200


async def test_nothing_is_unpacked_for_anybody(gateway: Gateway) -> None:
    """Three MB may hold three GB, and the signature is of the bytes that came."""
    packed = gzip.compress(bytes(MAX_BODY + 1))
    encoding = {"Content-Encoding": "gzip"}
    assert (await gateway.post(packed, "sha256=no", **encoding))[0] == 401
    assert gateway.messaging.arrived == 0
    status, _, _ = await gateway.post(packed, bodies.sign(packed, SECRET), **encoding)
    assert status == 200
    (event,) = gateway.messaging.events
    assert event.unreadable.reason == UNREADABLE_REASON_BODY


async def send(gateway: Gateway, head: str, data: bytes, *, close: bool) -> bytes:
    """Raw bytes over a connection of its own, and what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.kit.ports["http"])
    writer.write(head.encode() + data)
    await writer.drain()
    if close:
        writer.close()
        await writer.wait_closed()
        return b""
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return answer


HEAD = f"POST {PATH} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"


async def test_a_body_that_ends_early(gateway: Gateway) -> None:
    await send(gateway, HEAD + "Content-Length: 100\r\n\r\n", b"{", close=True)
    await gateway.kit.drain()
    assert gateway.count("gateway_webhooks_total", outcome="not_received") == 1
    assert gateway.messaging.arrived == 0


async def test_chunks_that_are_none(gateway: Gateway) -> None:
    head = HEAD + "Transfer-Encoding: chunked\r\n\r\n"
    answer = await send(gateway, head, b"zz\r\n{}\r\n0\r\n\r\n", close=False)
    assert b" 400 " in answer.splitlines()[0]


async def test_a_body_that_takes_too_long(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "BODY_SECONDS", 0.05)
    answer = await send(gateway, HEAD + "Content-Length: 100\r\n\r\n", b"{", close=False)
    assert b" 400 " in answer.splitlines()[0]
    assert b"application/problem+json" in answer


async def test_a_body_announced_too_large_is_not_waited_for(gateway: Gateway) -> None:
    answer = await send(gateway, HEAD + f"Content-Length: {MAX_BODY + 1}\r\n\r\n", b"", close=False)
    assert b" 413 " in answer.splitlines()[0]
