"""Folders for a mesh of a test's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.logs import private

NO_PAUSE = {"CONSERJE_MESSAGING_BURST_PAUSE_SECONDS": "0"}
"""Each text is answered by itself: most tests type and wait in turns."""

SOON_LOOKED_AT = {"CONSERJE_MESSAGING_SUSPENDED_SECONDS": "0.5"}
"""Messages to a hotel that was suspended are taken up soon after."""


@contextmanager
def mesh_folder() -> Iterator[Path]:
    """One that the unprivileged account of an embedded Postgres can reach.

    Whatever is done with a mesh, its processes have logged no secret and no phone number.
    """
    folder = Path(tempfile.mkdtemp(prefix="conserje-mesh-"))
    folder.chmod(0o711)
    yield folder
    found = private(folder)
    shutil.rmtree(folder, ignore_errors=True)
    assert found == []
