"""Alerts: each fires when it should, not when it should not, and tells where to read on."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.chart.render import CHART, named, scenario
from tests.tools import ROOT, tool

RULES_FILE = CHART / "files" / "rules.yaml"
TESTS = ROOT / "tests" / "chart" / "alerts.yaml"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES_FILE.read_text())["groups"]
    for rule in group["rules"]
}


def _cases(alert: str) -> list[bool]:
    """For each case of an alert, whether it is expected to fire."""
    tests = yaml.safe_load(TESTS.read_text())["tests"]
    return [
        bool(case["exp_alerts"])
        for test in tests
        for case in test["alert_rule_test"]
        if case["alertname"] == alert
    ]


def test_every_case_of_every_alert_holds() -> None:
    ran = subprocess.run(
        [tool("promtool"), "test", "rules", str(TESTS)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


# One series in the same case is near its limit and must not fire.
ONE_CASE = {"ConserjeCertificateEnds"}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_case_that_fires_and_one_that_does_not(alert: str) -> None:
    assert set(_cases(alert)) == ({True} if alert in ONE_CASE else {True, False})


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_leads_to_its_entry_of_the_runbook(alert: str) -> None:
    url = ALERTS[alert]["annotations"]["runbook_url"]
    assert url.endswith(f"docs/runbook.md#{alert.lower()}")
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert alert in headings
    assert set(headings) <= set(ALERTS)


def test_the_rules_are_in_the_chart_as_they_are() -> None:
    rendered = named(scenario("production"), "PrometheusRule", "inn")
    assert rendered["spec"] == yaml.safe_load(RULES_FILE.read_text())
