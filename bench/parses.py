"""The gateway's own work on a body, against orjson that only reads the same bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bench.measuring import Entry, Group, Run, Sample
from bench.processes import Program, program

UNIT = "items/s of CPU"

ORJSON_SINGLE = Entry(
    "ceiling.orjson.single", UNIT, "orjson reading webhooks with one text message each."
)
ORJSON_BATCH = Entry(
    "ceiling.orjson.batch100", UNIT, "orjson reading webhooks with 100 text messages each."
)
SINGLE = Entry(
    "gateway.parse.single",
    UNIT,
    "The same webhooks verified, read and translated to events; at most 25 µs of CPU each.",
    ceiling=ORJSON_SINGLE.name,
    least_value=1e6 / 25,
)
BATCH = Entry(
    "gateway.parse.batch100",
    UNIT,
    "The same webhooks verified, read and translated to events; at most 8 µs of CPU an item.",
    ceiling=ORJSON_BATCH.name,
    least_value=1e6 / 8,
)


@asynccontextmanager
async def start() -> AsyncIterator[Mapping[str, Run]]:
    """One process that does both."""
    async with program("parser") as (parser, _):
        yield {
            ORJSON_SINGLE.name: _run(parser, "orjson", 1),
            SINGLE.name: _run(parser, "gateway", 1),
            ORJSON_BATCH.name: _run(parser, "orjson", 100),
            BATCH.name: _run(parser, "gateway", 100),
        }


def _run(parser: Program, way: str, items: int) -> Run:
    async def run(seconds: float) -> Sample:
        count, cpu = await parser.run(seconds, way, items)
        return Sample(count / cpu, {"parser": 1e6 * cpu / count})

    return run


GROUP = Group((ORJSON_SINGLE, SINGLE, ORJSON_BATCH, BATCH), start)
