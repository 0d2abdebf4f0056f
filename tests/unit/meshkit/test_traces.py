"""Traces: decided once, passed on always, recorded only when somebody wants them."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from meshkit.errors import NotFound
from meshkit.telemetry import (
    Tracing,
    current_trace_id,
    current_traceparent,
    is_sampled,
    is_traceparent,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"


def recording(ratio: float = 1.0) -> tuple[Tracing, InMemorySpanExporter]:
    spans = InMemorySpanExporter()
    return Tracing("test", ratio=ratio, exporter=spans), spans


async def test_a_sampled_parent_is_continued_whatever_the_ratio() -> None:
    tracing, spans = recording(ratio=0.0)
    with tracing.start_span(
        "step", kind="consumer", traceparent=SAMPLED, attributes={"hotel": "h"}
    ) as outer:
        with tracing.start_span("call", kind="client"):
            assert current_trace_id() == TRACE
        assert current_traceparent() == outer.traceparent != SAMPLED
    assert current_traceparent() == ""
    await tracing.aclose()
    call, step = spans.get_finished_spans()
    assert (step.name, call.name) == ("step", "call")
    assert step.parent is not None
    assert f"{step.parent.span_id:016x}" == SAMPLED[36:52]
    assert call.parent is not None
    assert step.context is not None
    assert call.parent.span_id == step.context.span_id
    assert f"{step.context.trace_id:032x}" == TRACE


async def test_an_unsampled_parent_is_passed_on_untouched() -> None:
    tracing, spans = recording(ratio=1.0)
    with tracing.start_span("step", traceparent=UNSAMPLED) as span:
        assert current_traceparent() == UNSAMPLED
        assert not span.recorded
        span.set("hotel", "h")
        span.fail("NO_ROOM")
    await tracing.aclose()
    assert not spans.get_finished_spans()


@pytest.mark.parametrize("ratio", [0.0, 1.0])
async def test_a_root_decides_by_ratio(ratio: float) -> None:
    tracing, spans = recording(ratio)
    for _ in range(50):
        with tracing.start_span("webhook") as span:
            assert is_traceparent(span.traceparent)
            assert is_sampled(span.traceparent) == bool(ratio)
    await tracing.aclose()
    assert len(spans.get_finished_spans()) == 50 * ratio


def test_without_a_collector_the_decision_still_travels() -> None:
    span = Tracing("test", ratio=1.0).start_span("webhook")
    assert is_sampled(span.traceparent)
    assert not span.recorded


@given(
    st.text(max_size=60) | st.from_regex(r"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")
)
def test_what_is_no_context_starts_a_new_trace(written: str) -> None:
    span = Tracing("test", ratio=0.0).start_span("step", traceparent=written)
    assert is_traceparent(span.traceparent)
    assert is_traceparent(written) == (span.traceparent == written)


@pytest.mark.parametrize(
    "written",
    [
        "",
        f"01-{TRACE}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        SAMPLED.upper(),
        SAMPLED + "\n",
        SAMPLED + "-more",
    ],
)
def test_malformed_contexts_are_known(written: str) -> None:
    assert not is_traceparent(written)


async def test_a_failure_is_told_by_reason_and_never_by_text() -> None:
    tracing, spans = recording()
    with pytest.raises(NotFound), tracing.start_span("step"):
        raise NotFound("ROOM_GONE", "for +34 600 000 001")
    with pytest.raises(ValueError, match="34600000001"), tracing.start_span("other"):
        raise ValueError("34600000001")
    await tracing.aclose()
    descriptions = [span.status.description for span in spans.get_finished_spans()]
    assert descriptions == ["ROOM_GONE", "ValueError"]
    assert not any(span.events for span in spans.get_finished_spans())


async def test_no_phone_number_gets_into_a_span() -> None:
    tracing, spans = recording()
    with tracing.start_span("send", attributes={"to": "+34 600 000 001"}) as span:
        span.set("text", "call 34600000001")
    await tracing.aclose()
    (sent,) = spans.get_finished_spans()
    assert "600" not in str(dict(sent.attributes or {}))


async def test_tasks_keep_their_own_context() -> None:
    tracing = Tracing("test", ratio=0.0)

    async def inside(traceparent: str) -> str:
        with tracing.start_span("step", traceparent=traceparent):
            await asyncio.sleep(0)
            return current_traceparent()

    other = UNSAMPLED.replace("b7", "c7")
    first, second = await asyncio.gather(inside(UNSAMPLED), inside(other))
    assert (first, second) == (UNSAMPLED, other)
    assert current_traceparent() == ""
