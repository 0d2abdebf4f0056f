"""Every body that Meta may send ends in the database, item by item, once."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from gateway.payload import translate
from sandbox.mesh import Mesh
from tests import bodies
from tests.e2e.webhooks import canonical, post, stored, stored_payloads
from tests.unit.gateway.expectations import NOW

pytestmark = pytest.mark.e2e


async def test_every_known_body_is_stored_item_by_item(mesh: Mesh) -> None:
    for body in bodies.load():
        assert await post(mesh, body.data) == 200, body.name
    kept = await stored_payloads(mesh)
    for body in bodies.load():
        for event in body.events or ():
            assert kept[canonical(event)] >= 1, f"{body.name}: {event}"
    wamids = {event.message.whatsapp_message_id for event in await stored(mesh)}
    for body in bodies.load():
        messages = [item for item in bodies.walk(body.json) if item.kind == "messages"]
        assert {str(item.json["id"]) for item in messages} <= wamids, body.name


@pytest.mark.parametrize(("seed", "count"), [(11, 20), (12, 200), (13, 1000)])
async def test_any_mix_of_items_is_stored_item_by_item(mesh: Mesh, seed: int, count: int) -> None:
    composed = bodies.compose(seed, count)
    assert await post(mesh, composed.data) == 200
    kept = await stored_payloads(mesh)
    missing = [item.event for item in composed.items if not kept[canonical(item.event)]]
    assert not missing


async def test_the_same_post_50_times_at_once_has_one_effect(mesh: Mesh) -> None:
    composed = bodies.compose(21, 30)
    answers = await asyncio.gather(*(post(mesh, composed.data) for _ in range(50)))
    assert set(answers) == {200}
    for part in bodies.recompose(composed.items, 22, bodies=9):
        assert await post(mesh, part.data) == 200
    keys = {event.item_key for event in translate(composed.data, NOW)}
    kept = Counter(event.item_key for event in await stored(mesh) if event.item_key in keys)
    assert len(kept) == len(composed.items)
    assert set(kept.values()) == {1}


async def test_what_is_not_authentic_or_too_big_is_refused_and_not_stored(mesh: Mesh) -> None:
    composed = bodies.compose(31, 3)
    good = bodies.sign(composed.data, mesh.credentials.app_secret)
    wrong = bodies.sign(composed.data, "another secret")
    for signature in ("", "sha256=", wrong, good[:-2], good.replace("sha256=", "sha1=")):
        assert await post(mesh, composed.data, signature) == 401, signature
    huge = b'{"object":"' + b"x" * 3_200_000 + b'"}'
    assert await post(mesh, huge) == 413
    kept = await stored_payloads(mesh)
    assert not any(kept[canonical(item.event)] for item in composed.items)
