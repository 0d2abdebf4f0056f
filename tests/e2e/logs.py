"""What the processes of a mesh have logged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sandbox.mesh import Mesh

PROCESSES = ("gateway", "tenant", "booking", "messaging")


def lines(mesh: Mesh) -> Iterator[dict[str, Any]]:
    """Every log line of every process; AssertionError when one is no JSON."""
    for name in PROCESSES:
        for line in mesh.log(name).read_text().splitlines():
            assert line.startswith("{"), f"{name} wrote something that is no log line: {line}"
            yield json.loads(line)


def unexpected(mesh: Mesh) -> list[dict[str, Any]]:
    """The lines that somebody should look at."""
    return [line for line in lines(mesh) if line["level"] in ("error", "critical")]
