"""The servicer's half of a batch RPC: items fail alone, results keep their order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from meshkit import deadlines
from meshkit.errors import DeadlineExceeded, MeshError
from meshkit.status import to_status
from meshkit.validation import validate_items

ItemT = TypeVar("ItemT")
ValueT = TypeVar("ValueT")
ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)

Decide = Callable[[list[ItemT]], Awaitable[Sequence[ValueT | MeshError]]]
"""Decides the items it is given, in their order; what it raises fails the whole batch."""


class ResultType(Protocol[ResultT_co]):
    """A message with `oneof result { value; google.rpc.Status error }`."""

    def __call__(self, *, value: Any = ..., error: Status = ...) -> ResultT_co:
        """One result."""
        ...


async def serve_batch(
    request: Message,
    decide: Decide[Any, ValueT],
    domain: str,
    *,
    field: str = "items",
    verbatim: bool = False,
) -> list[ValueT | Status]:
    """The outcome of each item of `request`, in order.

    An item that breaks a rule or whose time is over gets its error; all others
    are decided together by one call of `decide`. Faults of the envelope raise.
    """
    errors = validate_items(request, field, verbatim=verbatim)
    items = list(getattr(request, field))
    outcomes: list[Any] = [
        _over(item) if error is None else error for item, error in zip(items, errors, strict=True)
    ]
    accepted = [index for index, error in enumerate(outcomes) if error is None]
    if accepted:
        decided = await decide([items[index] for index in accepted])
        for index, outcome in zip(accepted, decided, strict=True):
            outcomes[index] = outcome
    return [to_status(one, domain) if isinstance(one, MeshError) else one for one in outcomes]


def to_results(
    result_type: ResultType[ResultT], outcomes: Sequence[object | Status]
) -> list[ResultT]:
    """The outcomes of `serve_batch` as the result messages of a batch response."""
    return [
        result_type(error=one) if isinstance(one, Status) else result_type(value=one)
        for one in outcomes
    ]


def _over(item: Any) -> DeadlineExceeded | None:
    """Why the answer would come too late, by the item's own time.

    The reserve is kept as for a single call. An item without a time has that of the RPC.
    """
    if not item.HasField("time_remaining"):
        return None
    left = item.time_remaining
    if left.seconds + left.nanos / 1e9 > deadlines.RESERVE:
        return None
    return DeadlineExceeded("TIME_OVER", "The item's time was over.")
