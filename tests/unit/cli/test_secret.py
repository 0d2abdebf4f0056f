"""A secret comes from a file that holds it and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import secret
from cli.places import UsageError


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 70_000])
def test_a_file_without_a_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret.txt"
    file.write_bytes(content)
    with pytest.raises(UsageError):
        secret.read(str(file))
    with pytest.raises(UsageError):
        secret.read(str(tmp_path / "none.txt"))


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_line_end_of_an_editor_is_no_part_of_it(tmp_path: Path, end: str) -> None:
    file = tmp_path / "secret.txt"
    file.write_bytes(f" a b{end}".encode())
    assert secret.read(str(file)) == " a b"
