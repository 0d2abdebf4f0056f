"""Programs that `scripts/tools.sh` fetches; a test that needs one is skipped without it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REQUIRED = "CONSERJE_TEST_TOOLS_REQUIRED"
"""Set by .ci/run: there a missing tool is a failure."""


def find_tool(name: str) -> str | None:
    """The path of a tool; None where it is not."""
    return shutil.which(name, path=f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}")


def tool(name: str) -> str:
    """The path of a tool; skips the test where it is not."""
    if found := find_tool(name):
        return found
    message = f"{name} is not there: run scripts/tools.sh"
    if os.environ.get(REQUIRED):
        pytest.fail(message)
    pytest.skip(message)
