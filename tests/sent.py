"""What the other side reads of an answer that was put together of bytes."""

from __future__ import annotations

from typing import TypeVar, cast

from google.protobuf.message import Message

ResponseT = TypeVar("ResponseT", bound=Message)


def read(kind: type[ResponseT], response: ResponseT) -> ResponseT:
    """The message in what a servicer answers with."""
    return kind.FromString(cast(bytes, response))
