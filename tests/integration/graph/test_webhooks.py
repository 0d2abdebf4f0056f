"""Webhooks come signed, in Meta's shape, and again until they are taken."""

from pathlib import Path

import aiohttp

from sandbox.graph.app import serving
from sandbox.graph.client import GraphControl
from sandbox.graph.settings import GraphSettings
from tests.integration.graph.conftest import LUNA, MIRADOR, SETTINGS, Gateway, Sender, text

GUEST = "34600000001"


async def test_what_a_guest_types_arrives_as_meta_writes_it(
    graph: GraphControl, gateway: Gateway
) -> None:
    wamid = await graph.say(GUEST, "¿Hay sitio? \U0001f600", MIRADOR.phone_number_id, name="Ana")
    [message] = await gateway.receives("messages", 1)
    assert message["id"] == wamid
    assert message["from"] == GUEST
    assert message["text"] == {"body": "¿Hay sitio? \U0001f600"}
    assert message["timestamp"].isdigit()
    [entry] = gateway.bodies[0]["entry"]
    assert entry["id"] == MIRADOR.waba_id
    value = entry["changes"][0]["value"]
    assert value["metadata"]["phone_number_id"] == MIRADOR.phone_number_id
    assert value["contacts"][0]["profile"] == {"name": "Ana"}
    assert value["contacts"][0]["wa_id"] == GUEST


async def test_a_guest_may_hide_the_number(graph: GraphControl, gateway: Gateway) -> None:
    await graph.say(GUEST, "hola", MIRADOR.phone_number_id, hides_phone=True, user_id="ES.1")
    [message] = await gateway.receives("messages", 1)
    assert "from" not in message
    assert message["from_user_id"] == "ES.1"
    contact = gateway.bodies[0]["entry"][0]["changes"][0]["value"]["contacts"][0]
    assert contact == {"user_id": "ES.1"}


async def test_a_guest_has_another_user_id_at_every_business(
    graph: GraphControl, gateway: Gateway
) -> None:
    for number in (MIRADOR, LUNA):
        await graph.say(GUEST, "hola", number.phone_number_id)
    messages = await gateway.receives("messages", 2)
    assert len({message["from_user_id"] for message in messages}) == 2


async def test_taps_are_replies_of_buttons_and_lists(graph: GraphControl, gateway: Gateway) -> None:
    number = MIRADOR.phone_number_id
    await graph.tap(GUEST, "yes", number, title="Sí", context="wamid.X")
    await graph.tap(GUEST, "double", number, title="Doble", description="2", kind="list")
    button, row = await gateway.receives("messages", 2)
    assert button["interactive"] == {
        "type": "button_reply",
        "button_reply": {"id": "yes", "title": "Sí"},
    }
    assert button["context"] == {"id": "wamid.X"}
    assert row["interactive"]["list_reply"]["description"] == "2"


async def test_nothing_is_lost_and_nothing_out_of_order_while_the_gateway_refuses(
    graph: GraphControl, gateway: Gateway
) -> None:
    gateway.answer = 503
    texts = [str(index) for index in range(20)]
    for one in texts:
        await graph.say(GUEST, one, MIRADOR.phone_number_id)
    await gateway.until(lambda: gateway.refused >= 2)
    report = await graph.report()
    assert report["webhook_items_waiting"] == 20
    assert report["webhook_last_refusal"] == "HTTP 503"
    gateway.answer = 200
    messages = await gateway.receives("messages", 20)
    assert [message["text"]["body"] for message in messages] == texts
    await graph.settled()


async def test_a_guest_waits_for_the_gateway_only_if_asked(
    graph: GraphControl, gateway: Gateway
) -> None:
    answer = await graph.send(GUEST, MIRADOR.phone_number_id, text="hola", wait=10)
    assert answer["delivered"] is True
    gateway.answer = 503
    answer = await graph.send(GUEST, MIRADOR.phone_number_id, text="hola")
    assert answer["delivered"] is False


async def test_what_waits_is_sent_in_batches_of_several_numbers(gateway: Gateway) -> None:
    settings = GraphSettings(numbers=(MIRADOR, LUNA), batch_items=200)
    async with serving(settings) as address, GraphControl(address) as graph:
        # No address yet: the first items take all the places of webhooks under way.
        for guest in range(200):
            number = (MIRADOR, LUNA)[guest % 2]
            await graph.say(f"346{guest:08}", "hola", number.phone_number_id)
        await graph.settings(webhook_url=gateway.url)
        assert len(await gateway.receives("messages", 200)) == 200
    biggest = max(gateway.bodies, key=lambda body: len(str(body)))
    assert [entry["id"] for entry in biggest["entry"]] == [MIRADOR.waba_id, LUNA.waba_id]


async def test_items_above_the_bound_are_dropped_and_counted() -> None:
    settings = GraphSettings(numbers=(MIRADOR,), keep_waiting=3)
    async with serving(settings) as address, GraphControl(address) as graph:
        for _ in range(5):
            await graph.say(GUEST, "hola")
        report = await graph.report()
    assert (report["webhook_items_waiting"], report["webhook_items_dropped"]) == (3, 2)


async def test_a_restart_on_the_same_journal_loses_nothing(
    tmp_path: Path, gateway: Gateway
) -> None:
    journal = GraphSettings(
        numbers=SETTINGS.numbers, status_delays=SETTINGS.status_delays, log=tmp_path / "graph.jsonl"
    )
    async with (
        serving(journal) as address,
        GraphControl(address) as graph,
        aiohttp.ClientSession() as session,
    ):
        sender = Sender(address, session)
        await sender.send(text("before", biz_opaque_callback_data="7"))
        wamid = await graph.say(GUEST, "nobody listens", MIRADOR.phone_number_id)
    # What guests write is nobody else's to read.
    assert (tmp_path / "graph.jsonl").stat().st_mode & 0o777 == 0o600
    # What a killed process leaves behind may end in half a line.
    with (tmp_path / "graph.jsonl").open("a") as file:
        file.write('{"queued": {"num')

    resumed = GraphSettings(
        webhook_url=gateway.url,
        numbers=SETTINGS.numbers,
        status_delays=SETTINGS.status_delays,
        log=tmp_path / "graph.jsonl",
    )
    async with serving(resumed) as address, GraphControl(address) as graph:
        [message] = await gateway.receives("messages", 1)
        assert message["id"] == wamid
        statuses = await gateway.receives("statuses", 3)
        assert {one["biz_opaque_callback_data"] for one in statuses} == {"7"}
        [entry] = await graph.accepted()
        assert entry["body"]["text"]["body"] == "before"
        await graph.settled()
    async with serving(resumed) as address, GraphControl(address) as graph:
        assert (await graph.report())["webhook_items_waiting"] == 0
