"""What the bench makes of its samples, and that what it posts is authentic and new."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from bench import report
from bench.measuring import Entry, Group, Run, Sample, Series, measure, spread
from bench.webhooks import Sent, Writer
from gateway import signature
from gateway.payload import translate
from sandbox.demo import HOTELS
from services.messaging.opaque import make_opaque, read_opaque

CEILING = Entry("ceiling.test", "calls/s", "The most there is.", least_value=100)
OURS = Entry("ours", "calls/s", "What we reach.", ceiling="ceiling.test", least_ratio=0.5)


def series(entry: Entry, *values: float, **cpu: float) -> Series:
    """A series of samples with these values."""
    return Series(entry, [Sample(value, cpu) for value in values])


def test_the_ratio_is_the_median_of_the_ratios_of_each_turn() -> None:
    _, ours = report.lines_of([series(CEILING, 100, 200, 400), series(OURS, 90, 120, 160)])
    assert ours["ratios"] == [0.9, 0.6, 0.4]
    assert (ours["ratio"], ours["value"], ours["meets_target"]) == (0.6, 120, True)


def test_a_missed_ratio_is_said() -> None:
    lines = report.lines_of([series(CEILING, 100), series(OURS, 49)])
    assert lines[1]["meets_target"] is False
    assert "MISSED (at least ratio 0.5)" in report.table(lines)


def test_what_should_be_short_has_a_most_value() -> None:
    short = Entry("short", "ms", "How long it takes.", most_value=10)
    met, missed = report.lines_of([series(short, 10), series(short, 10.1)])
    assert (met["meets_target"], missed["meets_target"]) == (True, False)
    assert "MISSED (at most 10 ms)" in report.table([missed])


def test_what_takes_too_long_is_said() -> None:
    entry = Entry("ours", "webhooks/s", "How long they take.", most={"p50_ms": 50, "p99_ms": 250})
    slow = Series(entry, [Sample(900, details={"p50_ms": 12, "p99_ms": 251})])
    (line,) = report.lines_of([slow])
    assert line["meets_target"] is False
    assert "MISSED (p50_ms 12, at most 50; p99_ms 251, at most 250)" in report.table([line])
    (line,) = report.lines_of([Series(entry, [Sample(900, details={"p50_ms": 50, "p99_ms": 250})])])
    assert line["meets_target"] is True


def test_a_run_below_its_ceilings_is_void() -> None:
    lines = report.lines_of([series(CEILING, 99), series(OURS, 99)])
    assert "ceiling.test reached 99" in report.void(lines)
    assert report.void(report.lines_of([series(CEILING, 100)])) == ""


def test_a_ceiling_of_which_nothing_is_asked_makes_no_run_void() -> None:
    ceiling = Entry("ceiling.test", "calls/s", "The most there is.")
    assert report.void(report.lines_of([series(ceiling, 1)])) == ""


def test_a_ceiling_that_was_measured_twice_keeps_its_lowest_value() -> None:
    lines = [line for value in (300, 200) for line in report.lines_of([series(CEILING, value)])]
    assert [line["value"] for line in report.merged(lines)] == [200]


def test_without_its_ceiling_a_ratio_is_not_judged() -> None:
    (line,) = report.lines_of([series(OURS, 90)])
    assert (line["ceiling"], line["ratio"], line["meets_target"]) == (None, None, None)


def test_cpu_is_summed_over_our_processes() -> None:
    (line,) = report.lines_of([series(OURS, 90, gateway=100.0, messaging=50.0)])
    assert line["cpu_us_per_item"] == 150
    assert line["cpu_us_per_item_by_process"] == {"gateway": 100, "messaging": 50}


def test_the_report_is_a_list_of_entries(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report.write(path, report.lines_of([series(CEILING, 99), series(OURS, 99)]))
    entries = json.loads(path.read_text())
    assert [entry["name"] for entry in entries] == ["ceiling.test", "ours"]
    assert all(entry["void"] for entry in entries)
    wanted = {"value", "unit", "ceiling", "ratio", "spread", "cpu_us_per_item"}
    assert all(wanted <= entry.keys() for entry in entries)


def test_spread_is_the_middle_half_over_the_median() -> None:
    assert spread([1, 2, 3, 4, 5]) == (4 - 2) / 3
    assert spread([7]) == 0


async def test_entries_take_turns_there_and_back_after_a_warm_up() -> None:
    order: list[tuple[str, float]] = []

    @asynccontextmanager
    async def start() -> AsyncIterator[Mapping[str, Run]]:
        def run_of(name: str) -> Run:
            async def run(seconds: float) -> Sample:
                order.append((name, seconds))
                return Sample(float(len(order)))

            return run

        yield {entry.name: run_of(entry.name) for entry in (CEILING, OURS)}

    group = Group((CEILING, OURS), start)
    taken = await measure(group, group.entries, pairs=2, seconds=3.0, tell=lambda _: None)
    warm_up, turns = order[:2], order[2:]
    assert [seconds for _, seconds in warm_up] == [1.0, 1.0]
    assert [name for name, _ in turns] == ["ceiling.test", "ours", "ours", "ceiling.test"]
    assert [one.values for one in taken] == [[3.0, 6.0], [4.0, 5.0]]


def test_statuses_are_understood_whole() -> None:
    sent = Sent(HOTELS[0], "wamid.1", make_opaque("hotel-mirador", UUID(int=7)), "34600000001")
    writer = Writer("secret")
    events = [
        event
        for word in ("sent", "delivered", "read")
        for event in translate(writer.status(sent, word), now=0)
    ]
    assert [event.WhichOneof("payload") for event in events] == ["status"] * 3
    assert not any(event.raw_json for event in events)
    assert len({event.item_key for event in events}) == 3
    opaque = events[0].status.biz_opaque_callback_data
    assert read_opaque(opaque) == ("hotel-mirador", UUID(int=7))


def test_what_is_posted_is_signed_understood_and_never_repeated() -> None:
    writer = Writer("secret")
    bodies = [writer.body(50) for _ in range(3)]
    for body in bodies:
        assert signature.is_authentic(body, writer.signature(body), [b"secret"])
    events = [event for body in bodies for event in translate(body, now=0)]
    assert {event.WhichOneof("payload") for event in events} == {"message"}
    assert len({event.item_key for event in events}) == 150
