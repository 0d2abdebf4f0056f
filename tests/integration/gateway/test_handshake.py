"""Registration of the webhook, and what else may be asked of the address."""

from __future__ import annotations

import pytest

from gateway.webhook import PATH
from tests.integration.gateway.conftest import TOKEN, Gateway, MakeGateway


async def test_the_challenge_comes_back_as_plain_text(gateway: Gateway) -> None:
    answer = await gateway.get(mode="subscribe", challenge="1158201444", verify_token=TOKEN)
    assert answer == (200, "text/plain", "1158201444")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"mode": "subscribe", "challenge": "1"},
        {"mode": "subscribe", "challenge": "1", "verify_token": ""},
        {"mode": "subscribe", "challenge": "1", "verify_token": TOKEN + "x"},
        {"mode": "subscribe", "challenge": "1", "verify_token": TOKEN.upper()},
        {"mode": "subscribe", "challenge": "1", "verify_token": "ñ"},
        {"mode": "unsubscribe", "challenge": "1", "verify_token": TOKEN},
        {"challenge": "1", "verify_token": TOKEN},
        {"mode": "subscribe", "verify_token": TOKEN},
    ],
)
async def test_anything_else_is_refused(gateway: Gateway, query: dict[str, str]) -> None:
    status, content_type, text = await gateway.get(**query)
    assert (status, content_type) == (403, "application/problem+json")
    assert TOKEN not in text


async def test_without_a_token_nothing_is_registered(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(verify_token="")
    status, _, _ = await gateway.get(mode="subscribe", challenge="1", verify_token="")
    assert status == 503
    assert gateway.kit.health.is_ready()
    assert "verify_token" in str(gateway.kit.health.report())


async def test_a_challenge_stays_plain_text(gateway: Gateway) -> None:
    challenge = "<script>alert(1)</script>"
    params = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": TOKEN}
    async with gateway.session.get(gateway.address + PATH, params=params) as response:
        assert response.content_type == "text/plain"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert await response.text() == challenge


@pytest.mark.parametrize("path", ["/", "/webhooks", "/webhooks/whatsapp/", "/metrics", "/%00"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_nothing_else_is_there(gateway: Gateway, path: str, method: str) -> None:
    async with gateway.session.request(method, gateway.address + path) as response:
        assert response.status == 404
        assert response.content_type == "application/problem+json"


async def test_the_address_takes_get_and_post(gateway: Gateway) -> None:
    async with gateway.session.put(gateway.address + PATH, data=b"{}") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET, POST"
        assert (await response.json(content_type=None))["status"] == 405
