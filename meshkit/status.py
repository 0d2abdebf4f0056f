"""Errors over the wire: `MeshError` ↔ `google.rpc.Status` (AIP-193).

Every error carries an `ErrorInfo` (reason, domain, metadata); bad input carries
its fields, and what may be asked again carries when.
"""

from __future__ import annotations

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

from meshkit.errors import (
    Aborted,
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    MeshError,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    Violation,
)

DETAILS_KEY = "grpc-status-details-bin"
DEFAULT_RETRY_AFTER = 0.5
"""Seconds told with UNAVAILABLE and RESOURCE_EXHAUSTED when the error knows none:
longer than a connection takes to come back, shorter than a person waits."""

_CODES: dict[type[MeshError], int] = {
    InvalidArgument: code_pb2.INVALID_ARGUMENT,
    NotFound: code_pb2.NOT_FOUND,
    AlreadyExists: code_pb2.ALREADY_EXISTS,
    PermissionDenied: code_pb2.PERMISSION_DENIED,
    Unauthenticated: code_pb2.UNAUTHENTICATED,
    FailedPrecondition: code_pb2.FAILED_PRECONDITION,
    Aborted: code_pb2.ABORTED,
    ResourceExhausted: code_pb2.RESOURCE_EXHAUSTED,
    Unavailable: code_pb2.UNAVAILABLE,
    DeadlineExceeded: code_pb2.DEADLINE_EXCEEDED,
    Unimplemented: code_pb2.UNIMPLEMENTED,
    Internal: code_pb2.INTERNAL,
}
_KINDS: dict[int, type[MeshError]] = {code: kind for kind, code in _CODES.items()} | {
    # The peer was told to stop, which says nothing about the request.
    code_pb2.CANCELLED: Unavailable,
    code_pb2.OUT_OF_RANGE: InvalidArgument,
    code_pb2.UNKNOWN: Internal,
    code_pb2.DATA_LOSS: Internal,
}
_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}


def to_code(error: MeshError) -> int:
    """The number of the error's kind in `google.rpc.Code`."""
    for kind in type(error).__mro__:
        if kind in _CODES:
            return _CODES[kind]
    return code_pb2.INTERNAL


def to_grpc_code(error: MeshError) -> grpc.StatusCode:
    """The error's kind as grpc names it."""
    return _GRPC_CODES[to_code(error)]


def to_status(error: MeshError, domain: str) -> status_pb2.Status:
    """The error as it goes over the wire; `domain` is like `booking.conserje`."""
    status = status_pb2.Status(code=to_code(error), message=error.message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=domain, metadata=error.metadata)
    status.details.add().Pack(info)
    if isinstance(error, InvalidArgument) and error.violations:
        status.details.add().Pack(_bad_request(error.violations))
    retry_after = error.retry_after
    if retry_after is None and isinstance(error, Unavailable | ResourceExhausted):
        retry_after = DEFAULT_RETRY_AFTER
    if retry_after is not None:
        status.details.add().Pack(_retry_info(retry_after))
    return status


def from_status(status: status_pb2.Status) -> MeshError:
    """The error that a peer sent; a code that is no error is a bug of the peer."""
    info = error_details_pb2.ErrorInfo()
    bad_request = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        # Unpack leaves its argument alone when the detail is of another type.
        _ = detail.Unpack(info) or detail.Unpack(bad_request) or detail.Unpack(retry)
    kind = _KINDS.get(status.code, Internal)
    error = kind(info.reason or _code_name(status.code), status.message)
    error.metadata = dict(info.metadata)
    if retry.HasField("retry_delay"):
        error.retry_after = retry.retry_delay.ToNanoseconds() / 1e9
    if isinstance(error, InvalidArgument):
        error.violations = tuple(
            Violation(one.field, one.description) for one in bad_request.field_violations
        )
    return error


def from_rpc_error(error: grpc.aio.AioRpcError) -> MeshError:
    """The error a call ended with, whether the peer described it or not."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return from_status(status_pb2.Status.FromString(value))
    code: int = error.code().value[0]
    return from_status(status_pb2.Status(code=code, message=error.details() or ""))


def _code_name(code: int) -> str:
    known = _GRPC_CODES.get(code)
    return known.name if known is not None else "UNKNOWN"


def _bad_request(violations: tuple[Violation, ...]) -> error_details_pb2.BadRequest:
    message = error_details_pb2.BadRequest()
    for violation in violations:
        message.field_violations.add(field=violation.field, description=violation.description)
    return message


def _retry_info(seconds: float) -> error_details_pb2.RetryInfo:
    delay = Duration()
    delay.FromNanoseconds(round(seconds * 1e9))
    return error_details_pb2.RetryInfo(retry_delay=delay)
