"""However a body is bent, every item of it is found, and no other item notices."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.payload import translate
from meshkit.validation import validate
from tests import bodies
from tests.bodies import Json
from tests.unit.gateway.expectations import NOW

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**18, max_value=10**40),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["", "messages", "text", "1790000000", "\x00", "\ud800", "wamid.x", "7"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
BODIES = st.sampled_from(bodies.load())


def paths(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a value stands in a tree, below its root."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = []
    for key, child in inner:
        found.append((*at, key))
        if isinstance(child, (dict, list)):
            found += paths(child, (*at, key))
    return found


def bend(draw: st.DataObject, tree: Any) -> None:
    """Drop, replace, wrap or double one value of a tree."""
    places = paths(tree)
    if not places:
        return
    path = draw.draw(st.sampled_from(places), label="where")
    parent = tree
    for key in path[:-1]:
        parent = parent[key]
    key = path[-1]
    how = draw.draw(st.sampled_from(["drop", "replace", "list", "object", "double"]), label="how")
    if how == "drop":
        del parent[key]
    elif how == "replace":
        parent[key] = draw.draw(VALUES, label="by")
    elif how == "list":
        parent[key] = [parent[key]]
    elif how == "object":
        parent[key] = {"0": parent[key]}
    elif isinstance(parent, list):
        parent.append(copy.deepcopy(parent[key]))
    else:
        parent[f"{key}2"] = copy.deepcopy(parent[key])


def count(content: Any) -> int:
    """How many items stand where items belong; at least one event is due for any body."""
    try:
        values = [
            change["value"]
            for entry in content["entry"]
            for change in entry["changes"]
            if change["field"] == "messages"
        ]
        lists = [value.get(kind) for value in values for kind in bodies.LISTS]
    except (AttributeError, KeyError, TypeError):
        return 1
    return max(1, sum(len(one) for one in lists if isinstance(one, list)))


@settings(max_examples=600)
@given(body=BODIES, data=st.data())
def test_no_bent_body_raises_or_loses_an_item(body: bodies.Body, data: st.DataObject) -> None:
    content: Any = copy.deepcopy(body.json)
    for _ in range(data.draw(st.integers(1, 4), label="times")):
        bend(data, content)
    written = json.dumps(content).encode()
    events = translate(written, NOW)
    if content.get("object") == "whatsapp_business_account":
        assert len(events) >= count(content)
    for event in events:
        validate(event, verbatim=True)
        assert event.raw_json or event.WhichOneof("payload") in ("message", "status", "error")
    assert events == translate(written, NOW)


@settings(max_examples=200)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_a_bent_change_leaves_all_others_as_they_were(seed: int, data: st.DataObject) -> None:
    composed = bodies.compose(seed, 12)
    content = json.loads(composed.data)
    before = translate(composed.data, NOW)
    changes = [change for entry in content["entry"] for change in entry["changes"]]
    at = data.draw(st.integers(0, len(changes) - 1), label="change")
    sizes = [size(change) for change in changes]
    start, end = sum(sizes[:at]), sum(sizes[: at + 1])
    changes[at]["value"] = (
        data.draw(VALUES) if changes[at]["value"] is None else changes[at]["value"]
    )
    if isinstance(changes[at]["value"], (dict, list)):
        bend(data, changes[at]["value"])
    after = translate(json.dumps(content).encode(), NOW)
    assert len(after) > len(before) - (end - start)
    assert after[:start] == before[:start]
    assert after[len(after) - (len(before) - end) :] == before[end:]


def size(change: Json) -> int:
    """How many events a well-formed change becomes."""
    if change["field"] != "messages":
        return 1
    return sum(len(change["value"].get(kind, ())) for kind in bodies.LISTS)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_become_one_unreadable_body_or_items(junk: bytes) -> None:
    events = translate(junk, NOW)
    assert len(events) == 1
    assert events[0].raw_json == junk


@settings(max_examples=300)
@given(body=BODIES, data=st.data())
def test_cut_and_spoiled_bytes(body: bodies.Body, data: st.DataObject) -> None:
    written = bytearray(body.data)
    at = data.draw(st.integers(0, len(written) - 1))
    if data.draw(st.booleans()):
        del written[at:]
    else:
        written[at] = data.draw(st.integers(0, 255))
    for event in translate(bytes(written), NOW):
        validate(event, verbatim=True)
