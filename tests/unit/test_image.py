"""The image holds every package that its processes import."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COPY = re.compile(r"^COPY (?!--from)(\S+) ", re.MULTILINE)


def test_every_package_is_copied_and_let_through() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["importlinter"]["root_packages"])
    copied = set(COPY.findall((ROOT / "Dockerfile").read_text()))
    # `conserje` is generated: it is in gen.
    assert packages - {"conserje"} | {"gen"} <= copied
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert {one for one in copied if "/" not in one} <= let_through
