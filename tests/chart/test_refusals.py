"""Values that cannot be meant are refused before anything is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.chart.render import CHART, SCENARIOS, Object, RefusedError, template, values_file
from tests.tools import tool


@pytest.mark.parametrize("name", SCENARIOS)
def test_helm_finds_nothing_to_say(name: str) -> None:
    values = f"--values={CHART / 'ci' / name}.yaml"
    asked = [tool("helm"), "lint", "--strict", str(CHART), values, "--kube-version=1.33.0"]
    ran = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"gatway": {}}, "gatway"),
        ({"workloads": {"gateway": {"replica": 3}}}, "replica"),
        ({"workloads": {"gateway": {"replicas": 0}}}, "replicas"),
        ({"workloads": {"gateway": {"cpu": 1.5}}}, "cpu"),
        ({"mesh": {"certificates": {"source": "vault"}}}, "source"),
        ({"telemetry": {"traceRatio": 2}}, "traceRatio"),
        ({"settings": {"log_level": "INFO"}}, "log_level"),
        ({"image": {"digest": "latest"}}, "digest"),
    ],
)
def test_the_schema_is_closed(tmp_path: Path, values: Object, told: str) -> None:
    with pytest.raises(RefusedError, match=told):
        template(values_file(tmp_path, values))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"workloads": {"gateway": {"replicas": 1}}},
            "a disruption budget with one replica would block every drain",
        ),
        (
            {"workloads": {"gateway": {"replicas": 3, "autoscaling": {"enabled": True, "max": 2}}}},
            "autoscaling.max is below replicas",
        ),
        ({"ingress": {"enabled": True}}, "ingress.host is needed"),
        ({"settings": {"CONSERJE_LOG_LEVEL": "INFO"}}, "leave the prefix out"),
        (
            {"mesh": {"certificates": {"source": "existing"}}},
            "existingSecretPrefix is needed",
        ),
        (
            {"mesh": {"insecure": True, "certificates": {"source": "job"}}},
            "contradict each other",
        ),
        (
            {"dev": {"enabled": True}, "ingress": {"enabled": True, "host": "x.example"}},
            "takes no webhooks from Meta",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(
    tmp_path: Path, values: Object, sentence: str
) -> None:
    with pytest.raises(RefusedError, match=sentence):
        template(values_file(tmp_path, values))


def test_two_workloads_never_have_one_name() -> None:
    """Names are cut at 63 characters, where those of a long release would be the same."""
    longest = "a" * 45
    names = [(one["kind"], one["metadata"]["name"]) for one in template(release=longest)]
    assert len(names) == len(set(names))
    assert ("Job", f"{longest}-messaging-migrate") in names
    with pytest.raises(RefusedError, match="at most 45 characters"):
        template(release=longest + "a")


def test_plaintext_must_be_said_by_name() -> None:
    for one in template():
        if one["kind"] == "Deployment":
            names = {
                variable["name"]
                for variable in one["spec"]["template"]["spec"]["containers"][0]["env"]
            }
            assert "CONSERJE_TLS_FOLDER" in names
            assert "CONSERJE_INSECURE" not in names
