"""Only what the app signed is taken; nothing of anything else is stored."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from tests import bodies
from tests.integration.gateway.conftest import OLD_SECRET, SECRET, Gateway, MakeGateway

DATA = bodies.body("text").data
GOOD = bodies.sign(DATA, SECRET)
SHA1 = "sha1=" + hmac.new(SECRET.encode(), DATA, hashlib.sha1).hexdigest()


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
async def test_either_of_two_secrets_signs(gateway: Gateway, secret: str) -> None:
    status, _, problem = await gateway.post(DATA, bodies.sign(DATA, secret))
    assert (status, problem) == (200, None)
    assert len(gateway.messaging.events) == 1


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("sha256=", id="nothing behind the name"),
        pytest.param(GOOD[:-1], id="truncated"),
        pytest.param(GOOD[:20], id="truncated more"),
        pytest.param(GOOD + "0", id="too long"),
        pytest.param(GOOD.removeprefix("sha256="), id="without the name"),
        pytest.param(GOOD.upper(), id="upper case"),
        pytest.param("sha256=" + GOOD.removeprefix("sha256=").upper(), id="upper case digits"),
        pytest.param("SHA256=" + GOOD.removeprefix("sha256="), id="upper case name"),
        pytest.param(bodies.sign(DATA, "another secret"), id="another secret"),
        pytest.param(bodies.sign(DATA + b" ", SECRET), id="another body"),
        pytest.param(bodies.sign(b"", SECRET), id="no body"),
        pytest.param(bodies.sign(DATA, ""), id="empty secret"),
        pytest.param(SHA1, id="sha1"),
        pytest.param("sha256=ñ", id="no ASCII"),
    ],
)
async def test_a_bad_signature_is_refused(gateway: Gateway, signature: str | None) -> None:
    status, _, problem = await gateway.post(DATA, signature)
    assert status == 401
    assert SECRET not in json.dumps(problem)
    assert gateway.messaging.arrived == 0
    assert gateway.count("gateway_webhooks_total", outcome="not_authentic") == 1


async def test_the_bytes_that_arrived_are_what_is_signed(gateway: Gateway) -> None:
    """Escapes, spaces and order as Meta wrote them; not as we would write them."""
    content = bodies.body("text").json
    for data in (
        json.dumps(content, ensure_ascii=True).replace("/", r"\/").encode(),
        json.dumps(content, ensure_ascii=False, indent=3, sort_keys=True).encode(),
    ):
        assert await gateway.post_signed(data) == 200
        respaced = json.dumps(json.loads(data), indent=1).encode()
        status, _, _ = await gateway.post(respaced, bodies.sign(data, SECRET))
        assert status == 401
    assert len(gateway.messaging.events) == 1


async def test_an_unreadable_body_is_stored_only_when_it_is_authentic(gateway: Gateway) -> None:
    junk = b"\x00 no JSON \xff"
    status, _, _ = await gateway.post(junk, bodies.sign(junk, "wrong"))
    assert (status, gateway.messaging.arrived) == (401, 0)
    assert await gateway.post_signed(junk) == 200
    (event,) = gateway.messaging.events
    assert event.raw_json == junk


async def test_without_secrets_nothing_is_taken(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(app_secrets=())
    for signature in (None, bodies.sign(DATA, "")):
        status, headers, _ = await gateway.post(DATA, signature)
        assert status == 503
        assert "Retry-After" in headers
    assert gateway.messaging.arrived == 0
    assert not gateway.kit.health.is_ready()


async def test_with_secrets_it_is_ready_whatever_else_is_away(gateway: Gateway) -> None:
    await gateway.server.stop()
    assert gateway.kit.health.is_ready()
