"""One trace from the webhook to the Graph API, and nothing in it that must stay private."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta

import aiohttp
import pytest

from sandbox.mesh import Mesh
from sandbox.servers import Given
from tests.e2e.collector import Collector, Span
from tests.e2e.folders import NO_PAUSE, mesh_folder
from tests.e2e.guests import Guest
from tests.e2e.logs import PROCESSES

pytestmark = pytest.mark.e2e

EDGES = {
    ("gateway", "messaging"),
    ("messaging", "booking"),
}
"""Who calls whom in the trace of a booking. Only messaging speaks to the Graph API."""
NOTICE_EDGES = {("gateway", "booking")}
"""Who calls whom in the trace of a notice of a hotel's own system."""
SEND = "messaging.send"
"""The span around the call of the Graph API."""


@dataclass(frozen=True)
class Traced:
    """A mesh whose every trace is sampled and kept."""

    mesh: Mesh
    collector: Collector


@pytest.fixture(scope="module")
async def traced(run_servers: Given) -> AsyncIterator[Traced]:
    """A mesh with a collector."""
    collector = Collector()
    env = {
        "CONSERJE_OTLP_ENDPOINT": await collector.start(),
        "CONSERJE_TRACE_RATIO": "1",
    } | NO_PAUSE
    with mesh_folder() as folder:
        async with Mesh(folder, given=run_servers, env=env) as mesh:
            yield Traced(mesh, collector)
    await collector.stop()


async def _book(mesh: Mesh) -> Guest:
    arrive = date.today() + timedelta(days=70)
    guest = Guest(mesh)
    offer = await guest.say(f"doble del {arrive} al {arrive + timedelta(days=1)} para 2")
    if not offer.buttons:
        offer = await guest.tap(offer.row("doble"))
    await guest.tap(offer.button("Confirmar"))
    return guest


async def _spans_of_a_booking(traced: Traced) -> tuple[Guest, list[Span]]:
    guest = await _book(traced.mesh)
    sent = [one for one in await traced.mesh.graph.accepted() if one["to"] == guest.wa_id]
    traces = {one["traceparent"].split("-")[1] for one in sent}
    while True:
        spans = [span for span in traced.collector.spans if span.trace_id in traces]
        if _complete(traces, spans):
            return guest, spans
        await traced.collector.more(30)


def _complete(traces: set[str], spans: list[Span]) -> bool:
    """Whether every process has exported its part: each sends its spans in its own time."""
    known = {span.span_id for span in spans}
    # The last on the way have no children that would be missed.
    if not {service for edge in EDGES for service in edge} <= {span.service for span in spans}:
        return False
    sent = {span.trace_id for span in spans if span.name == SEND}
    return traces <= sent and all(not one.parent_id or one.parent_id in known for one in spans)


async def test_a_trace_leads_from_the_webhook_to_the_graph_api(traced: Traced) -> None:
    _, spans = await _spans_of_a_booking(traced)
    by_id = {span.span_id: span for span in spans}
    edges = {
        (by_id[span.parent_id].service, span.service)
        for span in spans
        if span.parent_id in by_id and by_id[span.parent_id].service != span.service
    }
    assert edges == EDGES
    for span in spans:
        assert _root(span, by_id).service == "gateway", f"{span.name} began elsewhere"


async def test_a_trace_leads_from_a_notice_to_the_booking_service(traced: Traced) -> None:
    url = traced.mesh.webhook_url.replace("/whatsapp", "/pms/hotel-mirador")
    told = {"webhook-id": "n-1", "webhook-timestamp": "1", "webhook-signature": "v1,forged"}
    async with aiohttp.ClientSession() as session, session.post(url, headers=told) as answer:
        assert answer.status == 401
    while True:
        spans = {one.span_id: one for one in traced.collector.spans}
        trace = {one.trace_id for one in spans.values() if one.name == "gateway notice"}
        found = [one for one in spans.values() if one.trace_id in trace]
        if {one.service for one in found} == {"gateway", "booking"}:
            break
        await traced.collector.more(30)
    assert {
        (spans[one.parent_id].service, one.service) for one in found if _crosses(one, spans)
    } == (NOTICE_EDGES)


def _crosses(span: Span, spans: dict[str, Span]) -> bool:
    return span.parent_id in spans and spans[span.parent_id].service != span.service


async def test_no_secret_and_no_phone_number_is_logged_or_traced(traced: Traced) -> None:
    mesh = traced.mesh
    guest, _ = await _spans_of_a_booking(traced)
    known = mesh.credentials
    private = [guest.wa_id, known.access_token, known.app_secret, known.verify_token]
    private += [urls.app_url.split("@")[0].split(":")[-1] for urls in mesh.databases.values()]
    told = "\n".join(f"{span.name} {span.attributes}" for span in traced.collector.spans)
    told += "\n".join(mesh.log(name).read_text() for name in PROCESSES)
    told += "\n".join([await mesh.metrics(name) for name in PROCESSES])
    assert len(told) > 1000
    assert [word for word in private if word in told] == []


def _root(span: Span, by_id: dict[str, Span]) -> Span:
    while span.parent_id:
        span = by_id[span.parent_id]
    return span
