"""The account a server runs as, and what that account can reach."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SHARED_ROOT = Path("/var/tmp")  # noqa: S108  (every account can enter it, and it survives a restart)
UNPRIVILEGED_ID = 65534

# Not by `subprocess(user=…)`: that forks, and where gRPC runs, its fork handlers
# crash the child now and then. This Python imports nothing once it is somebody
# else, who may not be able to read its library.
BECOME = """
import os, sys
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[1]))
os.execv(sys.argv[3], sys.argv[3:])
"""


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

    def command(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` as this account."""
        if self.uid is None:
            return list(command)
        program = shutil.which(command[0]) or command[0]
        become = [sys.executable, "-I", "-S", "-c", BECOME, str(self.uid), str(self.gid)]
        return [*become, program, *command[1:]]

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        """Run a command as this account, to its end."""
        return subprocess.run(
            self.command(command), cwd="/", env=environment(), capture_output=True, check=False
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
