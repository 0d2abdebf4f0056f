"""No phone number and no secret in a log line; everything else stays readable."""

from __future__ import annotations

import io
import json
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from meshkit import logs
from meshkit.redaction import REDACTED, redact
from meshkit.telemetry import Tracing


@given(
    before=st.text(max_size=20),
    number=st.from_regex(r"\+?[1-9][0-9]{7,14}", fullmatch=True),
    after=st.text(max_size=20),
)
def test_no_phone_number_survives_in_any_text(before: str, number: str, after: str) -> None:
    digits = number.removeprefix("+")
    # A hexadecimal id may hold any digits: next to one it cannot be told apart.
    text = f"{before} {number} {after}"
    assert digits not in redact(text)


@pytest.mark.parametrize(
    "written",
    ["34600000001", "+34 600 000 001", "+34-600-000-001", "+1 (555) 010-9999", "wa:34600000001x"],
)
def test_the_usual_ways_of_writing_one_are_known(written: str) -> None:
    assert redact(f"guest {written} wrote").count(REDACTED) == 1
    assert "600" not in redact(written)
    assert "555" not in redact(written)


@pytest.mark.parametrize(
    "kept",
    [
        "2026-12-10",
        "2026-12-10T09:28:37.208050Z",
        "127.0.0.1:50051",
        "1234567",
        "0123456789abcdef0123456789abcdef",
        "3f2504e0-4f89-11d3-9a0c-030512345678",
        "12345678-1234-1234-1234-123456789012",
    ],
)
def test_dates_addresses_and_ids_stay(kept: str) -> None:
    assert redact(kept) == kept


@given(st.uuids())
def test_every_request_id_stays(request_id: uuid.UUID) -> None:
    assert redact(f"request {request_id} repeated") == f"request {request_id} repeated"


def test_metas_id_of_a_number_is_no_phone_number() -> None:
    assert redact("100000000000001", "phone_number_id") == "100000000000001"
    assert redact("100000000000001", "text") == REDACTED


@contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """The lines that are written inside, read at the end."""
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    lines: list[dict[str, Any]] = []
    with redirect_stdout(io.StringIO()) as written:
        logs.configure("INFO", "booking")
        try:
            yield lines
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
            structlog.configure(**before)
    lines += [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_line_is_json_with_service_time_and_trace() -> None:
    with logged() as lines, Tracing("t", ratio=0).start_span("work") as span:
        structlog.get_logger().info("lock granted", lock_id="l1", nested={"to": "34600000001"})
    (line,) = lines
    assert line["event"] == "lock granted"
    assert (line["service"], line["level"]) == ("booking", "info")
    assert line["trace_id"] == span.traceparent[3:35]
    assert line["nested"] == {"to": REDACTED}
    assert str(line["timestamp"]).endswith("Z")


def test_tracebacks_and_library_lines_are_cleaned_as_well() -> None:
    with logged() as lines:
        try:
            raise ValueError("no route to +34 600 000 001")
        except ValueError:
            structlog.get_logger().exception("send failed")
            logging.getLogger("asyncpg").exception("bad row 34600000001")
    ours, theirs = lines
    assert "ValueError" in ours["exception"]
    assert theirs["logger"] == "asyncpg"
    assert "600 000" not in json.dumps([ours, theirs])
    assert "34600000001" not in json.dumps([ours, theirs])


def test_less_important_lines_are_not_written() -> None:
    with logged() as lines:
        structlog.get_logger().debug("noise")
        logging.getLogger("grpc").info("noise")
    assert lines == []
