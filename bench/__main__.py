"""`python -m bench [NAME…]`: run entries, write report.json, print a table."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from bench import acks, locks, mixed, parses, pms, replies, report, resolves, searches, wrk
from bench.measuring import BenchError, Entry, Group, measure
from sandbox.processes import SandboxError

GROUPS = (
    parses.GROUP,
    resolves.GROUP,
    acks.GROUP,
    acks.LOADED_GROUP,
    mixed.GROUP,
    replies.GROUP,
    replies.NEIGHBOUR_GROUP,
    locks.GROUP,
    searches.GROUP,
    pms.GROUP,
    pms.OUTAGE_GROUP,
)
DRIVEN_BY_WRK = (acks.GROUP, acks.LOADED_GROUP, mixed.GROUP)
ENTRIES = {entry.name: entry for group in GROUPS for entry in group.entries}
LEAST_PAIRS = 7


def main() -> int:
    """0 when every target is met, 1 when one is missed, 2 when the run says nothing."""
    options = _parser().parse_args()
    names = options.names or list(ENTRIES)
    try:
        if any(_wanted(group, names) for group in DRIVEN_BY_WRK):
            wrk.check()
        lines = uvloop.run(_run(names, options.pairs, options.seconds))
    except (BenchError, SandboxError) as error:
        _tell(f"bench: {error}")
        return 2
    report.write(options.report, lines)
    sys.stdout.write(report.table(lines) + "\n")
    if why := report.void(lines):
        _tell(f"This run is void: {why}.")
        return 2
    return 1 if any(line["meets_target"] is False for line in lines) else 0


async def _run(names: Sequence[str], pairs: int, seconds: float) -> list[report.Line]:
    lines: list[report.Line] = []
    for group in GROUPS:
        if wanted := _wanted(group, names):
            started = time.monotonic()
            series = await measure(group, wanted, pairs=pairs, seconds=seconds, tell=_tell)
            lines += report.lines_of(series)
            _tell(f"took {time.monotonic() - started:.0f} s")
    return report.merged(lines)


def _wanted(group: Group, names: Sequence[str]) -> list[Entry]:
    """The entries that were named, with their ceilings."""
    named = [entry for entry in group.entries if entry.name in names]
    only_ceilings = all(ENTRIES[name].is_ceiling for name in names)
    if not only_ceilings and all(entry.is_ceiling for entry in named):
        return []
    ceilings = {entry.ceiling for entry in named}
    return [entry for entry in group.entries if entry in named or entry.name in ceilings]


def _entry_name(name: str) -> str:
    if name not in ENTRIES:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(ENTRIES)}")
    return name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", type=_entry_name, metavar="NAME", help=", ".join(ENTRIES)
    )
    parser.add_argument(
        "--pairs", type=int, default=LEAST_PAIRS, help="turns; fewer than 7 are for a quick look"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one run")
    parser.add_argument("--report", type=Path, default=Path(__file__).with_name("report.json"))
    return parser


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
