"""Sends are taken, refused and reported as Meta documents it."""

import asyncio

import aiohttp
import pytest

from sandbox.graph.client import GraphControl
from tests.integration.graph.conftest import MIRADOR, Gateway, Sender, text


async def test_an_accepted_send_is_answered_reported_and_followed_by_its_statuses(
    graph: GraphControl, sender: Sender, gateway: Gateway
) -> None:
    status, answer = await sender.send(
        text("hola", to="+34 600 000 001", biz_opaque_callback_data="42")
    )
    assert status == 200
    assert answer["contacts"] == [{"input": "+34 600 000 001", "wa_id": "34600000001"}]
    wamid = answer["messages"][0]["id"]

    statuses = await gateway.receives("statuses", 3)
    assert {one["status"] for one in statuses} == {"sent", "delivered", "read"}
    assert all(one["id"] == wamid for one in statuses)
    assert all(one["biz_opaque_callback_data"] == "42" for one in statuses)
    priced = {one["status"] for one in statuses if "pricing" in one}
    assert priced == {"sent", "delivered"}

    [entry] = await graph.accepted()
    assert entry["wamid"] == wamid
    assert entry["to"] == "34600000001"
    assert entry["biz_opaque_callback_data"] == "42"
    assert entry["body"]["text"]["body"] == "hola"


async def test_a_send_to_a_user_id_has_no_phone_number_anywhere(
    sender: Sender, gateway: Gateway
) -> None:
    body = text("hola")
    del body["to"]
    status, answer = await sender.send({**body, "recipient": "ES.123"})
    assert status == 200
    assert answer["contacts"] == [{"input": "ES.123", "user_id": "ES.123"}]
    statuses = await gateway.receives("statuses", 3)
    assert all(one["recipient_user_id"] == "ES.123" for one in statuses)
    assert not any("recipient_id" in one for one in statuses)


@pytest.mark.parametrize(
    ("authorization", "code"), [("", 104), ("Basic abc", 104), ("Bearer wrong", 190)]
)
async def test_a_send_without_the_token_is_refused(
    sender: Sender, graph: GraphControl, authorization: str, code: int
) -> None:
    sender.headers = {"Authorization": authorization}
    status, answer = await sender.send(text("hola"))
    assert status == 401
    assert answer["error"]["code"] == code
    assert answer["error"]["type"] == "OAuthException"
    assert answer["error"]["fbtrace_id"]
    assert await graph.accepted() == []


async def test_a_number_of_nobody_is_an_unknown_object(sender: Sender) -> None:
    status, answer = await sender.send(text("hola"), number="999")
    assert status == 400
    assert (answer["error"]["code"], answer["error"]["error_subcode"]) == (100, 33)


async def test_a_body_over_a_limit_is_refused_whole_with_details(
    sender: Sender, graph: GraphControl
) -> None:
    status, answer = await sender.send(text("x" * 4097))
    assert status == 400
    assert answer["error"]["code"] == 131009
    assert "text.body length invalid" in answer["error"]["error_data"]["details"]
    assert await graph.accepted() == []


async def test_what_is_no_json_is_refused(sender: Sender) -> None:
    url = f"{sender.address}/v26.0/{MIRADOR.phone_number_id}/messages"
    async with sender.session.post(url, data=b"{", headers=sender.headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == 100


async def test_a_read_mark_is_no_message(sender: Sender, graph: GraphControl) -> None:
    status, answer = await sender.send(
        {
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": "wamid.X",
            "typing_indicator": {"type": "text"},
        }
    )
    assert (status, answer) == (200, {"success": True})
    [mark] = await graph.marks()
    assert (mark["message_id"], mark["typing"]) == ("wamid.X", True)
    assert await graph.accepted() == []


async def test_the_pair_limit_lets_45_pass_and_no_more_and_spares_other_guests(
    sender: Sender, graph: GraphControl
) -> None:
    await graph.settings(pair_limit=True)
    answers = [await sender.send(text("hola")) for _ in range(46)]
    assert [status for status, _ in answers] == [200] * 45 + [400]
    assert answers[-1][1]["error"]["code"] == 131056
    assert (await sender.send(text("hola", to="34600000002")))[0] == 200


@pytest.mark.parametrize(("kind", "accepted"), [("hang_up", 0), ("lose_answer", 1)])
async def test_a_connection_lost_on_demand(
    sender: Sender, graph: GraphControl, kind: str, accepted: int
) -> None:
    await graph.fault(kind)
    with pytest.raises(aiohttp.ClientError):
        await sender.send(text("hola"))
    assert len(await graph.accepted()) == accepted


async def test_errors_on_demand_hit_as_many_sends_as_asked(
    sender: Sender, graph: GraphControl
) -> None:
    await graph.fault("error", count=2, code=130429)
    answers = [await sender.send(text("hola")) for _ in range(3)]
    assert [status for status, _ in answers] == [400, 400, 200]
    assert answers[0][1]["error"]["message"] == "(#130429) Rate limit hit"
    assert len(await graph.accepted()) == 1


async def test_accepted_and_answered_with_500(
    sender: Sender, graph: GraphControl, gateway: Gateway
) -> None:
    await graph.fault("accept_then_500", to="34600000001")
    assert (await sender.send(text("other", to="34600000002")))[0] == 200
    assert (await sender.send(text("hola")))[0] == 500
    assert len(await graph.accepted()) == 2
    assert len(await gateway.receives("statuses", 6)) == 6


async def test_a_message_can_fail_later(
    sender: Sender, graph: GraphControl, gateway: Gateway
) -> None:
    await graph.fault("fail_status", code=131026)
    assert (await sender.send(text("hola")))[0] == 200
    [failed] = await gateway.receives("statuses", 1)
    assert failed["status"] == "failed"
    assert failed["errors"][0]["code"] == 131026


async def test_a_fault_that_does_not_exist_is_refused(graph: GraphControl) -> None:
    with pytest.raises(ValueError, match="kind must be one of"):
        await graph.fault("explode")


async def test_long_poll_wakes_on_the_message_that_was_waited_for(
    sender: Sender, graph: GraphControl
) -> None:
    await sender.send(text("for another", to="34600000002"))
    _, after = await graph.messages()
    await sender.send(text("hola"))
    [message], after = await graph.messages(after, to="34600000001", wait=10)
    assert message["body"]["text"]["body"] == "hola"
    assert await graph.messages(after, to="34600000001") == ([], after)


async def test_a_delayed_answer_is_accepted_before_it_is_answered(
    sender: Sender, graph: GraphControl
) -> None:
    await graph.fault("delay", seconds=30)
    sending = asyncio.create_task(sender.send(text("hola")))
    [message], _ = await graph.messages(wait=10)
    assert message["body"]["text"]["body"] == "hola"
    assert not sending.done()
    sending.cancel()


async def test_a_message_may_never_be_heard_of_again(
    sender: Sender, graph: GraphControl, gateway: Gateway
) -> None:
    await graph.fault("no_statuses")
    await sender.send(text("hola", biz_opaque_callback_data="silent"))
    await sender.send(text("hola", biz_opaque_callback_data="heard"))
    statuses = await gateway.receives("statuses", 3)
    assert {one["biz_opaque_callback_data"] for one in statuses} == {"heard"}
    assert len(await graph.accepted()) == 2


async def test_faults_that_were_asked_for_can_be_called_off(
    sender: Sender, graph: GraphControl
) -> None:
    await graph.fault("error", count=100)
    await graph.clear_faults()
    assert (await sender.send(text("hola")))[0] == 200
