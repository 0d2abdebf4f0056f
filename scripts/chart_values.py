"""Writes the table of values into helm/conserje/README.md, from the comments of values.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parent.parent / "helm" / "conserje"
README = CHART / "README.md"
BEGIN, END = "<!-- values -->\n", "<!-- end of values -->\n"
_KEY = re.compile(r"^( *)([A-Za-z]\w*):")
_COMMENT = re.compile(r"^ *# ?(.*)$")


def readme() -> str:
    """The README with today's table."""
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


def table() -> str:
    """A row for each value; what has no comment of its own is told by the one before."""
    text = (CHART / "values.yaml").read_text()
    defaults = yaml.safe_load(text)
    rows = ["| value | default | what it is |", "|---|---|---|"]
    for path, comment in _commented(text):
        default = _at(defaults, path)
        if isinstance(default, dict) and default and not comment:
            continue
        shown = "" if isinstance(default, dict) and comment and default else f"`{_text(default)}`"
        rows.append(f"| `{'.'.join(path)}` | {shown} | {comment} |")
    return "\n".join(rows) + "\n"


def _commented(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    listed: int | None = None  # How far a list is indented whose items are no values.
    for line in text.splitlines():
        if said := _COMMENT.match(line):
            comment.append(said[1])
            continue
        if key := _KEY.match(line):
            depth = len(key[1])
            if listed is not None and depth > listed:
                continue
            listed = None
            path = [*(one for one in path if one[0] < depth), (depth, key[2])]
            yield tuple(name for _, name in path), " ".join(comment)
        elif line.lstrip().startswith("- ") and listed is None:
            listed = len(line) - len(line.lstrip()) - 1
        comment = []


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        values = values[name]
    return values


def _text(value: Any) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
    )


if __name__ == "__main__":
    README.write_text(readme())
