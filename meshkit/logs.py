"""Logs: one JSON object a line on stdout, with the trace it belongs to.

Nothing that looks like a phone number leaves through a log line or a span: it
is taken out of every text, the traceback included.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from meshkit.redaction import redact
from meshkit.telemetry import current_trace_id


def configure(level: str, service: str) -> None:
    """Send the logs of this process, ours and those of libraries, to stdout."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _ServiceName(service),
        add_trace_id,
        structlog.processors.format_exc_info,
        redact_event,
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_to_json)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=False,
    )
    _configure_stdlib(number, shared)


def _configure_stdlib(level: int, shared: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries are asked for warnings at most: their debug lines carry requests.
    root.setLevel(max(level, logging.WARNING))


class _ServiceName:
    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", self._service)
        return event


def add_trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name the trace that the line belongs to, when there is one."""
    if "trace_id" not in event and (trace := current_trace_id()):
        event["trace_id"] = trace
    return event


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take phone numbers out of every text of a line, at any depth."""
    return _redact_mapping(event)


def _redact_mapping(values: MutableMapping[str, Any]) -> dict[str, Any]:
    return {key: _redact_value(value, key) for key, value in values.items()}


def _redact_value(value: object, key: str) -> object:
    if isinstance(value, str):
        return redact(value, key)
    if isinstance(value, Mapping):
        return {str(name): _redact_value(one, str(name)) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(one, key) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value), key)


def _to_json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, option=orjson.OPT_NON_STR_KEYS).decode()
