"""Checks docs/promises.md and SECURITY.md: what every promise names must exist, and must have run.

A promise is a table row whose last cell names what would fail, separated by commas:

* ``tests/...py::test_name``: a test that ran in the last ``make test`` and was neither skipped
  nor failed (read from build/tests.xml);
* ``make TARGET``: a gate that .ci/run calls;
* ``bench NAME``: an entry of bench/report.json, the last committed measurement.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
PROMISES = (ROOT / "docs" / "promises.md", ROOT / "SECURITY.md")
RESULTS = ROOT / "build" / "tests.xml"
REPORT = ROOT / "bench" / "report.json"


def main() -> int:
    """Prints every promise that nothing keeps; 0 when there is none."""
    rows = [(file.name, *row) for file in PROMISES for row in promised(file.read_text())]
    if not rows:
        print("promises: docs/promises.md names no promise")
        return 1
    passed, skipped = outcomes(RESULTS)
    gates = (ROOT / ".ci" / "run").read_text()
    entries = {entry["name"] for entry in json.loads(REPORT.read_text())}
    faults = [
        f"{file}, line {line}: {fault}"
        for file, line, keepers in rows
        for keeper in keepers
        if (fault := fault_of(keeper, passed, skipped, gates, entries))
    ]
    print("\n".join(faults) if faults else f"promises: {len(rows)} promises, each kept by a test")
    return 1 if faults else 0


def promised(text: str) -> list[tuple[int, list[str]]]:
    """The line number of each promise, and the names in its last cell."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or len(cells) < 2 or set(cells[0]) <= set("-: "):
            continue
        if cells[-1].lower() == "kept by":
            continue
        rows.append((number, re.findall(r"`([^`]+)`", cells[-1]) or [cells[-1]]))
    return rows


def outcomes(path: Path) -> tuple[set[str], set[str]]:
    """The tests that passed and those that were skipped, by ``path::name`` without parameters."""
    if not path.exists():
        sys.exit("promises: build/tests.xml is not there; run `make test` first")
    passed: set[str] = set()
    others: set[str] = set()
    for case in ElementTree.parse(path).iter("testcase"):
        bucket = (
            others
            if len(case)
            and any(
                child.tag != "properties" and not child.tag.startswith("system") for child in case
            )
            else passed
        )
        bucket.add(name_of(case.get("classname", ""), case.get("name", "")))
    return passed, others


def name_of(classname: str, name: str) -> str:
    """``tests.unit.test_y.TestZ``, ``test_w[1]`` → ``tests/unit/test_y.py::TestZ::test_w``."""
    parts = classname.split(".")
    at = next((i for i, part in enumerate(parts) if part.startswith("test_")), len(parts) - 1)
    return "::".join(["/".join(parts[: at + 1]) + ".py", *parts[at + 1 :], name.partition("[")[0]])


def fault_of(
    keeper: str, passed: set[str], others: set[str], gates: str, entries: set[str]
) -> str | None:
    """Why a named keeper keeps nothing; None when it does."""
    if keeper.startswith("make "):
        return None if keeper in gates else f"`{keeper}` is not called by .ci/run"
    if keeper.startswith("bench "):
        known = keeper.removeprefix("bench ") in entries
        return None if known else f"`{keeper}` is not in bench/report.json"
    if keeper in others:
        return f"`{keeper}` was skipped or failed"
    return None if keeper in passed else f"`{keeper}` did not run"


if __name__ == "__main__":
    sys.exit(main())
