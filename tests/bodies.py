"""Webhook bodies to test with: Meta's own, ours for every fact, and any mix of them.

`tests/data/meta/webhooks` are the bodies of Meta's OpenAPI description.
`tests/data/bodies` has one file for each row and fact of WhatsApp's behaviour
that we rely on: `fact` (what it shows), `body` (as it arrives) and `events`
(what it must become, written by hand): the payload of each item in protobuf's
JSON, with `raw` where the item must also be kept as it came.

`walk` finds the items of a body by itself, without any code of the gateway.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]

DATA = Path(__file__).parent / "data"
LISTS = ("messages", "statuses", "errors")
MAX_BYTES = 3_000_000
"""Meta's own bound for a body."""


@dataclass(frozen=True)
class Body:
    """One webhook body and what must become of it."""

    name: str
    fact: str
    json: Json
    events: tuple[Json, ...] | None
    """None for Meta's bodies, which come without an expectation."""

    @property
    def data(self) -> bytes:
        """The bytes to post."""
        return json.dumps(self.json, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Item:
    """One item of a body, as it stands there."""

    kind: str
    """`messages`, `statuses` or `errors`; for another field its whole value: `field`."""
    account: str
    number: str
    """Empty when the value names none."""
    field: str
    json: Any
    metadata: Json | None = None
    contacts: tuple[Json, ...] = ()
    """The cards of the value that a message came in."""
    event: Json | None = None
    """What must become of it, where that is known."""


def _cards_of(message: Json, value: Json) -> tuple[Json, ...]:
    """The cards that belong to a message: a lone one need not name its lone sender."""
    cards = value.get("contacts", ())
    return tuple(card for card in cards if len(value["messages"]) == 1 or _names(card, message))


def _names(card: Json, message: Json) -> bool:
    ids = {message.get("from"), message.get("from_user_id")} - {None, ""}
    return bool(ids & {card.get("wa_id"), card.get("user_id")})


@cache
def load() -> tuple[Body, ...]:
    """Every body there is, Meta's first."""
    meta = [
        Body(f"meta/{path.stem}", "Meta's OpenAPI description", json.loads(path.read_bytes()), None)
        for path in sorted((DATA / "meta" / "webhooks").glob("*.json"))
    ]
    return (*meta, *map(_ours, sorted((DATA / "bodies").glob("*.json"))))


def body(name: str) -> Body:
    """One body by name."""
    return next(one for one in load() if one.name == name)


def _ours(path: Path) -> Body:
    content = json.loads(path.read_bytes())
    return Body(path.stem, content["fact"], content["body"], tuple(content["events"]))


def sign(data: bytes, secret: str) -> str:
    """The value of `X-Hub-Signature-256`, as Meta makes it."""
    return "sha256=" + hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()


def walk(content: Json) -> Iterator[Item]:
    """The items of a well-formed body, in order."""
    for entry in content["entry"]:
        for change in entry["changes"]:
            yield from _items_of(str(entry["id"]), change["field"], change["value"])


def _items_of(account: str, field: str, value: Any) -> Iterator[Item]:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    number = str(metadata["phone_number_id"]) if metadata else ""
    if field != "messages":
        yield Item("field", account, number, field, value, metadata)
        return
    for kind in LISTS:
        for one in value.get(kind, ()):
            cards = _cards_of(one, value) if kind == "messages" else ()
            yield Item(kind, account, number, field, one, metadata, cards)


def items() -> list[Item]:
    """The items of our bodies, each with its expected event."""
    found: list[Item] = []
    for one in load():
        # An event more than items is for a part of the value that is not known.
        if one.events is not None and len(own := list(walk(one.json))) == len(one.events):
            pairs = zip(own, one.events, strict=True)
            found += [replace(item, event=event) for item, event in pairs]
    return found


@dataclass(frozen=True)
class Composition:
    """A body made of many items."""

    data: bytes
    items: tuple[Item, ...]
    """In the order in which they stand in the body."""


def compose(seed: int, count: int) -> Composition:
    """A body of `count` items of all kinds, each unlike all others, in any structure."""
    chance = random.Random(seed)
    stock = items()
    picked = [_unique(chance.choice(stock), f"{seed}-{index}") for index in range(count)]
    return pack(picked, chance.randrange(2**32))


def recompose(picked: Sequence[Item], seed: int, bodies: int) -> list[Composition]:
    """The same items in another order and in other bodies."""
    chance = random.Random(seed)
    shuffled = list(picked)
    chance.shuffle(shuffled)
    size = -(-len(shuffled) // bodies)
    parts = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    return [pack(part, chance.randrange(2**32)) for part in parts]


def pack(picked: Sequence[Item], seed: int) -> Composition:
    """A body of these items: neighbours share entries and values where they can, or not."""
    packer = _Packer(random.Random(seed))
    for item in picked:
        packer.add(item)
    content = {"object": "whatsapp_business_account", "entry": packer.entries}
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    assert len(data) <= MAX_BYTES
    return Composition(data, tuple(packer.ordered()))


class _Packer:
    """Lays items out in entries, changes and values."""

    def __init__(self, chance: random.Random) -> None:
        self.entries: list[Json] = []
        self._chance = chance
        self._placed: list[list[Item]] = []
        """The items of each change."""

    def add(self, item: Item) -> None:
        """Put an item behind those that are there, or beside the last one."""
        if not self._may_join(item):
            changes = self._entry(item.account)["changes"]
            changes.append({"field": item.field, "value": _value(item)})
            self._placed.append([])
        elif item.contacts:
            self._last_value()["contacts"] = list(item.contacts)
        if item.kind != "field":
            self._last_value().setdefault(item.kind, []).append(item.json)
        self._placed[-1].append(item)

    def ordered(self) -> Iterator[Item]:
        """The items in the order in which a value is read: messages, statuses, errors."""
        for placed in self._placed:
            yield from sorted(placed, key=lambda item: (*LISTS, "field").index(item.kind))

    def _entry(self, account: str) -> Json:
        entries = self.entries
        if not entries or entries[-1]["id"] != account or self._chance.random() < 0.2:
            entries.append({"id": account, "changes": []})
        return entries[-1]

    def _last_value(self) -> Json:
        value: Json = self.entries[-1]["changes"][-1]["value"]
        return value

    def _may_join(self, item: Item) -> bool:
        if not self._placed or item.kind == "field" or self._chance.random() < 0.2:
            return False
        beside = self._placed[-1]
        same_value = (item.account, item.metadata) == (beside[0].account, beside[0].metadata)
        if beside[0].kind == "field" or not same_value:
            return False
        messages = [one for one in beside if one.kind == "messages"]
        return item.kind != "messages" or all(_share_cards(item, one) for one in messages)


def _share_cards(one: Item, other: Item) -> bool:
    """Whether both find the same card as when they are alone."""
    return one.contacts == other.contacts and _is_named(one) and _is_named(other)


def _is_named(item: Item) -> bool:
    """Whether a card names the sender; a lone card may be meant without naming him."""
    return not item.contacts or any(_names(card, item.json) for card in item.contacts)


def _value(item: Item) -> Any:
    if item.kind == "field":
        return item.json
    value: Json = {"messaging_product": "whatsapp", "metadata": item.metadata}
    if item.contacts:
        value["contacts"] = list(item.contacts)
    return value


def _unique(item: Item, serial: str) -> Item:
    """A copy that no deduplication takes for another."""
    content, event = copy.deepcopy(item.json), copy.deepcopy(item.event)
    if item.kind in ("messages", "statuses"):
        wamid = "wamid." + hashlib.sha256(serial.encode()).hexdigest()[:40]
        content["id"] = wamid
        payload = (event or {}).get("message") or (event or {}).get("status")
        if payload:
            payload["whatsapp_message_id"] = wamid
    elif item.kind == "errors":
        content["error_data"] = {"details": serial}
        if event:
            event["error"]["details"] = serial
    elif isinstance(content, dict):
        content["serial"] = serial
    else:
        content = {"serial": serial}
    return replace(item, json=content, event=event)
