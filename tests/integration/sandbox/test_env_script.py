"""scripts/env.sh and ./conserje: what is missing is one sentence, what is there needs no net."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ("bash", "sh", "dirname", "sha256sum", "cat", "rm", "mkdir", "env", "awk", "date", "ls")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without an environment, and a PATH with the plainest of tools."""
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "conserje", tmp_path / "conserje")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        if found := shutil.which(tool):
            (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def run(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    # Nobody listens there: whoever asks the network fails.
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:1", "PIP_RETRIES": "0"}
    environment = {"PATH": str(checkout / "bin"), **nowhere}
    return subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def python(checkout: Path, script: str, place: str = "bin/python3.11") -> None:
    path = checkout / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_no_python_is_one_sentence(checkout: Path) -> None:
    ran = run(checkout, "scripts/env.sh", "sandbox")
    assert ran.returncode == 1
    assert ran.stderr == (
        "conserje: Python 3.11 is needed and was not found; install it or name it: "
        "make PYTHON=/path/to/python3.11\n"
    )


def test_another_python_is_not_taken(checkout: Path) -> None:
    python(checkout, "exit 1", "bin/python3")
    assert "Python 3.11 is needed" in run(checkout, "scripts/env.sh", "sandbox").stderr


def test_a_python_without_venv_is_one_sentence(checkout: Path) -> None:
    python(checkout, 'case "$2" in *venv*) exit 1;; esac')
    ran = run(checkout, "scripts/env.sh", "sandbox")
    assert ran.returncode == 1
    assert ran.stderr == (
        "conserje: Python's venv module is missing; install it (Debian: apt-get install "
        "python3.11-venv) and try again\n"
    )


def test_packages_that_cannot_be_had_are_told_and_tried_again(checkout: Path) -> None:
    (checkout / "bin" / "python3.11").symlink_to(os.path.realpath(ROOT / ".venv/bin/python"))
    ran = run(checkout, "scripts/env.sh", "sandbox")
    assert ran.returncode == 1
    assert "the packages of requirements/sandbox.txt could not be installed" in ran.stderr
    assert not list((checkout / ".venv").glob(".installed-*"))


def test_an_environment_that_is_complete_needs_nothing(checkout: Path) -> None:
    python(checkout, "exit 0", ".venv/bin/python")
    sums = run(checkout, "sha256sum", "requirements/sandbox.txt").stdout
    (checkout / ".venv" / ".installed-sandbox").write_text(f"{sums.strip()}\n{checkout}\n")
    ran = run(checkout, "scripts/env.sh", "sandbox")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize("change", ["pins", "place"])
def test_other_pins_or_another_place_make_it_incomplete(checkout: Path, change: str) -> None:
    python(checkout, "exit 0", ".venv/bin/python")
    sums = run(checkout, "sha256sum", "requirements/sandbox.txt").stdout
    place = "/somewhere/else" if change == "place" else checkout
    (checkout / ".venv" / ".installed-sandbox").write_text(f"{sums.strip()}\n{place}\n")
    if change == "pins":
        with (checkout / "requirements" / "sandbox.txt").open("a") as lock:
            lock.write("# another pin\n")
    assert run(checkout, "scripts/env.sh", "sandbox").returncode == 1


@pytest.mark.parametrize("half_done", [False, True])
def test_the_command_without_its_environment_is_one_sentence(
    checkout: Path, half_done: bool
) -> None:
    if half_done:
        python(checkout, "exit 0", ".venv/bin/python")
    ran = run(checkout, "./conserje", "doctor")
    assert ran.returncode == 1
    assert ran.stderr == (
        "conserje: the Python environment is missing; type `make run` first, it prepares it\n"
    )
