"""Meta's own payloads, composed at random, against a reader that was written apart."""

from __future__ import annotations

import copy
import json
import os
import random
from typing import Any

import pytest

from gateway.payload import translate
from tests.bodies import DATA, MAX_BYTES, Json
from tests.unit.gateway.expectations import NOW, payload_of
from tests.unit.gateway.walker import Found, walk

SEED = int(os.environ.get("CONSERJE_TEST_SEED", "20261125"))
MOST_ITEMS = 1000
ALPHABET = 'aZ0 ñé漢🙂\u0000"\\/\n\u2028<&'


def _files(folder: str) -> list[Any]:
    paths = sorted((DATA / "meta" / folder).glob("*.json"))
    assert paths, folder
    return [json.loads(path.read_bytes()) for path in paths]


CHANGES = [
    change for body in _files("webhooks") for entry in body["entry"] for change in entry["changes"]
]
SENT = [one for one in _files("send_requests") if one.get("type") in one]
ERRORS = [one["error"] for one in _files("error_responses") if "code" in one.get("error", ())]


class Composer:
    """Bodies of so many items, none like another."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._serial = 0

    def body(self, count: int, fill: int) -> bytes:
        """A body of `count` items; one text is long enough for about `fill` bytes in all."""
        entries: list[Json] = []
        left = count
        while left:
            change, size = self._change(left)
            left -= size
            if not entries or self._chance.random() < 0.3:
                entries.append({"id": str(self._chance.randrange(10**15)), "changes": []})
            entries[-1]["changes"].append(change)
        content = {"object": "whatsapp_business_account", "entry": entries}
        size = len(self._written(content))
        texts = [one["text"] for one in _messages(entries) if one["type"] == "text"]
        if texts and size < fill:
            texts[0]["body"] += "x" * (fill - size)
        return self._written(content)

    def _written(self, content: Json) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode()

    def _change(self, most: int) -> tuple[Json, int]:
        value: Json = {"messaging_product": "whatsapp", "metadata": self._metadata()}
        if self._chance.random() < 0.1:
            return self._field(value), 1
        size = min(most, self._chance.choice((1, 1, 2, 5, 40)))
        for _ in range(size):
            kind = self._chance.choice(("messages", "messages", "statuses", "errors"))
            value.setdefault(kind, []).append(self._item(kind, value))
        return {"field": "messages", "value": value}, size

    def _field(self, value: Json) -> Json:
        change: Json = copy.deepcopy(
            self._chance.choice([one for one in CHANGES if one["field"] != "messages"])
        )
        change["value"] |= {"metadata": value["metadata"], "serial": self._next()}
        return change

    def _metadata(self) -> Json:
        number = str(self._chance.randrange(1, 10**15))
        return {"display_phone_number": "15550783881", "phone_number_id": number}

    def _item(self, kind: str, value: Json) -> Json:
        if kind == "errors":
            return self._error() | {"error_data": {"details": self._text()}}
        if kind == "statuses":
            return self._status()
        return self._foreign() if self._chance.random() < 0.2 else self._message(value)

    def _message(self, value: Json) -> Json:
        """One of Meta's messages of somebody else, with his card when it comes with one."""
        source = self._chance.choice([one for one in CHANGES if one["field"] == "messages"])
        message: Json = copy.deepcopy(source["value"]["messages"][0]) | self._envelope()
        if "contacts" in source["value"]:
            card = {"profile": {"name": self._text()}, "wa_id": message["from"]}
            value.setdefault("contacts", []).append(card)
        if message["type"] == "text":
            message["text"]["body"] = self._text()
        return message

    def _foreign(self) -> Json:
        """What hotels send, coming from a guest: Meta does not show such messages."""
        sent = self._chance.choice(SENT)
        kind = sent["type"]
        content = {kind: copy.deepcopy(sent[kind]), "is_foreign": True}
        return {**self._envelope(), "type": kind, **content}

    def _envelope(self) -> Json:
        moment = str(self._chance.randrange(1_700_000_000, int(NOW)))
        return {"id": f"wamid.{self._next()}", "from": self._next(), "timestamp": moment}

    def _status(self) -> Json:
        envelope = self._envelope()
        status = {"recipient_id": envelope.pop("from"), **envelope}
        status["status"] = self._chance.choice(("sent", "delivered", "read", "failed"))
        if status["status"] == "failed":
            status["errors"] = [self._error()]
        return status

    def _error(self) -> Json:
        error: Json = copy.deepcopy(self._chance.choice(ERRORS))
        return error | {"title": self._text()}

    def _text(self) -> str:
        return "t" + "".join(self._chance.choices(ALPHABET, k=self._chance.randrange(30)))

    def _next(self) -> str:
        self._serial += 1
        return str(34_600_000_000 + self._serial)


def _messages(entries: list[Json]) -> list[Json]:
    values = [change["value"] for entry in entries for change in entry["changes"]]
    return [message for value in values for message in value.get("messages", ())]


@pytest.mark.parametrize("rounds", [20, pytest.param(200, id="full", marks=pytest.mark.soak)])
def test_every_item_of_any_composition_is_told_as_another_reader_tells_it(rounds: int) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    for index in range(rounds):
        # The first is as big as any: 1,000 items and 3 MB.
        count = MOST_ITEMS if index == 0 else chance.randint(1, MOST_ITEMS)
        fill = MAX_BYTES if index == 0 else chance.choice((0, MAX_BYTES))
        data = Composer(SEED + index).body(count, fill)
        assert len(data) > 0.99 * MAX_BYTES or index
        assert len(data) <= MAX_BYTES
        events, items = translate(data, NOW), list(walk(data))
        assert len(events) == len(items) == count, f"round {index}"
        for at, (event, item) in enumerate(zip(events, items, strict=True)):
            _check(event, item, f"round {index}, item {at}")
        assert len({event.item_key for event in events}) == count


def _check(event: Any, item: Found, where: str) -> None:
    assert (event.whatsapp_business_account_id, event.phone_number_id) == (
        item.account,
        item.number,
    ), where
    assert event.WhichOneof("payload") == item.kind, where
    told = payload_of(event)[item.kind]
    if not item.complete:
        assert event.raw_json or event.message.WhichOneof("content"), where
        told = {name: told.get(name) for name in item.told}
    assert told == item.told, where
    if event.raw_json:
        assert json.loads(event.raw_json) == item.json, where
    if item.kind in ("message", "status"):
        assert event.event_time.seconds == int(item.json["timestamp"]), where
    if item.kind == "field_update":
        assert event.raw_json, where
