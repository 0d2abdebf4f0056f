"""What is read from the protos at run time: reads, idempotency, domains, retries."""

from __future__ import annotations

import json
from typing import Any

import conserje.booking.v1.booking_service_pb2
import conserje.messaging.v1.messaging_service_pb2
import conserje.tenant.v1.tenant_service_pb2  # noqa: F401
import pytest
from conserje.tenant.v1.tenant_service_pb2 import BatchResolveTenantsRequest, ResolveTenantRequest
from google.protobuf.duration_pb2 import Duration

from meshkit import batch, contract, errors
from meshkit.contract import Method
from meshkit.transport import Transport

BOOKING = "conserje.booking.v1.BookingService"


def test_methods_know_what_they_are() -> None:
    methods = contract.methods(BOOKING)
    search = methods[f"/{BOOKING}/SearchAvailability"]
    assert (search.read, search.idempotent, search.batch) == (True, True, False)
    acquire = methods[f"/{BOOKING}/BatchAcquireLocks"]
    assert (acquire.read, acquire.idempotent, acquire.batch) == (False, True, True)
    assert search.name == f"{BOOKING}/SearchAvailability"


@pytest.mark.parametrize("service", ["booking.v1.Booking", "messaging.v1.Messaging"])
def test_every_method_of_the_contract_may_be_repeated(service: str) -> None:
    methods = contract.methods(f"conserje.{service}Service").values()
    assert all(method.idempotent for method in methods)


def test_a_domain_is_named_as_in_the_contract() -> None:
    assert contract.domain(BOOKING) == "booking.conserje"
    assert contract.domain("Echo") == "Echo"


def service_config(retried: list[Method]) -> dict[str, Any]:
    options = dict(Transport().client_options(retried))
    config: dict[str, Any] = json.loads(str(options["grpc.service_config"]))
    return config


def test_only_idempotent_methods_are_retried_and_only_when_unavailable() -> None:
    safe = Method("/a.B/Get", read=True, idempotent=True, batch=False)
    unsafe = Method("/a.B/Pay", read=False, idempotent=False, batch=False)
    (policy,) = service_config([safe, unsafe])["methodConfig"]
    assert policy["name"] == [{"service": "a.B", "method": "Get"}]
    assert policy["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert service_config([])["methodConfig"] == []
    assert service_config([unsafe])["methodConfig"] == []


def test_a_client_never_pings_faster_than_the_server_allows() -> None:
    transport = Transport()
    client, server = dict(transport.client_options()), dict(transport.server_options())
    pings = client["grpc.keepalive_time_ms"]
    allowed = server["grpc.http2.min_recv_ping_interval_without_data_ms"]
    assert int(pings) > int(allowed)
    assert server["grpc.so_reuseport"] == 0


def item(number: str, seconds: float | None = None) -> ResolveTenantRequest:
    message = ResolveTenantRequest(phone_number_id=number)
    if seconds is not None:
        message.time_remaining.CopyFrom(Duration(nanos=round(seconds * 1e9)))
    return message


async def test_a_batch_decides_the_good_items_together_and_keeps_their_places() -> None:
    calls: list[list[str]] = []

    async def decide(items: list[ResolveTenantRequest]) -> list[str | errors.MeshError]:
        calls.append([one.phone_number_id for one in items])
        return [
            errors.NotFound("NUMBER_UNKNOWN") if one.phone_number_id == "404" else "found"
            for one in items
        ]

    request = BatchResolveTenantsRequest(
        items=[item("1"), item("bad"), item("404"), item("2", 0.0), item("3", 0.9)]
    )
    outcomes = await batch.serve_batch(request, decide, "tenant.conserje")
    assert calls == [["1", "404", "3"]]
    assert [one if isinstance(one, str) else one.code for one in outcomes] == [
        "found",
        3,
        5,
        4,
        "found",
    ]


async def test_nothing_is_decided_when_no_item_is_good() -> None:
    async def decide(_items: list[ResolveTenantRequest]) -> list[str]:
        raise AssertionError

    request = BatchResolveTenantsRequest(items=[item("bad"), item("1", 0.01)])
    codes = [one.code for one in await batch.serve_batch(request, decide, "d")]  # type: ignore[union-attr]
    assert codes == [3, 4]


async def test_an_answer_too_few_is_a_bug_and_no_shift() -> None:
    async def decide(_items: list[ResolveTenantRequest]) -> list[str]:
        return ["one"]

    with pytest.raises(ValueError, match="zip"):
        await batch.serve_batch(
            BatchResolveTenantsRequest(items=[item("1"), item("2")]), decide, "d"
        )


@pytest.mark.parametrize("count", [0, 257])
async def test_a_fault_of_the_envelope_fails_the_whole(count: int) -> None:
    async def decide(_items: list[ResolveTenantRequest]) -> list[str]:
        raise AssertionError

    request = BatchResolveTenantsRequest(items=[item("1")] * count)
    with pytest.raises(errors.InvalidArgument) as caught:
        await batch.serve_batch(request, decide, "d")
    assert caught.value.violations[0].field == "items"
