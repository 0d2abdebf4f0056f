"""Writes docs/soak.md from build/soak.xml: the long tests that ran, how long, with which seeds."""

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

Written by `make soak`, which runs the long tests at full size; `make test` holds a short edition of
each. A test's seed makes the same run again: `CONSERJE_TEST_SEED=… make soak`.

| test | outcome | took | seed |
|---|---|---|---|
"""


def main() -> int:
    """1 when there are no results."""
    if not RESULTS.exists():
        print("soak: build/soak.xml is not there; run `make soak` first")
        return 1
    suite = next(ElementTree.parse(RESULTS).iter("testsuite"))
    when = suite.get("timestamp", "")[:16].replace("T", " ")
    rows = "".join(f"{row(case)}\n" for case in suite.iter("testcase"))
    REPORT.write_text(f"{HEAD}{rows}\nBegun {when}, on two cores.\n")
    print(REPORT.read_text())
    return 0


def row(case: ElementTree.Element) -> str:
    """One test on one line."""
    outcome = next(
        (kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None), "passed"
    )
    seeds = ", ".join(dict.fromkeys(SEED.findall(case.findtext("system-out") or ""))) or "—"
    file = case.get("classname", "").replace(".", "/") + ".py"
    took = float(case.get("time", 0))
    return f"| `{file}::{case.get('name')}` | {outcome} | {took:.0f} s | {seeds} |"


if __name__ == "__main__":
    sys.exit(main())
