"""Where the command looks for the processes."""

import fcntl
import json
from pathlib import Path

import pytest

from cli import places
from cli.places import RUN_FILE_VARIABLE, UsageError, need_target, running, target


@pytest.fixture
def run_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a mesh with two replicas of messaging."""
    file = tmp_path / "run.json"
    addresses = {
        "messaging-1": {"grpc": "127.0.0.1:9001", "ops": "127.0.0.1:9101"},
        "messaging-2": {"grpc": "127.0.0.1:9002", "ops": "127.0.0.1:9102"},
    }
    file.write_text(json.dumps({"pid": 1, "processes": addresses}))
    (tmp_path / "lock").touch()
    monkeypatch.setenv(RUN_FILE_VARIABLE, str(file))
    return file


def test_a_mesh_is_there_as_long_as_its_lock_is_held(run_file: Path) -> None:
    assert running().stale
    assert target("messaging") == ""
    with run_file.with_name("lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not running().stale
        assert target("messaging") == "127.0.0.1:9001"
    assert running().stale


def test_a_mesh_without_a_lock_file_is_not_there(run_file: Path) -> None:
    run_file.with_name("lock").unlink()
    assert running().stale


def test_the_environment_comes_first(run_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSERJE_TARGET_MESSAGING", "messaging:9000")
    assert target("messaging") == "messaging:9000"
    assert need_target("messaging", "given:1") == "given:1"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x'])
def test_a_broken_file_is_no_mesh(run_file: Path, content: str) -> None:
    run_file.write_text(content)
    assert dict(running().processes) == {}


def test_nobody_to_ask_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN_FILE_VARIABLE, str(tmp_path / "none.json"))
    with pytest.raises(UsageError, match=r"the booking service was not found: is `make run`"):
        need_target("booking")


def test_without_a_variable_this_folder_and_the_checkout_are_searched() -> None:
    files = places._run_files({})
    assert files[0] == Path.cwd() / ".conserje" / "run.json"
    assert files[1].is_relative_to(Path(places.__file__).resolve().parents[1])
