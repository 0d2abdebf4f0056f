"""What nobody knows about a send, a person may know, and then it is settled."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.event_pb2 import DELIVERY_STATE_SENT
from conserje.messaging.v1.messaging_service_pb2 import TraceMessageRequest

from tests.integration.cli.conftest import Conserje
from tests.integration.cli.conftest import conserje as conserje
from tests.integration.messaging.mesh import TENANT, Mesh, status, text

GOT, NOT_GOT = pb.SEND_VERDICT_RECEIVED, pb.SEND_VERDICT_NOT_RECEIVED


async def _lost(mesh: Mesh, *how: str) -> tuple[Any, Any]:
    """A guest's answer of unknown outcome, for each of `how`; both stubs."""
    mesh.graph.script = list(how)
    stub = await mesh.start(settle_block_seconds=0.0)
    items = [text(phone=f"346{guest:08}", wamid=f"wamid.lost{guest}") for guest in range(len(how))]
    await mesh.say(stub, *items)
    await mesh.until("SELECT count(*) FROM outbox WHERE state = 'UNKNOWN'", value=len(how))
    return stub, mesh.operations()


async def _listed(operations: Any, tenant: str = TENANT) -> list[pb.UnknownSend]:
    request = pb.ListUnknownSendsRequest(tenant_id=tenant)
    return list((await operations.ListUnknownSends(request)).sends)


def _word(send: pb.UnknownSend, verdict: pb.SendVerdict.ValueType, /, **changes: Any) -> Any:
    said: dict[str, Any] = {
        "tenant_id": TENANT,
        "send_id": send.send_id,
        "attempt_count": send.attempt_count,
        "verdict": verdict,
        "actor_id": "ana",
    }
    return pb.SettleSendRequest(**(said | changes))


async def _refusal(operations: Any, word: pb.SettleSendRequest) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await operations.SettleSend(word)
    return refused.value.code()


async def test_an_unknown_send_is_listed_to_its_own_hotel(mesh: Mesh) -> None:
    _, operations = await _lost(mesh, "drop")
    (send,) = await _listed(operations)
    row = await mesh.row("SELECT outbox_id, mailbox_id, kind FROM outbox")
    assert (send.send_id, send.conversation_id, send.kind) == tuple(map(str, row[:1])) + row[1:]
    assert (send.attempt_count, send.waits_for_person) == (1, False)
    assert await _listed(operations, "hotel-other") == []
    await mesh.admin.execute("UPDATE outbox SET settle_time = NULL")
    (send,) = await _listed(operations)
    assert send.waits_for_person


async def test_unknown_sends_come_in_pages(mesh: Mesh) -> None:
    _, operations = await _lost(mesh, *["drop"] * 5)
    seen: list[str] = []
    token = ""
    while True:
        request = pb.ListUnknownSendsRequest(tenant_id=TENANT, page_size=2, page_token=token)
        page = await operations.ListUnknownSends(request)
        assert len(page.sends) <= 2
        seen += [send.send_id for send in page.sends]
        if not (token := page.next_page_token):
            break
    rows = await mesh.admin.fetch("SELECT outbox_id FROM outbox ORDER BY outbox_number")
    assert seen == [str(row["outbox_id"]) for row in rows]


async def test_what_the_guest_got_is_sent_and_never_goes_again(mesh: Mesh) -> None:
    stub, operations = await _lost(mesh, "accept_and_drop")
    (send,) = await _listed(operations)
    await operations.SettleSend(_word(send, GOT))
    row = await mesh.row("SELECT state, settle_time, resend_count FROM outbox")
    assert tuple(row) == ("SENT", None, 0)
    assert await _listed(operations) == []
    said = await mesh.row("SELECT attempt_count, received, actor_id FROM send_settlement")
    assert tuple(said) == (1, True, "ana")
    trace = await stub.TraceMessage(TraceMessageRequest(whatsapp_message_id="wamid.lost0"))
    assert [hop.detail for hop in trace.hops if hop.name == "outbox.settled"] == [
        "received, says ana"
    ]
    await mesh.until_quiet()
    assert len(mesh.graph.asked) == 1


async def test_what_the_guest_did_not_get_goes_once_more(mesh: Mesh) -> None:
    _, operations = await _lost(mesh, "drop")
    (send,) = await _listed(operations)
    await operations.SettleSend(_word(send, NOT_GOT))
    (sent,) = await mesh.accepted(1)
    assert sent["biz_opaque_callback_data"] == mesh.graph.asked[0]["biz_opaque_callback_data"]
    await mesh.until("SELECT state = 'SENT' FROM outbox")
    said = await mesh.row("SELECT attempt_count, received, actor_id FROM send_settlement")
    assert tuple(said) == (1, False, "ana")
    # The same word again: nothing more happens.
    await operations.SettleSend(_word(send, NOT_GOT))
    await mesh.until_quiet()
    assert len(mesh.graph.asked) == 2


