"""What is set aside is kept, seen by operators alone, and taken up again when they say so."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb

from services.messaging.conversation import machine
from tests.integration.cli.conftest import Conserje
from tests.integration.cli.conftest import conserje as conserje
from tests.integration.messaging.mesh import TENANT, Mesh, text

STRANGER = "555"


async def _kept(operations: Any, **request: Any) -> list[pb.QuarantinedItem]:
    return list((await operations.ListQuarantine(pb.ListQuarantineRequest(**request))).items)


async def test_a_released_message_is_answered_once_the_number_is_registered(mesh: Mesh) -> None:
    stub = await mesh.start()
    operations = mesh.operations()
    first, second = text("uno", number=STRANGER, seconds=None), text("dos", number=STRANGER)
    await mesh.say(stub, first, second)
    await mesh.until("SELECT count(*) FROM quarantine", value=2)
    listed = await _kept(operations, phone_number_id=STRANGER, include_events=True)
    assert [item.event for item in listed] == [first.event, second.event]
    assert {(item.reason, item.releasable) for item in listed} == {("NUMBER_UNKNOWN", True)}
    assert not mesh.graph.asked

    await mesh.register(STRANGER, "hotel-nuevo")
    released = await operations.ReleaseQuarantine(
        pb.ReleaseQuarantineRequest(phone_number_id=STRANGER)
    )
    assert (released.release_count, released.more) == (2, False)
    await mesh.until_answered(2)
    assert await _kept(operations) == []
    # A redelivery after all that is still a duplicate.
    await mesh.say(stub, first, second)
    await mesh.until_quiet()
    assert await mesh.admin.fetchval("SELECT count(*) FROM inbox") == 2


async def test_released_too_early_it_comes_back_to_the_quarantine(mesh: Mesh) -> None:
    stub = await mesh.start()
    operations = mesh.operations()
    await mesh.say(stub, text(number=STRANGER))
    await mesh.until("SELECT count(*) FROM quarantine", value=1)
    (before,) = await _kept(operations)
    await operations.ReleaseQuarantine(pb.ReleaseQuarantineRequest(phone_number_id=STRANGER))
    await mesh.until(
        "SELECT count(*) FROM quarantine WHERE quarantine_id > $1", before.quarantine_id, value=1
    )
    assert not mesh.graph.asked


async def test_only_the_released_number_goes_back(mesh: Mesh) -> None:
    stub = await mesh.start()
    operations = mesh.operations()
    await mesh.say(stub, text(number=STRANGER), text(number="556"), text(number=""))
    await mesh.until("SELECT count(*) FROM quarantine", value=3)
    await mesh.register(STRANGER, "hotel-nuevo")
    await operations.ReleaseQuarantine(pb.ReleaseQuarantineRequest(phone_number_id=STRANGER))
    kept = await _kept(operations)
    assert sorted((item.phone_number_id, item.releasable) for item in kept) == [
        ("", False),
        ("556", True),
    ]


async def test_the_quarantine_comes_in_pages(mesh: Mesh) -> None:
    stub = await mesh.start("serve", "steps")
    operations = mesh.operations()
    await mesh.say(stub, *(text(number=STRANGER, phone=f"346{n:08}") for n in range(5)))
    await mesh.until("SELECT count(*) FROM quarantine", value=5)
    seen: list[int] = []
    token = ""
    while True:
        page = await operations.ListQuarantine(
            pb.ListQuarantineRequest(page_size=2, page_token=token)
        )
        seen += [item.quarantine_id for item in page.items]
        assert len(page.items) <= 2
        assert not any(item.HasField("event") for item in page.items)
        if not (token := page.next_page_token):
            break
    assert seen == sorted(set(seen))
    assert len(seen) == 5


@pytest.mark.parametrize(
    "name", ["Quarantine", "DeadLetters", "UnknownSends", "HeldSends", "Merges"]
)
async def test_a_page_token_that_was_never_given_out_is_refused_by_name(
    mesh: Mesh, name: str
) -> None:
    await mesh.start("serve")
    request = getattr(pb, f"List{name}Request")(page_token="7")
    if "tenant_id" in request.DESCRIPTOR.fields_by_name:
        request.tenant_id = TENANT
    with pytest.raises(grpc.aio.AioRpcError, match="page_token") as refused:
        await getattr(mesh.operations(), f"List{name}")(request)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts whose step fails, for as long as they are in the list."""
    poisoned = ["poison"]
    advance = machine.advance

    def advances(state: Any, event: Any, hotel: Any) -> Any:
        if getattr(event, "text", "") in poisoned:
            raise ArithmeticError("poison")
        return advance(state, event, hotel)

    monkeypatch.setattr(machine, "advance", advances)
    return poisoned


