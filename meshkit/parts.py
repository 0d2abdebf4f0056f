"""Messages put together of bytes that were made before.

Protobuf lets the fields of a message be written one after the other, in any order and from several
sources. Copying bytes into place takes a tenth of the time that copying a message takes. A servicer
may answer with the bytes: `meshkit.server` sends them as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar, cast

from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

ResponseT = TypeVar("ResponseT", bound=Message)

Embed = Callable[[bytes], bytes]
"""Makes the bytes of a message a field of another."""

_DELIMITED = 2
"""The wire type of what has its length before it."""


def embedding(kind: type[Message], field: str) -> Embed:
    """Writes the bytes of a message into its field of another `kind` of message."""
    tag = _varint(kind.DESCRIPTOR.fields_by_name[field].number << 3 | _DELIMITED)

    def embed(content: bytes) -> bytes:
        length = len(content)
        written = _LENGTHS[length] if length < len(_LENGTHS) else _varint(length)
        return tag + written + content

    return embed


def sent_as(kind: type[ResponseT], content: bytes) -> ResponseT:  # noqa: ARG001
    """The bytes of a response, for a servicer to answer with; to the types it is the response."""
    return cast(ResponseT, content)


class BatchOf(Generic[ResponseT]):
    """Makes the response of a batch: `results` of a `value` or an `error` each, as its bytes."""

    def __init__(self, response: type[ResponseT], result: type[Message]) -> None:
        self._response = response
        self._results = embedding(response, "results")
        self._value = embedding(result, "value")
        self._error = embedding(result, "error")

    def result(self, value: bytes) -> bytes:
        """A value, as the bytes of one of the results."""
        return self._results(self._value(value))

    def response(self, outcomes: Iterable[bytes | Status]) -> ResponseT:
        """The outcomes of `serve_batch` in order; those that are bytes are results."""
        parts = [one if isinstance(one, bytes) else self._refused(one) for one in outcomes]
        return sent_as(self._response, b"".join(parts))

    def _refused(self, error: Status) -> bytes:
        return self._results(self._error(error.SerializeToString()))


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


_LENGTHS = [_varint(length) for length in range(4096)]
