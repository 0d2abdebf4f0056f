"""The account a server runs as, and what that account can reach."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SHARED_ROOT = Path("/var/tmp")  # noqa: S108  (every account can enter it, and it survives a restart)
UNPRIVILEGED_ID = 65534


class SandboxError(Exception):
    """What kept the sandbox from starting, as one sentence for the person at the terminal."""


@dataclass(frozen=True)
class Account:
    """An account; ids of None mean "whoever we are"."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def unprivileged(cls) -> Account:
        """Ourselves, or as root `nobody`: Postgres refuses to run as root."""
        if os.getuid() != 0:
            return cls()
        with contextlib.suppress(KeyError):
            nobody = pwd.getpwnam("nobody")
            return cls(nobody.pw_uid, nobody.pw_gid)
        return cls(UNPRIVILEGED_ID, UNPRIVILEGED_ID)

    def popen_arguments(self) -> dict[str, object]:
        """What `subprocess` needs to run a child as this account."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        """Run a command as this account, to its end."""
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            command,
            cwd="/",
            env=environment(),
            capture_output=True,
            check=False,
            **self.popen_arguments(),
        )

    def may(self, flag: str, path: Path) -> bool:
        """Whether the account may enter or run (`-x`) or read (`-r`) a path."""
        return self.run(["test", flag, str(path)]).returncode == 0

    def own(self, path: Path) -> None:
        """Give a path to the account, and to it alone."""
        path.chmod(0o700)
        if self.uid is not None:
            os.chown(path, self.uid, self.gid or 0)


def environment() -> dict[str, str]:
    """What a server finds in its environment: nothing of ours."""
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}


def shared_folder(original: Path) -> Path:
    """A folder of ours that every account can enter, one for each `original` path."""
    digest = hashlib.sha256(str(original).encode()).hexdigest()[:12]
    folder = SHARED_ROOT / f"conserje-{digest}"
    folder.mkdir(mode=0o711, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise SandboxError(f"{folder} belongs to another account; remove it and try again.")
    return folder
