"""Traces: one context from the webhook to the Graph API, whatever is in between.

The context travels as a W3C `traceparent` string, also through rows of inbox
and outbox. Whoever starts a trace decides once, by ratio, whether it is
sampled; all others follow. What is not sampled only passes the string on.
Sampled spans go to a collector over OTLP/HTTP, in batches, from a thread of
their own: a dead collector costs spans, never a request.
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from meshkit.redaction import redact

EXPORT_TIMEOUT = 3.0
"""Seconds one export may take; the thread that exports is the only one to wait."""
FLUSH_TIMEOUT = 3.0
"""Seconds a stopping process gives its last spans."""
MAX_QUEUED_SPANS = 2048
"""Beyond these the newest are dropped: memory is worth more than spans."""

STATUS_CODE = "rpc.grpc.status_code"
"""The attribute that says how an RPC ended, by number."""

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_SAMPLED = 0x01
_ODD = frozenset("13579bdf")
"""The last digits of flags with `_SAMPLED`."""

_current: ContextVar[str] = ContextVar("traceparent", default="")

Attribute = str | int | float | bool
_KINDS = {
    "internal": otel.SpanKind.INTERNAL,
    "server": otel.SpanKind.SERVER,
    "client": otel.SpanKind.CLIENT,
    "producer": otel.SpanKind.PRODUCER,
    "consumer": otel.SpanKind.CONSUMER,
}


def current_traceparent() -> str:
    """The context to pass on, empty when there is none."""
    return _current.get()


def current_trace_id() -> str:
    """The 32 hex digits that name the trace, empty when there is none."""
    return trace_id(_current.get())


def trace_id(traceparent: str) -> str:
    """The trace that `traceparent` belongs to, empty when it is none."""
    return traceparent[3:35]


def is_traceparent(value: str) -> bool:
    """Whether the value is a trace context of the version we speak (00)."""
    return _TRACEPARENT.fullmatch(value) is not None


def is_sampled(traceparent: str) -> bool:
    """Whether the one who started the trace wants its spans."""
    return traceparent[-1] in _ODD


class Span:
    """A stretch of work. As a context manager it is current inside, and ends with it.

    One that is not sampled has a `traceparent` and nothing else: every method
    may be called and does nothing.
    """

    __slots__ = ("_failed", "_span", "_token", "traceparent")

    def __init__(self, traceparent: str, span: otel.Span | None = None) -> None:
        self.traceparent = traceparent
        self._span = span
        self._failed = False
        self._token: Token[str] | None = None

    @property
    def recorded(self) -> bool:
        """Whether attributes will be seen by anybody."""
        return self._span is not None

    def set(self, key: str, value: Attribute) -> None:
        """Add a fact; digits that look like a phone number are taken out."""
        if self._span is not None:
            self._span.set_attribute(key, _clean(key, value))

    def fail(self, reason: str) -> None:
        """Mark the work as failed, once; `reason` is a code and no text of a guest."""
        if self._span is not None and not self._failed:
            self._failed = True
            self._span.set_status(otel.StatusCode.ERROR, redact(reason))

    def end(self) -> None:
        """The work is over. Ending twice is once."""
        if self._span is not None and self._span.is_recording():
            self._span.end()

    def __enter__(self) -> Self:
        self._token = _current.set(self.traceparent)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
        if error is not None and kind is not None:
            self.fail(getattr(error, "reason", kind.__name__))
        self.end()


class Tracing:
    """Starts spans for one process and sends the sampled ones away."""

    def __init__(
        self,
        name: str,
        otlp_endpoint: str = "",
        ratio: float = 0.01,
        *,
        exporter: SpanExporter | None = None,
    ) -> None:
        """`otlp_endpoint` is the collector's base URL, empty for none; `exporter` replaces it."""
        self._ratio = ratio
        if exporter is None and otlp_endpoint:
            exporter = OTLPSpanExporter(_traces_url(otlp_endpoint), timeout=EXPORT_TIMEOUT)
        self._provider = None if exporter is None else _provider(name, exporter)
        self._tracer = None if self._provider is None else self._provider.get_tracer("conserje")

    def start_span(
        self,
        name: str,
        *,
        kind: str = "internal",
        traceparent: str | None = None,
        attributes: Mapping[str, Attribute] | None = None,
    ) -> Span:
        """A span under the current one, or under `traceparent` when one is given.

        An empty or malformed `traceparent` starts a new trace. `kind` is internal,
        server, client, producer or consumer.
        """
        parent = _current.get() if traceparent is None else traceparent
        if not parent or not is_traceparent(parent):
            return self._start_root(name, kind, attributes)
        if self._tracer is None or not is_sampled(parent):
            return Span(parent)
        return self._record(name, kind, attributes, parent)

    def _start_root(self, name: str, kind: str, attributes: Mapping[str, Attribute] | None) -> Span:
        sampled = random.random() < self._ratio
        if sampled and self._tracer is not None:
            return self._record(name, kind, attributes, "")
        return Span(_new_traceparent(sampled))

    def _record(
        self, name: str, kind: str, attributes: Mapping[str, Attribute] | None, parent: str
    ) -> Span:
        assert self._tracer is not None
        cleaned = {key: _clean(key, value) for key, value in (attributes or {}).items()}
        span = self._tracer.start_span(
            name, context=_otel_context(parent), kind=_KINDS[kind], attributes=cleaned
        )
        made = span.get_span_context()
        return Span(f"00-{made.trace_id:032x}-{made.span_id:016x}-01", span)

    async def aclose(self, timeout: float = FLUSH_TIMEOUT) -> None:
        """Send what is left, for `timeout` seconds at most."""
        if self._provider is None:
            return
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def shut(provider: TracerProvider = self._provider) -> None:
            provider.shutdown()
            if not loop.is_closed():
                loop.call_soon_threadsafe(done.set)

        # A daemon, because an executor's thread would be joined at exit, however long it hangs.
        threading.Thread(target=shut, name="span-flush", daemon=True).start()
        try:
            async with asyncio.timeout(timeout):
                await done.wait()
        except TimeoutError:
            return


def _provider(name: str, exporter: SpanExporter) -> TracerProvider:
    provider = TracerProvider(
        resource=Resource.create({"service.name": name}), shutdown_on_exit=False
    )
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=MAX_QUEUED_SPANS, schedule_delay_millis=1000)
    )
    return provider


def _traces_url(endpoint: str) -> str:
    return endpoint if endpoint.endswith("/v1/traces") else endpoint.rstrip("/") + "/v1/traces"


def _new_traceparent(sampled: bool) -> str:
    # W3C forbids all zeros, which will not happen; a reader would start a trace of its own.
    ids = random.randbytes(24).hex()
    return "00-" + ids[:32] + "-" + ids[32:] + ("-01" if sampled else "-00")


def _otel_context(parent: str) -> Context:
    if not parent:
        return Context()
    remote = otel.SpanContext(
        trace_id=int(parent[3:35], 16),
        span_id=int(parent[36:52], 16),
        is_remote=True,
        trace_flags=otel.TraceFlags(_SAMPLED),
    )
    return otel.set_span_in_context(otel.NonRecordingSpan(remote), Context())


def _clean(key: str, value: Attribute) -> Attribute:
    return redact(value, key) if isinstance(value, str) else value
