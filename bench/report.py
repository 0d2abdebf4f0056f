"""From samples to `report.json` and a table."""

from __future__ import annotations

import datetime as dt
import json
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from bench.measuring import Entry, Series, spread

Line = dict[str, Any]

COLUMNS = ("entry", "value", "unit", "ceiling", "ratio", "spread", "CPU µs/item", "target")
LEFT_ALIGNED = ("entry", "unit", "ceiling", "target")


def lines_of(group: Sequence[Series]) -> list[Line]:
    """The report's lines of one group."""
    by_name = {one.entry.name: one for one in group}
    return [_line(one, by_name.get(one.entry.ceiling or "")) for one in group]


def merged(lines: Iterable[Line]) -> list[Line]:
    """One line for each entry, ceilings first.

    A ceiling that several groups measured keeps its lowest value; ratios are not touched by
    that, they were taken turn by turn.
    """
    by_name: dict[str, Line] = {}
    for line in lines:
        known = by_name.get(line["name"])
        if known is None or line["value"] < known["value"]:
            by_name[line["name"]] = line
    return sorted(by_name.values(), key=lambda line: not line["name"].startswith("ceiling."))


def void(lines: Iterable[Line]) -> str:
    """Why the run says nothing, empty when it does: the machine was too slow or too busy."""
    return "; ".join(
        f"{line['name']} reached {line['value']:,.0f} {line['unit']}, below"
        f" {line['least_value']:,.0f} nothing else can be judged"
        for line in lines
        if line["name"].startswith("ceiling.") and line["meets_target"] is False
    )


def write(path: Path, lines: Sequence[Line]) -> None:
    """Write the list of entries; each says where and when, and whether its run was void."""
    cores = f"{psutil.cpu_count()} cores of {_processor()}, Python {platform.python_version()}"
    stamp = {
        "void": void(lines) or None,
        "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": cores,
    }
    text = json.dumps([line | stamp for line in lines], indent=2, ensure_ascii=False)
    path.write_text(text + "\n")


def table(lines: Sequence[Line]) -> str:
    """The same for people."""
    rows = [COLUMNS, *(_row(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(_aligned(row, widths) for row in rows)


def _line(series: Series, ceiling: Series | None) -> Line:
    entry = series.entry
    value = statistics.median(series.values)
    ratios = series.ratios(ceiling) if ceiling is not None else []
    ratio = statistics.median(ratios) if ratios else None
    cpu, details = series.cpu(), series.details()
    ours = [us for name, us in cpu.items() if _is_ours(entry, name)]
    return {
        "name": entry.name,
        "value": round(value, 2),
        "unit": entry.unit,
        "ceiling": entry.ceiling if ratios else None,
        "ratio": round(ratio, 3) if ratio is not None else None,
        "spread": round(spread(ratios or series.values), 3),
        "cpu_us_per_item": round(sum(ours), 1) if ours else None,
        "cpu_us_per_item_by_process": {name: round(us, 1) for name, us in cpu.items()},
        "least_value": entry.least_value,
        "most_value": entry.most_value,
        "least_ratio": entry.least_ratio,
        "most": dict(entry.most),
        "meets_target": _meets(entry, value, ratio, details),
        "explains": entry.explains,
        "pairs": len(series.samples),
        "values": [round(one, 2) for one in series.values],
        "ratios": [round(one, 3) for one in ratios],
        "details": {name: round(one, 2) for name, one in details.items()},
    }


def _is_ours(entry: Entry, process: str) -> bool:
    return entry.own_processes is None or process in entry.own_processes


def _meets(
    entry: Entry, value: float, ratio: float | None, details: Mapping[str, float]
) -> bool | None:
    """None when there is no target, or nothing to judge it by."""
    verdicts = []
    if entry.least_value is not None:
        verdicts.append(value >= entry.least_value)
    if entry.most_value is not None:
        verdicts.append(value <= entry.most_value)
    if entry.least_ratio is not None and ratio is not None:
        verdicts.append(ratio >= entry.least_ratio)
    verdicts += [details[name] <= most for name, most in entry.most.items()]
    return all(verdicts) if verdicts else None


def _row(line: Mapping[str, Any]) -> tuple[str, ...]:
    cpu, ratio = line["cpu_us_per_item"], line["ratio"]
    return (
        line["name"],
        f"{line['value']:,.0f}" if line["value"] >= 1000 else f"{line['value']:,.1f}",
        line["unit"],
        line["ceiling"] or "",
        f"{ratio:.2f}" if ratio is not None else "",
        f"{line['spread']:.0%}",
        f"{cpu:,.0f}" if cpu is not None else "",
        _target(line),
    )


def _target(line: Mapping[str, Any]) -> str:
    wanted = []
    if line["least_value"] is not None:
        wanted.append(f"at least {line['least_value']:,.0f} {line['unit']}")
    if line["most_value"] is not None:
        wanted.append(f"at most {line['most_value']:,g} {line['unit']}")
    if line["least_ratio"] is not None:
        wanted.append(f"at least ratio {line['least_ratio']}")
    wanted += [
        f"{name} {line['details'][name]:,.0f}, at most {most:,.0f}"
        for name, most in line["most"].items()
    ]
    verdict = {True: "met", False: "MISSED", None: "not judged"}[line["meets_target"]]
    return f"{verdict} ({'; '.join(wanted)})" if wanted else ""


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.ljust(width) if column in LEFT_ALIGNED else cell.rjust(width)
        for column, cell, width in zip(COLUMNS, row, widths, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
