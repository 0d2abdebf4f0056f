"""JSON as it arrives: read quickly when it is clean, tolerantly when it is not.

orjson refuses what a guest can make Meta send: half an emoji, NaN, numbers
without end, a thousand brackets. One such item must not cost the other 999 of
its body their delivery, so the standard parser reads what orjson does not.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

Json = dict[str, Any]
"""A JSON object."""

_MAX_DEPTH = 400
"""Deeper values are kept as text. Both JSON writers below manage this depth, and
the interpreter's recursion limit of 1,000 leaves room for the callers."""

_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)


class OddJsonError(Exception):
    """The quick way cannot read or write this without losing something."""


class Written(float):
    """A number that remembers how it was written: ids may have 30 digits."""

    written: str

    def __new__(cls, written: str) -> Written:
        """The nearest float, and what was written."""
        number = super().__new__(cls, written)
        number.written = written
        return number


def read(body: bytes) -> Any:
    """The value of a JSON text. Raises `OddJsonError` when `read_odd` has to look."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise OddJsonError from error


def read_odd(body: bytes) -> Any:
    """The value of a text that is nearly JSON. Raises ValueError if it is none.

    Bytes that are no UTF-8 and halves of surrogate pairs become U+FFFD, NaN and
    Infinity their names, long numbers `Written`, and what is nested too deeply
    the text it was written as.
    """
    text = body.decode("utf-8", "replace").lstrip("\ufeff")
    try:
        return _ODD.decode(_fold(_ESCAPE.sub(_whole, text)))
    except RecursionError:
        raise ValueError("brackets that are never closed") from None


def write(value: Any) -> bytes:
    """The canonical JSON of a value: sorted keys, no spaces. May raise `OddJsonError`."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=float)
    except TypeError as error:
        raise OddJsonError from error


def write_odd(value: Any) -> bytes:
    """`write` for what `read_odd` gave: it writes everything."""
    try:
        return write(value)
    except OddJsonError:
        # Deeper than orjson goes: `write` refuses the same values in a clean body,
        # which is then read again in this way. So an item has one canonical form,
        # whatever else is in its body.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        return text.encode()


def _whole(escape: re.Match[str]) -> str:
    return "\\ufffd" if escape["lone"] else escape[0]


def _int(written: str) -> int | float:
    """What orjson makes of the same digits, but without losing them."""
    if len(written) > 20:
        return Written(written)
    number = int(written)
    return number if -(2**63) <= number < 2**64 else Written(written)


def _fold(text: str) -> str:
    """The text with every value below `_MAX_DEPTH` turned into a string."""
    kept: list[str] = []
    depth = position = start = 0
    for match in _BRACKET.finditer(text):
        mark = text[match.start()]
        if mark in "[{":
            depth += 1
            if depth == _MAX_DEPTH + 1:
                start = match.start()
        elif mark in "]}":
            if depth == _MAX_DEPTH + 1:
                kept += (text[position:start], json.dumps(text[start : match.end()]))
                position = match.end()
            depth -= 1
    return "".join((*kept, text[position:]))


_ODD = json.JSONDecoder(strict=False, parse_float=Written, parse_int=_int, parse_constant=str)
