"""A fake Graph API in this process, and a gateway that takes what it posts."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sandbox.graph.app import serving
from sandbox.graph.client import GraphControl
from sandbox.graph.settings import GraphSettings, Number

MIRADOR = Number("100000000000001", "200000000000001", "+34 910 000 001")
LUNA = Number("100000000000002", "200000000000002", "+52 55 0000 0002")
SETTINGS = GraphSettings(
    numbers=(MIRADOR, LUNA),
    status_delays={"sent": 0.0, "delivered": 0.01, "read": 0.02},
    first_retry=0.01,
    last_retry=0.05,
)


class Gateway:
    """Takes webhooks, checks their signature, and answers as the test wants."""

    def __init__(self) -> None:
        self.answer = 200
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        self.refused = 0
        self._news = asyncio.Condition()

    async def take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        digest = hmac.new(SETTINGS.app_secret.encode(), raw, hashlib.sha256).hexdigest()
        assert request.headers["X-Hub-Signature-256"] == f"sha256={digest}"
        async with self._news:
            if self.answer == 200:
                self.bodies.append(json.loads(raw))
            else:
                self.refused += 1
            self._news.notify_all()
        return web.Response(status=self.answer)

    def items(self, kind: str) -> list[dict[str, Any]]:
        """Every message or status received so far, in order."""
        return [
            item
            for body in self.bodies
            for entry in body["entry"]
            for change in entry["changes"]
            for item in change["value"].get(kind, [])
        ]

    async def receives(self, kind: str, count: int) -> list[dict[str, Any]]:
        """Waits for that many messages or statuses."""
        await self.until(lambda: len(self.items(kind)) >= count)
        return self.items(kind)

    async def until(self, holds: Any) -> None:
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(holds), 10)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    taker = Gateway()
    application = web.Application(client_max_size=4 * 1024 * 1024)
    application.router.add_post("/webhook", taker.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    taker.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhook"
    yield taker
    await runner.cleanup()


@pytest.fixture
async def graph(gateway: Gateway) -> AsyncIterator[GraphControl]:
    async with serving(SETTINGS) as address, GraphControl(address) as control:
        await control.settings(webhook_url=gateway.url)
        yield control


class Sender:
    """What messaging is to the Graph API."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self.address = address
        self.session = session
        self.headers = {"Authorization": f"Bearer {SETTINGS.access_token}"}

    async def send(
        self, body: dict[str, Any], number: str = MIRADOR.phone_number_id
    ) -> tuple[int, dict[str, Any]]:
        url = f"{self.address}/v26.0/{number}/messages"
        async with self.session.post(url, json=body, headers=self.headers) as response:
            return response.status, await response.json()


@pytest.fixture
async def sender(graph: GraphControl) -> AsyncIterator[Sender]:
    async with aiohttp.ClientSession() as session:
        yield Sender(graph.address, session)


def text(body: str, to: str = "34600000001", **more: Any) -> dict[str, Any]:
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": to,
        "type": "text",
        "text": {"body": body},
        **more,
    }
