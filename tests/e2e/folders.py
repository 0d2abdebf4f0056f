"""Folders for a mesh of a test's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.logs import private
from tests.folders import new_folder

NO_PAUSE = {"CONSERJE_MESSAGING_BURST_PAUSE_SECONDS": "0"}
"""Each text is answered by itself: most tests type and wait in turns."""

SOON_LOOKED_AT = {"CONSERJE_MESSAGING_SUSPENDED_SECONDS": "0.5"}
"""Messages to a hotel that was suspended are taken up soon after."""


@contextmanager
def mesh_folder(*, on_disk: bool = False) -> Iterator[Path]:
    """A `new_folder`.

    Whatever is done with a mesh, its processes have logged no secret and no phone number.
    """
    folder = new_folder("mesh", on_disk=on_disk)
    yield folder
    found = private(folder)
    shutil.rmtree(folder, ignore_errors=True)
    assert found == []
