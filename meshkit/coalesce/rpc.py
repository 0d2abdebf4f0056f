"""Lets a coalescer speak a batch RPC: items in, `oneof { value; google.rpc.Status error }` out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableSequence, Sequence
from time import monotonic
from typing import Any, Literal, Protocol, TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.status_pb2 import Status

from meshkit import deadlines
from meshkit.coalesce.coalescer import Coalescer, Send
from meshkit.coalesce.metrics import CoalescerMetrics
from meshkit.coalesce.room import Limits, Ticket
from meshkit.errors import Internal, MeshError
from meshkit.status import from_rpc_error, from_status

# What is added to an item on its way: `time_remaining` (at most 14 bytes), `traceparent` (57), and
# the tag and length of the item itself.
_STAMP_BYTES = 14 + 57 + 6


class BatchItem(Protocol):
    """One item of a batch request; every one has these two (fields 14 and 15)."""

    traceparent: str

    @property
    def time_remaining(self) -> Duration:
        """What is left of the caller's time."""
        ...

    def ByteSize(self) -> int:  # noqa: N802
        """What the item weighs on the wire."""
        ...

    def ClearField(self, field_name: Literal["time_remaining"], /) -> None:  # noqa: N802
        """Take a field away."""
        ...


ItemT = TypeVar("ItemT", bound=BatchItem)
ValueT = TypeVar("ValueT")
ValueT_co = TypeVar("ValueT_co", covariant=True)


class BatchResult(Protocol[ValueT_co]):
    """What became of one item."""

    @property
    def value(self) -> ValueT_co:
        """The answer."""
        ...

    @property
    def error(self) -> Status:
        """Why there is none."""
        ...

    def WhichOneof(  # noqa: N802
        self, oneof_group: Literal["result"], /
    ) -> Literal["value", "error"] | None:
        """Which of the two is set."""
        ...


class BatchRequest(Protocol[ItemT]):
    """The request of a batch RPC."""

    @property
    def items(self) -> MutableSequence[ItemT]:
        """The items."""
        ...


class BatchResponse(Protocol[ValueT_co]):
    """The answer of a batch RPC."""

    @property
    def results(self) -> Sequence[BatchResult[ValueT_co]]:
        """One for each item, in order."""
        ...


class BatchMethod(Protocol[ValueT_co]):
    """A batch RPC as a stub offers it."""

    def __call__(
        self,
        request: Any,  # the request message of this very method
        /,
        *,
        timeout: float | None = None,
    ) -> Awaitable[BatchResponse[ValueT_co]]:
        """Call it, for at most `timeout` seconds."""
        ...


def rpc_coalescer(
    method: BatchMethod[ValueT],
    request_type: Callable[[], BatchRequest[ItemT]],
    *,
    name: str,
    tenant_of: Callable[[ItemT], str],
    metrics: CoalescerMetrics,
    traceparent: Callable[[], str] = str,
    limits: Limits | None = None,
) -> Coalescer[ItemT, ValueT]:
    """The coalescer in front of `method`, a batch RPC that takes `request_type`."""
    return Coalescer(
        rpc_send(method, request_type),
        name=name,
        size_of=_size,
        tenant_of=tenant_of,
        metrics=metrics,
        traceparent=traceparent,
        limits=limits,
    )


def rpc_send(
    method: BatchMethod[ValueT], request_type: Callable[[], BatchRequest[ItemT]]
) -> Send[ItemT, ValueT]:
    """A `send` that calls `method`. Items are copied, so callers keep theirs as they were."""

    async def send(
        batch: Sequence[Ticket[ItemT, ValueT]], timeout: float
    ) -> Sequence[ValueT | MeshError]:
        request = request_type()
        request.items.extend([ticket.item for ticket in batch])
        _stamp(request.items, batch)
        try:
            response = await method(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
        return [_outcome(result) for result in response.results]

    return send


def _size(item: BatchItem) -> int:
    return item.ByteSize() + _STAMP_BYTES


def _stamp(items: Iterable[BatchItem], batch: Sequence[Ticket[ItemT, ValueT]]) -> None:
    """Tell each item's trace, and the time of those that have less than the batch.

    Less by no more than the server's reserve is as much: saying so costs both sides more than
    knowing it saves.
    """
    now = monotonic()
    as_long = max(ticket.expires for ticket in batch) - deadlines.RESERVE
    for item, ticket in zip(items, batch, strict=True):
        item.traceparent = ticket.traceparent
        item.ClearField("time_remaining")
        if ticket.expires < as_long:
            item.time_remaining.FromNanoseconds(max(0, int((ticket.expires - now) * 1e9)))


def _outcome(result: BatchResult[ValueT]) -> ValueT | MeshError:
    kind = result.WhichOneof("result")
    if kind == "value":
        return result.value
    if kind == "error":
        return from_status(result.error)
    return Internal("RESULT_MISSING", "the server left the result of an item empty")
