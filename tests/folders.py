"""Where the servers of tests keep their files."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 4 * 1024**3


def new_folder(kind: str, *, on_disk: bool = False) -> Path:
    """A folder that the unprivileged account of an embedded Postgres can reach; yours to remove.

    In memory where there is enough: each test has a database of its own, and files made and removed
    by the hundred cost four times as much on a disk. What is measured wants the disk.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ENOUGH_BYTES
    parent = MEMORY if roomy and not on_disk else None
    folder = Path(tempfile.mkdtemp(prefix=f"conserje-{kind}-", dir=parent))
    folder.chmod(0o711)
    return folder
