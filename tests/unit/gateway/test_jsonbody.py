"""The two ways of reading JSON: the tolerant one changes nothing where the quick one can read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import jsonbody
from gateway.jsonbody import OddJsonError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([-(2**63), -(2**63) - 1, 2**63, 2**64 - 1, 2**64, 10**30, 10**300]),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXTS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_both_ways_write_the_same(value: Any, ascii_only: bool) -> None:
    """An item's key must not depend on what else is in its body."""
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert jsonbody.write_odd(jsonbody.read_odd(body)) == jsonbody.write(jsonbody.read(body))


@given(VALUES)
def test_what_is_written_is_what_was_read(value: Any) -> None:
    read = jsonbody.read(json.dumps(value).encode())
    assert jsonbody.read(jsonbody.write(read)) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\uD83D\uDE00"', "😀"),
        (rb'"\ud83d"', "\ufffd"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\\\ud83d"', "\\\ufffd"),
        (rb'"\\ud83d"', "\\ud83d"),
        (rb'"\"\ud83d\""', '"\ufffd"'),
        (b'"\xff"', "\ufffd"),
        (b'"\xed\xa0\xbd"', "\ufffd\ufffd\ufffd"),
        (b"NaN", "NaN"),
        (b"-Infinity", "-Infinity"),
    ],
)
def test_odd_values(written: bytes, read: str) -> None:
    assert jsonbody.read_odd(b'{"k":[%s]}' % written) == {"k": [read]}
    if b"\\\\ud83d" not in written and b"\\ude00" not in written.lower()[7:]:
        with pytest.raises(OddJsonError):
            jsonbody.read(b'{"k":[%s]}' % written)


def test_odd_keys() -> None:
    assert jsonbody.read_odd(rb'{"\ud83d":1}') == {"\ufffd": 1}


@pytest.mark.parametrize("depth", [399, 400, 401, 5_000, 100_000])
@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_what_is_too_deep_is_kept_as_text(depth: int, brackets: str) -> None:
    opening, closing = brackets[:-1], brackets[-1]
    body = opening * depth + '"x ] } \\""' + closing * depth
    value, levels = jsonbody.read_odd(body.encode()), 0
    while isinstance(value, (list, dict)):
        value = value[0] if isinstance(value, list) else value["a"]
        levels += 1
    assert levels == min(depth, 400)
    rest = depth - levels
    assert value == (opening * rest + '"x ] } \\""' + closing * rest if rest else 'x ] } "')
    assert len(jsonbody.write_odd(jsonbody.read_odd(body.encode()))) >= len(body)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 401, b"[" * 100_000, b'{"a":' * 500, b"{}x", b"\xff", b"}{", b"nan"]
)
def test_what_is_no_json_at_all(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|Extra data|never closed"):
        jsonbody.read_odd(body)
