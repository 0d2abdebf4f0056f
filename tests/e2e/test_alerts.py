"""The series that alerts ask for exist, with the labels they ask for."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sandbox.mesh import Mesh
from tests.chart.test_alerts import ALERTS
from tests.e2e.logs import PROCESSES

pytestmark = pytest.mark.e2e

SELECTOR = re.compile(r"\b([a-z]+(?:_[a-z]+)+|[a-z]+(?=\{))(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~?)"([^"]*)"')
FUNCTIONS = {"histogram_quantile"}
GROUPING = re.compile(r"\bby \([^)]*\)")


def _selectors(expression: str) -> set[tuple[str, tuple[tuple[str, str, str], ...]]]:
    """Each series that a PromQL expression names, with its matchers."""
    return {
        (name, tuple(MATCHER.findall(matchers)))
        for name, matchers in SELECTOR.findall(GROUPING.sub("", expression))
        if name not in FUNCTIONS
    }


@pytest.mark.parametrize("alert", ALERTS)
async def test_every_series_of_an_alert_is_there(mesh: Mesh, alert: str) -> None:
    samples = [
        sample
        for name in PROCESSES
        for family in text_string_to_metric_families(await mesh.metrics(name))
        for sample in family.samples
    ]
    selectors = _selectors(ALERTS[alert]["expr"])
    assert selectors
    for series, matchers in selectors:
        found = [one.labels for one in samples if one.name == series]
        assert found, f"nobody exposes {series}"
        for label, how, wanted in matchers:
            values = {one.get(label) for one in found}
            expected = set(wanted.split("|")) if how == "=~" else {wanted}
            assert expected <= values, f"{series} has no {label} {expected - values}"