async def test_lost_again_the_old_word_says_nothing_of_it(mesh: Mesh) -> None:
    _, operations = await _lost(mesh, "drop")
    (first,) = await _listed(operations)
    mesh.graph.script = ["drop"]
    await operations.SettleSend(_word(first, NOT_GOT))
    await mesh.until("SELECT state = 'UNKNOWN' AND attempt_count = 2 FROM outbox")
    await operations.SettleSend(_word(first, NOT_GOT))
    (second,) = await _listed(operations)
    assert (second.attempt_count, second.waits_for_person) == (2, True)
    assert await _refusal(operations, _word(first, GOT)) is grpc.StatusCode.FAILED_PRECONDITION
    assert len(mesh.graph.asked) == 2
    await operations.SettleSend(_word(second, GOT))
    assert await mesh.admin.fetchval("SELECT state FROM outbox") == "SENT"


async def test_of_two_words_at_once_one_counts(mesh: Mesh) -> None:
    _, operations = await _lost(mesh, *["accept_and_drop"] * 8)
    sends = await _listed(operations)
    words = [_word(send, verdict) for send in sends for verdict in (GOT, NOT_GOT)]
    answers = await asyncio.gather(*map(operations.SettleSend, words), return_exceptions=True)
    refused = [one for one in answers if isinstance(one, grpc.aio.AioRpcError)]
    assert {one.code() for one in refused} == {grpc.StatusCode.FAILED_PRECONDITION}
    assert len(refused) == len(sends)
    assert await mesh.admin.fetchval("SELECT count(*) FROM send_settlement") == len(sends)
    await mesh.until_quiet()
    again = await mesh.admin.fetchval("SELECT count(*) FROM send_settlement WHERE NOT received")
    assert len(mesh.graph.asked) == len(sends) + again


async def test_a_status_is_before_any_word(mesh: Mesh) -> None:
    stub, operations = await _lost(mesh, "accept_and_drop")
    (send,) = await _listed(operations)
    opaque = mesh.graph.accepted[0]["biz_opaque_callback_data"]
    await mesh.say(stub, status(DELIVERY_STATE_SENT, wamid="wamid.out1", opaque=opaque))
    assert await _refusal(operations, _word(send, NOT_GOT)) is grpc.StatusCode.FAILED_PRECONDITION
    assert await mesh.admin.fetchval("SELECT count(*) FROM send_settlement") == 0
    await mesh.until_quiet()
    assert len(mesh.graph.asked) == 1


async def test_what_the_hotel_does_not_have_and_what_makes_no_sense_is_refused(mesh: Mesh) -> None:
    _, operations = await _lost(mesh, "drop")
    (send,) = await _listed(operations)
    for changes, code in (
        ({"tenant_id": "hotel-other"}, grpc.StatusCode.NOT_FOUND),
        ({"send_id": str(uuid4())}, grpc.StatusCode.NOT_FOUND),
        ({"send_id": "1"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"verdict": 0}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"actor_id": ""}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"attempt_count": 2}, grpc.StatusCode.FAILED_PRECONDITION),
    ):
        assert await _refusal(operations, _word(send, GOT, **changes)) is code
    assert await mesh.admin.fetchval("SELECT state FROM outbox") == "UNKNOWN"


async def test_the_command_lists_and_settles(mesh: Mesh, conserje: Conserje) -> None:
    _, operations = await _lost(mesh, "drop", "drop")
    first, second = await _listed(operations)
    at = ("--target", mesh.target)
    listed = await conserje("sends", "list", TENANT, *at)
    assert (listed.code, listed.err) == (0, "")
    assert [one.split()[0] for one in listed.out.splitlines()] == [first.send_id, second.send_id]
    assert "attempt 1" in listed.out
    got = await conserje(
        *("sends", "settle", TENANT, first.send_id, "1", "received", "--actor", "ana", *at)
    )
    assert (got.code, got.err) == (0, "")
    again = await conserje(
        *("sends", "settle", TENANT, second.send_id, "1", "not-received", "--actor", "ana", *at)
    )
    assert (again.code, again.err) == (0, "")
    await mesh.until("SELECT count(*) FROM outbox WHERE state = 'SENT'", value=2)
    assert len(mesh.graph.asked) == 3
    otherwise = await conserje(
        *("sends", "settle", TENANT, first.send_id, "1", "not-received", "--actor", "eva", *at)
    )
    assert otherwise.code == 1
    assert otherwise.err.startswith("FAILED_PRECONDITION SEND_NOT_UNKNOWN")
