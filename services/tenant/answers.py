"""Answers about numbers and hotels, kept as the bytes that go over the wire.

Making a message takes ten times as long as putting its bytes into place, and a hundred thousand
messages take ten times the memory. So an answer is its number's bytes and those of its snapshot's
`as_of`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from conserje.tenant.v1.tenant_pb2 import RoutingRecord, ThroughputTier
from conserje.tenant.v1.tenant_pb2 import TenantState as TenantStateMessage
from conserje.tenant.v1.tenant_service_pb2 import (
    BatchResolveTenantsResponse,
    ResolveTenantResponse,
    ResolveTenantResult,
)
from google.rpc.status_pb2 import Status

from meshkit.parts import BatchOf, sent_as
from services.tenant.domain import Number, Snapshot

MOST_ANSWERS = 100_000
"""Some 70 MB."""
_BATCH = BatchOf(BatchResolveTenantsResponse, ResolveTenantResult)


@dataclass(slots=True)
class _Answer:
    about: Number
    without_as_of: bytes
    of: Snapshot | None = None
    result: bytes = b""
    """For a batch, as of that snapshot."""


class Answers:
    """The answers about the numbers that were asked for, each made the first time."""

    def __init__(self) -> None:
        self._made: OrderedDict[int, _Answer] = OrderedDict()
        self._of: Snapshot | None = None
        self._as_of = b""

    @property
    def kept(self) -> int:
        """How many there are."""
        return len(self._made)

    def response(self, number: Number, snapshot: Snapshot) -> ResolveTenantResponse:
        """The whole answer about `number` as it is in `snapshot`."""
        answer = self._answer(number, snapshot)
        return sent_as(ResolveTenantResponse, answer.without_as_of + self._as_of)

    def result(self, number: Number, snapshot: Snapshot) -> bytes:
        """The same as the bytes of one of the `results` of a batch."""
        answer = self._answer(number, snapshot)
        if answer.of is not snapshot:
            answer.of, answer.result = snapshot, _BATCH.result(answer.without_as_of + self._as_of)
        return answer.result

    def _answer(self, number: Number, snapshot: Snapshot) -> _Answer:
        if self._of is not snapshot:
            self._of, as_of = snapshot, ResolveTenantResponse()
            as_of.as_of.FromDatetime(snapshot.read_time)
            self._as_of = as_of.SerializeToString()
        key = id(number)
        known = self._made.get(key)
        if known is None or known.about is not number:
            known = self._made[key] = _Answer(number, _without_as_of(number))
            # Numbers that are no more would stay otherwise.
            if len(self._made) > min(MOST_ANSWERS, snapshot.size):
                self._made.popitem(last=False)
        return known


def to_batch(outcomes: Sequence[bytes | Status]) -> BatchResolveTenantsResponse:
    """The answer to a batch."""
    return _BATCH.response(outcomes)


def to_record(number: Number) -> RoutingRecord:
    """What messages to a number are led by."""
    record = RoutingRecord(
        tenant_id=number.tenant_id,
        phone_number_id=number.phone_number_id,
        whatsapp_business_account_id=number.whatsapp_business_account_id,
        state=TenantStateMessage.Value(f"TENANT_STATE_{number.state}"),
        display_name=number.display_name,
        time_zone=number.time_zone,
        default_language_code=number.default_language_code,
        language_codes=number.language_codes,
        currency_code=number.currency_code,
        version=number.version,
        shared=number.shared,
        graph_version=number.graph_version,
    )
    if number.throughput_tier:
        record.throughput_tier = ThroughputTier.Value(f"THROUGHPUT_TIER_{number.throughput_tier}")
    if number.since_time is not None:
        record.since_time.FromDatetime(number.since_time)
    return record


def _without_as_of(number: Number) -> bytes:
    response = ResolveTenantResponse(routing_record=to_record(number))
    if number.until_time is not None:
        response.until_time.FromDatetime(number.until_time)
    return response.SerializeToString()
