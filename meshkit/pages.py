"""Lists that come page by page: sizes, and tokens that name the place where a page ended.

A token is opaque to whoever carries it; one that is not ours, or of another
list, is bad input and never an error of ours.
"""

from __future__ import annotations

import base64
import binascii

import orjson

from meshkit.errors import InvalidArgument

DEFAULT_SIZE = 50
LARGEST_SIZE = 200
LARGEST_NUMBER_DIGITS = 18
"""More would not fit a bigint."""


def page_size(asked: int, default: int = DEFAULT_SIZE, largest: int = LARGEST_SIZE) -> int:
    """How many rows a page has; 0 leaves it to us."""
    return min(asked or default, largest)


def to_token(*place: object) -> str:
    """The place where a page ended."""
    return base64.urlsafe_b64encode(orjson.dumps([str(one) for one in place])).decode()


def from_token(token: str, parts: int) -> list[str]:
    """The place that a token names; raises `InvalidArgument` for what is no token of this list."""
    try:
        place = orjson.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error):
        place = None
    if not isinstance(place, list) or len(place) != parts or any("\0" in str(one) for one in place):
        raise bad_token()
    return [str(one) for one in place]


def text_from_token(token: str) -> str:
    """What a list by one name ended with; "" before the first page."""
    return from_token(token, 1)[0] if token else ""


def number_from_token(token: str) -> int:
    """The number, of at most 18 digits, that a page ended with; 0 before the first page."""
    if not token:
        return 0
    (number,) = from_token(token, 1)
    if not (number.isascii() and number.isdecimal() and len(number) <= LARGEST_NUMBER_DIGITS):
        raise bad_token()
    return int(number)


def bad_token() -> InvalidArgument:
    """The error for a token that was not given out by us, or for another list."""
    return InvalidArgument.field("page_token", "is not one that was given out for this list")
