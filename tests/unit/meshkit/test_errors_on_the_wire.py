"""Errors keep kind, reason, metadata, fields and retry time over the wire."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from meshkit import errors, status

KINDS = [
    errors.InvalidArgument,
    errors.NotFound,
    errors.AlreadyExists,
    errors.PermissionDenied,
    errors.Unauthenticated,
    errors.FailedPrecondition,
    errors.Aborted,
    errors.ResourceExhausted,
    errors.Unavailable,
    errors.DeadlineExceeded,
    errors.Unimplemented,
    errors.Internal,
]
# What protobuf strings can hold: everything but lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
reasons = st.from_regex(r"[A-Z][A-Z_]{2,20}", fullmatch=True)
keys = st.from_regex(r"[a-z][a-z_]{0,15}", fullmatch=True).filter(
    lambda key: key not in {"reason", "message", "retry_after", "violations", "self"}
)


@given(
    kind=st.sampled_from(KINDS),
    reason=reasons,
    message=texts.filter(bool),
    metadata=st.dictionaries(keys, texts, max_size=4),
    retry_after=st.none() | st.integers(0, 10**6).map(lambda micros: micros / 1e6),
)
def test_an_error_comes_back_as_it_was(
    kind: type[errors.MeshError],
    reason: str,
    message: str,
    metadata: dict[str, str],
    retry_after: float | None,
) -> None:
    sent = kind(reason, message, retry_after=retry_after, **metadata)
    wire = status.to_status(sent, "booking.conserje").SerializeToString()
    got = status.from_status(status_pb2.Status.FromString(wire))
    assert type(got) is kind
    assert (got.reason, got.message, got.metadata) == (reason, message, metadata)
    if retry_after is not None:
        assert got.retry_after == pytest.approx(retry_after)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_may_pass_by_itself_says_when_to_ask_again(
    kind: type[errors.MeshError],
) -> None:
    got = status.from_status(status.to_status(kind("X_Y"), "d"))
    expected = kind in (errors.Unavailable, errors.ResourceExhausted)
    assert (got.retry_after is not None) == expected


def test_every_kind_has_the_code_of_its_name() -> None:
    names = [status.to_grpc_code(kind("X")).name for kind in KINDS]
    assert names == [
        "".join("_" + c if c.isupper() else c.upper() for c in kind.__name__)[1:] for kind in KINDS
    ]


def test_fields_come_back() -> None:
    sent = errors.InvalidArgument.field("items[3].check_in_date", "is no day", tenant_id="h")
    got = status.from_status(status.to_status(sent, "d"))
    assert isinstance(got, errors.InvalidArgument)
    assert got.violations == (errors.Violation("items[3].check_in_date", "is no day"),)
    assert (got.reason, got.metadata) == ("INVALID_REQUEST", {"tenant_id": "h"})


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (code_pb2.CANCELLED, errors.Unavailable, "CANCELLED"),
        (code_pb2.UNKNOWN, errors.Internal, "UNKNOWN"),
        (code_pb2.OUT_OF_RANGE, errors.InvalidArgument, "OUT_OF_RANGE"),
        (code_pb2.DATA_LOSS, errors.Internal, "DATA_LOSS"),
        (code_pb2.OK, errors.Internal, "OK"),
        (999, errors.Internal, "UNKNOWN"),
    ],
)
def test_a_bare_code_becomes_the_nearest_kind(
    code: int, kind: type[errors.MeshError], reason: str
) -> None:
    got = status.from_status(status_pb2.Status(code=code))
    assert type(got) is kind
    assert got.reason == reason


def test_details_of_other_types_are_passed_over() -> None:
    wire = status.to_status(errors.NotFound("GONE"), "d")
    wire.details.add().Pack(error_details_pb2.LocalizedMessage(locale="es", message="no"))
    assert status.from_status(wire).reason == "GONE"


def test_an_rpc_error_without_details_still_has_a_kind() -> None:
    failed = grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details="gone"
    )
    got = status.from_rpc_error(failed)
    assert isinstance(got, errors.Unavailable)
    assert (got.reason, got.message) == ("UNAVAILABLE", "gone")
