"""What is typed decides what is imported, and Ctrl-C ends it without a word."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import __main__ as command
from cli.__main__ import COMMANDS, all_commands, main, parser

ROOT = Path(__file__).parents[3]
HEAVY = """
import sys
from cli.__main__ import main
try:
    main(["--help"])
except SystemExit:
    pass
heavy = {"grpc", "yaml", "google.protobuf", "asyncio", "aiohttp"} & set(sys.modules)
sys.exit(", ".join(heavy) or 0)
"""


@pytest.mark.parametrize("name", all_commands())
def test_each_command_is_added_by_its_module(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser(name).parse_args([name, "--help"])
    assert ended.value.code == 0
    # More than the bare name, which is all that is known without the module.
    assert len(capsys.readouterr().out.splitlines()) > 4


def test_all_are_listed_and_none_is_imported(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert [name for name, (_, purpose) in COMMANDS.items() if purpose not in told] == []
    listed = subprocess.run(
        [sys.executable, "-c", HEAVY], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (listed.returncode, listed.stderr) == (0, "")


def test_what_is_no_command_is_told_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tenants", "list"])
    assert ended.value.code == 2
    assert "'tenant'" in capsys.readouterr().err


def test_ctrl_c_while_a_command_is_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(module: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "all_commands", lambda: {"trace": ("cli.trace", "")})
    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert main(["trace", "wamid.x"]) == 130
