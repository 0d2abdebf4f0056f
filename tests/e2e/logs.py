"""What the processes of a mesh have logged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.mesh import Mesh
from sandbox.rundir import RunDir

# Of the guests of the tests, and of those in the bodies of tests/data.
PHONE_NUMBER = re.compile(r"(?<![\w.-])(?:34[67]\d{8}|1650555\d{4}|15551\d{6})(?![\w.])")
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


def private(folder: Path) -> list[str]:
    """The log lines of a mesh in this folder that hold a secret or a phone number."""
    credentials = RunDir(folder).credentials
    secrets = json.loads(credentials.read_text()).values() if credentials.exists() else ()
    found = []
    # The fake WhatsApp is what guests type into: it is not of the product.
    for path in sorted(folder.glob("logs/*.log")):
        if path.stem != "graph":
            found += [
                f"{path.stem}: {line}"
                for line in path.read_text().splitlines()
                if PHONE_NUMBER.search(line) or any(secret in line for secret in secrets)
            ]
    return found
