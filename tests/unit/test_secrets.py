"""No key and no token is in the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SECRETS = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\r\n]+[A-Za-z0-9+/=]{40}"
    rb"|\bEAA[A-Za-z0-9]{60,}"  # the Graph API's tokens
    rb"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    rb"|\bgh[pousr]_[A-Za-z0-9]{36}"
    rb"|\bxox[abprs]-[A-Za-z0-9-]{20,}"
    rb"|://[^/\s:@'\"{}$<>]+:[^/\s:@'\"{}$<>*]{12,}@(?!localhost|127\.)[a-z0-9.-]+\.[a-z]{2,}"
)


def test_no_file_holds_what_looks_like_a_secret() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    names = listed.stdout.decode().split("\0")[:-1]
    found = [
        f"{name}: {match.group()[:16]!r}…"
        for name in names
        if (ROOT / name).is_file()
        for match in SECRETS.finditer((ROOT / name).read_bytes())
    ]
    assert len(names) > 500, "this is no checkout"
    assert not found


@pytest.mark.parametrize(
    "secret",
    [
        b"-----BEGIN PRIVATE " + b"KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAo",
        b"EAA" + b"G" * 80,
        b"AKIA" + b"ABCDEFGHIJKLMNOP",
        b"postgres://owner:" + b"correct-horse-battery@db.example.org/x",
    ],
)
def test_what_looks_like_a_secret_is_seen(secret: bytes) -> None:
    assert SECRETS.search(b"x = " + secret + b"\n")
