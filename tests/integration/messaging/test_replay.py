"""Conversations are led over what came in again, and end where they stand; nobody is told."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from conserje.booking.v1.reservation_pb2 import RESERVATION_STATE_CONFIRMED, Reservation
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb

from meshkit.errors import FailedPrecondition, MeshError, Unavailable
from meshkit.status import from_rpc_error
from services.messaging.clients import HOTEL_DECIDED
from services.messaging.conversation import machine
from services.messaging.conversation.events import EffectAnswer
from tests.integration.cli.conftest import Conserje
from tests.integration.cli.conftest import conserje as conserje
from tests.integration.messaging.mesh import TENANT, Mesh, ids_in, tap, text

ASKS = "del 10 al 12 de diciembre para 2 personas"
LIVE = "SELECT mailbox_id FROM conversation"


@pytest.fixture
def keys(tmp_path: Path) -> str:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "first").write_bytes(base64.b64encode(secrets.token_bytes(32)))
    return str(folder)


async def replay(mesh: Mesh, box: int | None = None) -> pb.ReplayConversationResponse:
    """Replay a conversation, the only one if none is named; nobody notices."""
    box = box or await mesh.admin.fetchval(LIVE)
    before = await _everything(mesh)
    request = pb.ReplayConversationRequest(tenant_id=TENANT, conversation_id=box)
    response: pb.ReplayConversationResponse = await mesh.operations().ReplayConversation(request)
    assert await _everything(mesh) == before
    return response


async def _everything(mesh: Mesh) -> Sequence[object]:
    """All that a replay could have changed: what was sent and called, and every row."""
    tables = ("inbox", "outbox", "effect", "conversation", "conversation_step", "mailbox")
    rows = "SELECT t::text FROM {} t ORDER BY 1"
    counted = [await mesh.admin.fetch(rows.format(table)) for table in tables]
    called = (len(mesh.graph.asked), len(mesh.bookings.requests), mesh.bookings.searched)
    return [called, mesh.tenants.profiles_asked, *counted]


async def refused(call: Any) -> MeshError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def books(mesh: Mesh, stub: Any) -> None:
    """A guest asks, chooses, confirms and cancels, in two lines, taps and words."""
    sent = len(mesh.graph.accepted)
    await mesh.say(stub, text("hola"), text(ASKS))
    await mesh.until_quiet()
    offers = [one for one in mesh.graph.accepted[sent:] if "interactive" in one]
    await mesh.say(stub, tap(ids_in(offers[-1])[0]))
    await mesh.until_quiet()
    await mesh.say(stub, tap(ids_in(mesh.graph.accepted[-1])[0]))
    await mesh.until_quiet()
    assert "K7M2QX9P" in json.dumps(mesh.graph.accepted[-1])
    await mesh.say(stub, text("¿hay wifi?"), text("¿cuándo puedo llegar?"))
    await mesh.until_quiet()


@pytest.mark.parametrize("pause", [0.0, 0.3], ids=["one by one", "bursts"])
async def test_a_booking_is_led_to_the_same_state(mesh: Mesh, keys: str, pause: float) -> None:
    stub = await mesh.start(keys_folder=keys, burst_pause_seconds=pause)
    await books(mesh, stub)
    replayed = await replay(mesh)
    assert not replayed.HasField("difference"), replayed
    taken = await mesh.admin.fetchval("SELECT count(*) FROM conversation_step")
    assert replayed.step_count == taken == (6 if pause else 8)
    assert replayed.replayed_hash == replayed.live_hash
    assert mesh.kits[0].registry.get_sample_value("archive_replays_total", {"outcome": "same"}) == 1


async def test_an_answer_that_was_given_up_does_not_hold_the_talk_for_ever(
    mesh: Mesh, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance, poison = machine.advance, [True]

    def poisoned(state: Any, event: Any, hotel: Any) -> Any:
        if poison and isinstance(event, EffectAnswer):
            raise ArithmeticError("poison")
        return advance(state, event, hotel)

    monkeypatch.setattr(machine, "advance", poisoned)
    stub = await mesh.start(keys_folder=keys, step_attempts=2)
    await mesh.say(stub, text(ASKS))
    (menu,) = await mesh.accepted(1)
    await mesh.say(stub, tap(ids_in(menu)[0]))
    await mesh.until("SELECT state = 'DEAD' FROM effect")
    poison.clear()
    await mesh.say(stub, text(ASKS))
    again = (await mesh.accepted(2))[-1]
    await mesh.say(stub, tap(ids_in(again)[0]))
    summary = (await mesh.accepted(3))[-1]
    assert summary["interactive"]["type"] == "button"
    await mesh.until_quiet()
    assert not (await replay(mesh)).HasField("difference")


async def test_refusals_and_searches_without_an_answer_are_led_over_again(
    mesh: Mesh, keys: str
) -> None:
    stub = await mesh.start(keys_folder=keys)
    mesh.bookings.before = lambda _: FailedPrecondition("BEYOND_HORIZON", last_night="2027-06-30")
    await mesh.say(stub, text(ASKS))
    await mesh.accepted(1)
    mesh.bookings.before = lambda _: None
    await mesh.say(stub, text(ASKS))
    sent = await mesh.accepted(2)
    mesh.bookings.answer = lambda _: FailedPrecondition("SOLD_OUT")
    await mesh.say(stub, tap(ids_in(sent[1])[0]))
    await mesh.accepted(3)
    await mesh.until_quiet()
    assert not (await replay(mesh)).HasField("difference")


async def test_failed_attempts_are_not_among_the_steps(
    mesh: Mesh, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance, failures = machine.advance, ["once", "twice"]

    def advances(*about: Any) -> Any:
        if failures:
            raise ArithmeticError(failures.pop())
        return advance(*about)

    monkeypatch.setattr(machine, "advance", advances)
    stub = await mesh.start(keys_folder=keys)
    replies = [Unavailable("AWAY"), Unavailable("AWAY")]
    mesh.bookings.after = lambda _: replies.pop() if replies else None
    await books(mesh, stub)
    assert (failures, replies) == ([], [])
    assert not (await replay(mesh)).HasField("difference")


async def test_two_conversations_that_became_one_are_led_to_the_one(mesh: Mesh, keys: str) -> None:
    stub = await mesh.start(keys_folder=keys)
    await mesh.say(stub, text(ASKS, phone="341"))
    await mesh.accepted(1)
    await mesh.say(stub, text("hello", phone="", user="ES.1"))
    await mesh.accepted(2)
    await mesh.say(stub, text("gracias", phone="341", user="ES.1"))
    await mesh.until("SELECT count(*) FROM mailbox_merge WHERE done_time IS NOT NULL", value=1)
    await mesh.until_quiet()
    merged = "SELECT count(*) FROM conversation_step WHERE merged IS NOT NULL"
    assert await mesh.admin.fetchval(merged) == 1
    replayed = await replay(mesh)
    assert (replayed.HasField("difference"), replayed.step_count) == (False, 3)


async def test_what_a_hotel_decides_by_itself_is_led_over_again(mesh: Mesh, keys: str) -> None:
    stub = await mesh.start(keys_folder=keys)
    await mesh.say(stub, text("hola"))
    await mesh.until_quiet()
    decided = Reservation(reservation_id="r", state=RESERVATION_STATE_CONFIRMED)
    await mesh.admin.execute(
        """
        WITH told AS (
            INSERT INTO effect (tenant_id, request_id, mailbox_id, command_number, method, request,
                                inbox_ids, traceparent, state, answer_ok, answer, answer_time)
            SELECT $1, gen_random_uuid(), mailbox_id, 0, $2, '', '{}', '', 'ANSWERED', true, $3,
                   now() FROM mailbox)
        UPDATE mailbox SET due_time = now(), arrivals = arrivals + 1
        """,
        *(TENANT, HOTEL_DECIDED, decided.SerializeToString()),
    )
    await mesh.until("SELECT count(*) FROM conversation_step", value=2)
    assert not (await replay(mesh)).HasField("difference")


async def test_a_state_that_was_changed_is_told_by_the_parts_that_differ(
    mesh: Mesh, keys: str, conserje: Conserje
) -> None:
    stub = await mesh.start(keys_folder=keys)
    await books(mesh, stub)
    box = await mesh.admin.fetchval(LIVE)
    same = await conserje("replay", TENANT, str(box), "--target", mesh.target)
    assert (same.code, "same" in same.out) == (0, True), same
    stored = json.loads(await mesh.admin.fetchval("SELECT state FROM conversation"))
    stored["reservations"], stored["language"] = [], "en"
    broken = json.dumps(stored, separators=(",", ":"), sort_keys=True).encode()
    await mesh.admin.execute("UPDATE conversation SET state = $1", broken)
    replayed = await replay(mesh)
    assert replayed.difference.step == 0
    assert set(replayed.difference.state_parts) == {"reservations", "language"}
    assert replayed.replayed_hash != replayed.live_hash
    told = await conserje("replay", TENANT, str(box), "--target", mesh.target)
    assert (told.code, "reservations" in told.out, "K7M2QX9P" in told.out) == (1, True, False)
    wrong = await conserje("replay", "h" * 65, str(box), "--target", mesh.target)
    assert (wrong.code, wrong.out) == (1, "")
    assert wrong.err.splitlines()[1].startswith("  HOTEL: ")


async def test_the_first_step_that_is_taken_otherwise_is_told(
    mesh: Mesh, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = await mesh.start(keys_folder=keys)
    await mesh.say(stub, text("hola"))
    await mesh.until_quiet()
    await mesh.say(stub, text(ASKS))
    await mesh.until_quiet()
    await mesh.say(stub, text("gracias"))
    await mesh.until_quiet()
    await mesh.admin.execute("UPDATE conversation_step SET reads = '{\"\"}' WHERE reads <> '{}'")
    replayed = await replay(mesh)
    assert (replayed.step_count, replayed.difference.step, replayed.difference.error) == (2, 2, "")
    await mesh.admin.execute("UPDATE conversation_step SET reads = '{}', reads_ok = '{}'")
    replayed = await replay(mesh)
    assert (replayed.difference.step, replayed.difference.error) == (2, "IndexError")


async def test_it_starts_at_the_oldest_snapshot_after_which_everything_is_there(
    mesh: Mesh, keys: str
) -> None:
    stub = await mesh.start(keys_folder=keys)
    for number in range(20):
        await mesh.say(stub, text(f"hola {number}"))
        await mesh.until_answered(number + 1)
    snapshots = "SELECT array_agg(snapshot IS NOT NULL ORDER BY step_id) FROM conversation_step"
    kept = await mesh.admin.fetchval(snapshots)
    assert [at for at, one in enumerate(kept) if one] == [0, 16]
    assert (await replay(mesh)).step_count == 20
    await mesh.admin.execute(
        "DELETE FROM archive WHERE inbox_id = (SELECT min(inbox_id) FROM archive)"
    )
    replayed = await replay(mesh)
    assert (replayed.step_count, replayed.HasField("difference")) == (4, False)
    an_hour = "UPDATE conversation_step SET commit_time = commit_time - interval '61 minutes'"
    await mesh.admin.execute(an_hour)
    await mesh.say(stub, text("hola"))
    await mesh.until_answered(21)
    await mesh.until_quiet()
    assert (await mesh.admin.fetchval(snapshots))[20]
    await mesh.admin.execute("DELETE FROM archive")
    error = await refused(replay(mesh))
    assert error.reason == "NOTHING_TO_REPLAY"


async def test_another_hotels_conversation_and_a_service_without_keys(
    mesh: Mesh, keys: str
) -> None:
    stub = await mesh.start(keys_folder=keys)
    await mesh.say(stub, text("hola"))
    await mesh.until_quiet()
    box = await mesh.admin.fetchval(LIVE)
    other = pb.ReplayConversationRequest(tenant_id="hotel-other", conversation_id=box)
    error = await refused(mesh.operations().ReplayConversation(other))
    assert error.reason == "CONVERSATION_UNKNOWN"
    await mesh.stop()
    await mesh.start()
    assert (await refused(replay(mesh, box))).reason == "ARCHIVE_WITHOUT_KEYS"


async def test_an_item_that_was_altered_is_an_error_and_no_difference(
    mesh: Mesh, keys: str
) -> None:
    stub = await mesh.start(keys_folder=keys)
    await mesh.say(stub, text("hola"))
    await mesh.until_quiet()
    await mesh.admin.execute("UPDATE archive SET ciphertext = ciphertext || '\\x00'")
    assert (await refused(replay(mesh))).reason == "ITEM_ALTERED"


async def test_steps_go_when_their_days_are_over(mesh: Mesh, keys: str) -> None:
    stub = await mesh.start(keys_folder=keys)
    await mesh.say(stub, text("hola"))
    await mesh.until_quiet()
    await mesh.admin.execute("UPDATE conversation_step SET commit_time = now() - interval '9 days'")
    await mesh.stop()
    await mesh.start("serve", keys_folder=keys)
    await mesh.until("SELECT count(*) FROM conversation_step", value=0)
