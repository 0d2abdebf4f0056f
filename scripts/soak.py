"""Writes what build/soak.xml tells into docs/soak.md: each long test's last run and its seed.

Together they take hours, so they may run on different days: a row stays until its test runs again.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "soak.xml"
REPORT = ROOT / "docs" / "soak.md"
SEED = re.compile(r"seed\D{0,3}(\d+)", re.IGNORECASE)
HEAD = """# The last soak

Written by `make soak`, which runs the long tests at full size on two cores; `make test` holds a
short edition of each. A test's seed makes the same run again: `CONSERJE_TEST_SEED=… make soak`.

| test | outcome | took | seed | begun |
|---|---|---|---|---|
"""
ROW = re.compile(r"^\| (`tests/.*?`) \|.*$", re.MULTILINE)


def main() -> int:
    """1 when there are no results."""
    if not RESULTS.exists():
        print("soak: build/soak.xml is not there; run `make soak` first")
        return 1
    rows = {match[1]: match[0] for match in ROW.finditer(_last_report())}
    for suite in ElementTree.parse(RESULTS).iter("testsuite"):
        begun = suite.get("timestamp", "")[:16].replace("T", " ")
        # A run that was interrupted leaves a case without a name, which is no test.
        cases = [case for case in suite.iter("testcase") if case.get("name")]
        rows |= dict(row(case, begun) for case in cases)
    REPORT.write_text(HEAD + "\n".join(rows[name] for name in sorted(rows)) + "\n")
    print(REPORT.read_text())
    return 0


def _last_report() -> str:
    return REPORT.read_text() if REPORT.exists() else ""


def row(case: ElementTree.Element, begun: str) -> tuple[str, str]:
    """A test, and the line about it."""
    outcome = next(
        (kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None), "passed"
    )
    seeds = ", ".join(dict.fromkeys(SEED.findall(case.findtext("system-out") or ""))) or "—"
    name = f"`{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}`"
    took = float(case.get("time", 0))
    return name, f"| {name} | {outcome} | {took:.0f} s | {seeds} | {begun} |"


if __name__ == "__main__":
    sys.exit(main())
