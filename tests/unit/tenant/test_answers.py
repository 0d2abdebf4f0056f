"""Answers kept as bytes are the messages that they stand for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from conserje.tenant.v1.tenant_service_pb2 import (
    BatchResolveTenantsResponse,
    ResolveTenantResponse,
    ResolveTenantResult,
)
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

from services.tenant import answers
from services.tenant.answers import Answers, to_batch, to_record
from services.tenant.domain import Number, Snapshot
from tests.sent import read
from tests.unit.tenant.numbers import DELETED, MIRADOR, SUSPENDED, snapshot

times = st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC))
numbers = st.builds(
    replace,
    st.sampled_from([MIRADOR, SUSPENDED, DELETED]),
    # From nothing to more than a length of one or two bytes says.
    display_name=st.integers(0, 20_000).map("x".__mul__),
    until_time=st.none() | times,
    since_time=st.none() | times,
)
errors = st.builds(Status, code=st.integers(1, 16), message=st.text(max_size=200))


def plain(number: Number, as_of: datetime) -> ResolveTenantResponse:
    """The answer made field by field."""
    response = ResolveTenantResponse(routing_record=to_record(number))
    response.as_of.FromDatetime(as_of)
    if number.until_time is not None:
        response.until_time.FromDatetime(number.until_time)
    return response


def resolved(kept: Answers, number: Number, now: Snapshot) -> ResolveTenantResponse:
    """What the other side reads."""
    return read(ResolveTenantResponse, kept.response(number, now))


@given(st.lists(st.lists(numbers | errors, max_size=4), max_size=3), times)
def test_bytes_put_together_are_the_message(
    batches: list[list[Number | Status]], as_of: datetime
) -> None:
    kept = Answers()
    for count, batch in enumerate(batches):
        now = replace(snapshot(), read_time=as_of + timedelta(days=count))
        expected = BatchResolveTenantsResponse()
        outcomes: list[bytes | Status] = []
        for one in batch:
            if isinstance(one, Status):
                outcomes.append(one)
                expected.results.append(ResolveTenantResult(error=one))
                continue
            assert resolved(kept, one, now) == plain(one, now.read_time)
            outcomes.append(kept.result(one, now))
            expected.results.add(value=plain(one, now.read_time))
        assert read(BatchResolveTenantsResponse, to_batch(outcomes)) == expected


@pytest.mark.parametrize("most", [2, 1000])
def test_there_are_no_more_than_allowed_or_than_there_are_identifiers(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(answers, "MOST_ANSWERS", most)
    kept, now = Answers(), snapshot()
    for version in range(50):
        for number in (MIRADOR, SUSPENDED, DELETED):
            changed = replace(number, version=version)
            assert resolved(kept, changed, now).routing_record.version == version
    assert kept.kept == min(most, now.size)
