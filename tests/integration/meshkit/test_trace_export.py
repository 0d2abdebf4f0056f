"""Spans on their way: over RPCs, to a collector, and past one that is dead."""

from __future__ import annotations

import asyncio
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from conserje.tenant.v1 import tenant_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from meshkit import errors
from meshkit.telemetry import STATUS_CODE, Tracing, current_traceparent
from tests.integration.meshkit.servers import RESOLVE, request, response, served
from tests.waiting import eventually


async def answer(_request: pb.ResolveTenantRequest, _context: Any) -> pb.ResolveTenantResponse:
    return response("hotel-mirador")


def _parent(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def _span_id(span: ReadableSpan) -> int | None:
    return None if span.context is None else span.context.span_id


async def test_one_trace_over_a_call() -> None:
    async with served(answer, ratio=1.0) as mesh:
        with mesh.tracing.start_span("webhook", kind="server"):
            await mesh.stub.ResolveTenant(request())
        await mesh.tracing.aclose()
        server, client, root = mesh.spans.get_finished_spans()
        assert (root.name, client.name, server.name) == ("webhook", RESOLVE, RESOLVE)
        assert (client.kind, server.kind) == (SpanKind.CLIENT, SpanKind.SERVER)
        assert all(one.context.trace_id == root.context.trace_id for one in (client, server))
        assert _parent(server) == _span_id(client)
        assert _parent(client) == _span_id(root)


async def test_a_call_outside_of_a_trace_starts_one_at_the_server() -> None:
    async with served(answer, ratio=1.0) as mesh:
        await mesh.stub.ResolveTenant(request())
        await mesh.tracing.aclose()
        (server,) = mesh.spans.get_finished_spans()
        assert server.kind is SpanKind.SERVER
        assert server.parent is None


async def test_an_unsampled_trace_is_passed_on_and_not_recorded() -> None:
    seen: list[str] = []

    async def note(*_: object) -> pb.ResolveTenantResponse:
        seen.append(current_traceparent())
        return response("hotel")

    async with served(note, ratio=0.0) as mesh:
        with mesh.tracing.start_span("webhook") as root:
            await mesh.stub.ResolveTenant(request())
        await mesh.tracing.aclose()
        assert seen == [root.traceparent]
        assert not mesh.spans.get_finished_spans()


async def test_a_malformed_header_starts_a_new_trace() -> None:
    async with served(answer, ratio=1.0) as mesh:
        await mesh.plain.ResolveTenant(request(), metadata=(("traceparent", "nonsense"),))
        await mesh.tracing.aclose()
        (server,) = mesh.spans.get_finished_spans()
        assert server.parent is None


@pytest.mark.parametrize(
    ("raised", "code", "reason"),
    [
        (errors.NotFound("NUMBER_UNKNOWN"), 5, "NUMBER_UNKNOWN"),
        (KeyError("x"), 13, "INTERNAL"),
        (asyncio.CancelledError(), 14, "CANCELLED_INSIDE"),
    ],
)
async def test_both_spans_tell_how_the_call_ended(
    raised: BaseException, code: int, reason: str
) -> None:
    async def fail(*_: object) -> pb.ResolveTenantResponse:
        raise raised

    async with served(fail, ratio=1.0) as mesh:
        with pytest.raises(errors.MeshError), mesh.tracing.start_span("root"):
            await mesh.stub.ResolveTenant(request())
        # The answer may be here before the server is done with its span.
        spans = mesh.spans.get_finished_spans()
        while len(spans) < 3:
            await asyncio.sleep(0.01)
            spans = mesh.spans.get_finished_spans()
        await mesh.tracing.aclose()
        calls = [one for one in spans if one.name == RESOLVE]
        assert {one.kind for one in calls} == {SpanKind.CLIENT, SpanKind.SERVER}
        for span in calls:
            assert span.attributes is not None
            assert span.attributes[STATUS_CODE] == code
            assert span.status.description == reason


async def test_the_span_of_a_cancelled_call_is_exported() -> None:
    started = asyncio.Event()

    async def wait(*_: object) -> pb.ResolveTenantResponse:
        started.set()
        await asyncio.Event().wait()
        return response("never")

    async with served(wait, ratio=1.0) as mesh:

        async def call() -> None:
            with mesh.tracing.start_span("root"):
                await mesh.stub.ResolveTenant(request())

        task = asyncio.ensure_future(call())
        await started.wait()
        task.cancel()
        await asyncio.wait([task])
        # The server learns of it in its own time, and ends the span before it counts.
        await eventually(lambda: mesh.handled("server", "CANCELLED"))
        await mesh.server.stop(0)
        await mesh.tracing.aclose()
        by_kind = {span.kind: span for span in mesh.spans.get_finished_spans()}
        for kind in (SpanKind.CLIENT, SpanKind.SERVER):
            assert (by_kind[kind].attributes or {})[STATUS_CODE] == 1


class Collector:
    """An OTLP/HTTP collector that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces"
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Silence."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            self.services.add(names["service.name"])
            for scope in resource.scope_spans:
                self.spans += scope.spans


async def test_spans_reach_a_collector_before_the_process_ends() -> None:
    collector = Collector()
    try:
        tracing = Tracing("booking", collector.url, ratio=1.0)
        for number in range(3):
            with tracing.start_span("work", attributes={"number": number}):
                pass
        await tracing.aclose()
    finally:
        collector.server.shutdown()
    assert collector.services == {"booking"}
    assert [span.name for span in collector.spans] == ["work"] * 3


async def test_a_dead_collector_blocks_neither_work_nor_stop() -> None:
    with socket.socket() as listener:
        # It accepts connections and never answers.
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        tracing = Tracing("booking", f"http://127.0.0.1:{listener.getsockname()[1]}", ratio=1.0)
        for _ in range(5000):
            with tracing.start_span("work"):
                pass
        await asyncio.wait_for(tracing.aclose(timeout=0.2), 5)
