"""The references tell what the processes really have."""

from __future__ import annotations

import pytest

from sandbox.mesh import Mesh
from scripts import references

pytestmark = pytest.mark.e2e


def test_the_configuration_reference_is_up_to_date() -> None:
    assert (references.DOCS / "configuration.md").read_text() == references.configuration()


async def test_the_telemetry_reference_is_up_to_date(mesh: Mesh) -> None:
    exposed = {name: await mesh.metrics(name) for name in references.PROCESSES}
    assert (references.DOCS / "telemetry.md").read_text() == references.telemetry(exposed)
