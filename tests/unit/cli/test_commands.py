"""What is typed decides what is imported, and Ctrl-C ends it without a word."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import command
from cli.command import COMMANDS, all_commands, main, parser

ROOT = Path(__file__).parents[3]
HEAVY = """
import sys
from cli.command import main
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


INTERRUPTS = """
import os, signal, sys

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

if {module!r}:
    sys.addaudithook(
        lambda event, told: event == "import" and told[0] == {module!r} and interrupt()
    )
else:
    interrupt()
"""


@pytest.mark.parametrize(
    ("module", "code"),
    [("", 0), ("argparse", -signal.SIGINT), ("cli.places", -signal.SIGINT)],
    ids=["while Python starts", "while the command loads", "while its parts load"],
)
def test_ctrl_c_at_any_time_says_nothing(module: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTS.format(module=module))
    ended = subprocess.run(
        ["sh", "conserje", "tenant", "--help"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (code, "")
