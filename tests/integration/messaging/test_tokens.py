"""Each hotel's messages leave with its own token, and a bad one stops nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from copies import credentials
from services.messaging import outbox
from tests.integration.messaging.mesh import NUMBER, TENANT, TOKEN, Mesh, text
from tests.waiting import eventually

OTHER, OTHERS_NUMBER = "posada-luna", "100000000000002"
STATES = "SELECT array_agg(state ORDER BY outbox_number) FROM outbox WHERE phone_number_id = $1"


async def answered(mesh: Mesh, stub: Any, phone: str, number: str = NUMBER) -> None:
    """A guest writes to a number, and the answer leaves."""
    count = len(mesh.graph.accepted)
    await mesh.say(stub, text(phone=phone, number=number))
    await mesh.accepted(count + 1)


async def test_each_hotel_is_sent_for_with_its_own_token_or_the_installations(mesh: Mesh) -> None:
    mesh.credentials.set(TENANT, "miradors")
    stub = await mesh.start()
    await mesh.register(OTHERS_NUMBER, OTHER)
    await answered(mesh, stub, "1")
    await answered(mesh, stub, "2", OTHERS_NUMBER)
    assert mesh.graph.tokens == {NUMBER: ["miradors"], OTHERS_NUMBER: [TOKEN]}


async def test_a_token_is_read_once_and_anew_when_it_changes(mesh: Mesh) -> None:
    mesh.credentials.set(TENANT, "first")
    stub = await mesh.start()
    for phone in "123":
        await answered(mesh, stub, phone)
    assert mesh.credentials.reads == [(TENANT, NUMBER)]
    mesh.credentials.set(TENANT, "second")
    tries = 0
    while mesh.graph.tokens[NUMBER][-1] != "second":
        tries += 1
        await answered(mesh, stub, f"4{tries}")
    assert set(mesh.graph.tokens[NUMBER]) == {"first", "second"}
    mesh.credentials.set(OTHER, "anothers")
    count = len(mesh.credentials.reads)
    await answered(mesh, stub, "5")
    assert len(mesh.credentials.reads) == count


async def test_a_bad_token_stops_its_hotel_alone_until_it_has_a_good_one(mesh: Mesh) -> None:
    mesh.graph.good_tokens[NUMBER] = "good"
    mesh.credentials.set(TENANT, "bad")
    stub = await mesh.start(pause_seconds=3600.0)
    await mesh.register(OTHERS_NUMBER, OTHER)
    await mesh.say(stub, text(phone="1"))
    await mesh.until("SELECT count(*) FROM number_pause WHERE error_code = 190", value=1)
    for phone in "23":
        await answered(mesh, stub, phone, OTHERS_NUMBER)
    assert mesh.graph.tokens[NUMBER] == ["bad"]
    await mesh.say(stub, text(phone="4"))
    await mesh.until(STATES, NUMBER, value=["PENDING", "PENDING"])
    mesh.credentials.set(TENANT, "good")
    await mesh.accepted(4)
    await mesh.until(STATES, NUMBER, value=["SENT", "SENT"])
    assert await mesh.admin.fetchval("SELECT count(*) FROM number_pause") == 0


async def test_without_the_tenant_service_the_last_known_token_goes_on(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "KEEP_SECONDS", 0.0)
    mesh.credentials.set(TENANT, "miradors")
    stub = await mesh.start()
    await answered(mesh, stub, "1")
    mesh.credentials.away = True
    await answered(mesh, stub, "2")
    assert mesh.graph.tokens[NUMBER] == ["miradors"] * 2


async def test_a_token_that_was_never_known_is_waited_for_and_no_other_used(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "AGAIN_SECONDS", 0.5)
    mesh.credentials.set(TENANT, "miradors")
    mesh.credentials.away = True
    stub = await mesh.start()
    await mesh.say(stub, text(phone="1"))
    await eventually(lambda: mesh.credentials.reads)
    await mesh.until("SELECT state = 'PENDING' AND due_time > now() FROM outbox")
    assert not mesh.graph.tokens
    mesh.credentials.away = False
    await mesh.accepted(1)
    assert mesh.graph.tokens[NUMBER] == ["miradors"]
    assert await mesh.admin.fetchval("SELECT attempt_count FROM outbox") == 1