async def _one_dead(mesh: Mesh) -> tuple[Any, Any, pb.DeadLetter]:
    stub = await mesh.start(step_attempts=2)
    operations = mesh.operations()
    await mesh.say(stub, text("poison"), text("hola"))
    await mesh.until("SELECT count(*) FROM inbox WHERE state = 'DEAD'", value=1)
    await mesh.until_answered(1)
    request = pb.ListDeadLettersRequest(tenant_id=TENANT)
    (letter,) = (await operations.ListDeadLetters(request)).dead_letters
    return stub, operations, letter


async def test_a_dead_letter_tells_why_and_is_answered_when_it_is_tried_again(
    mesh: Mesh, poison: list[str]
) -> None:
    _, operations, letter = await _one_dead(mesh)
    assert (letter.reason, letter.attempt_count) == ("ArithmeticError", 2)
    poison.clear()
    request = pb.RetryDeadLetterRequest(tenant_id=TENANT, dead_letter_id=letter.dead_letter_id)
    await operations.RetryDeadLetter(request)
    await mesh.until_answered(2)
    await mesh.until_quiet()
    answers = await mesh.admin.fetch("SELECT unnest(answers) AS id FROM outbox ORDER BY 1")
    items = await mesh.admin.fetch("SELECT inbox_id AS id FROM inbox ORDER BY 1")
    assert answers == items


async def test_a_dead_letter_that_is_dropped_is_never_answered(
    mesh: Mesh, poison: list[str]
) -> None:
    _, operations, letter = await _one_dead(mesh)
    poison.clear()
    one: dict[str, Any] = {"tenant_id": TENANT, "dead_letter_id": letter.dead_letter_id}
    await operations.DropDeadLetter(pb.DropDeadLetterRequest(**one))
    listed = await operations.ListDeadLetters(pb.ListDeadLettersRequest(tenant_id=TENANT))
    assert not listed.dead_letters
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await operations.RetryDeadLetter(pb.RetryDeadLetterRequest(**one))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    await mesh.until_quiet()
    assert len(mesh.graph.accepted) == 1
    assert await mesh.admin.fetchval("SELECT event FROM inbox WHERE state = 'DEAD'") == b""


async def test_another_hotels_dead_letter_is_unknown(mesh: Mesh, poison: list[str]) -> None:
    _, operations, letter = await _one_dead(mesh)
    other: dict[str, Any] = {"tenant_id": "hotel-other", "dead_letter_id": letter.dead_letter_id}
    listed = await operations.ListDeadLetters(pb.ListDeadLettersRequest(tenant_id="hotel-other"))
    assert not listed.dead_letters
    for call, request in (
        (operations.RetryDeadLetter, pb.RetryDeadLetterRequest(**other)),
        (operations.DropDeadLetter, pb.DropDeadLetterRequest(**other)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(request)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_the_command_lists_and_releases_the_quarantine(
    mesh: Mesh, conserje: Conserje
) -> None:
    stub = await mesh.start()
    await mesh.say(stub, text("hola", number=STRANGER))
    await mesh.until("SELECT count(*) FROM quarantine", value=1)
    listed = await conserje("quarantine", "list", "--target", mesh.target)
    assert (listed.code, listed.err) == (0, "")
    assert f"NUMBER_UNKNOWN  number {STRANGER}" in listed.out
    assert "hola" not in listed.out
    shown = await conserje("quarantine", "list", "--show", "--target", mesh.target)
    assert '"body": "hola"' in shown.out
    await mesh.register(STRANGER, "hotel-nuevo")
    released = await conserje("quarantine", "release", STRANGER, "--target", mesh.target)
    assert (released.code, released.out) == (0, "released 1\n")
    await mesh.until_answered(1)


async def test_the_command_lists_retries_and_drops_dead_letters(
    mesh: Mesh, poison: list[str], conserje: Conserje
) -> None:
    _, _, letter = await _one_dead(mesh)
    at = ("--target", mesh.target)
    listed = await conserje("dead-letters", "list", TENANT, *at)
    assert "ArithmeticError  after 2 attempts" in listed.out
    again = await conserje("dead-letters", "retry", TENANT, str(letter.dead_letter_id), *at)
    told = f"retried 1: the step of {letter.dead_letter_id} is taken again\n"
    assert (again.code, again.out, again.err) == (0, told, "")
    await mesh.until("SELECT count(*) FROM inbox WHERE state = 'DEAD'", value=1)
    dropped = await conserje("dead-letters", "drop", TENANT, str(letter.dead_letter_id), *at)
    told = f"dropped 1: {letter.dead_letter_id} is given up for good\n"
    assert (dropped.code, dropped.out, dropped.err) == (0, told, "")
    unknown = await conserje("dead-letters", "drop", TENANT, str(letter.dead_letter_id), *at)
    assert unknown.code == 1
    assert unknown.err.startswith("NOT_FOUND DEAD_LETTER_UNKNOWN")
