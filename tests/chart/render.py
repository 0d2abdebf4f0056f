"""The chart as the real helm renders it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.tools import ROOT, tool

CHART = ROOT / "helm" / "conserje"
SCENARIOS = tuple(sorted(path.stem for path in (CHART / "ci").glob("*.yaml")))
RELEASE = "inn"
PODS = ("Deployment", "Job", "CronJob", "Pod")

Object = dict[str, Any]


class RefusedError(Exception):
    """What helm said instead of objects."""


def template(*arguments: str, release: str = RELEASE) -> list[Object]:
    """The objects of a release with these arguments; `RefusedError` when helm refuses."""
    # A helm built by `go install` believes in a very old cluster.
    asked = [tool("helm"), "template", release, str(CHART), "--kube-version=1.33.0", *arguments]
    ran = subprocess.run(asked, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RefusedError(ran.stderr)
    return [one for one in yaml.safe_load_all(ran.stdout) if one]


@cache
def _scenario(name: str) -> str:
    apis = ("cert-manager.io/v1", "monitoring.coreos.com/v1") if name == "production" else ()
    values = f"--values={CHART / 'ci' / name}.yaml"
    return json.dumps(template(values, *(f"--api-versions={api}" for api in apis)))


def scenario(name: str) -> list[Object]:
    """The objects of one of `ci/*.yaml`."""
    found: list[Object] = json.loads(_scenario(name))
    return found


def named(objects: list[Object], kind: str, name: str) -> Object:
    """The one object of that kind and name; `name` is without the release's."""
    (found,) = (one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name)
    return found


def pod_templates(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Each pod that an object makes, as `Kind/name` and its template."""
    for one in objects:
        if one["kind"] not in PODS:
            continue
        at = f"{one['kind']}/{one['metadata']['name']}"
        if one["kind"] == "Pod":
            yield at, {"metadata": one["metadata"], "spec": one["spec"]}
        elif one["kind"] == "CronJob":
            yield at, one["spec"]["jobTemplate"]["spec"]["template"]
        else:
            yield at, one["spec"]["template"]


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a selector's matchLabels select these labels."""
    return set(selector.get("matchLabels", {}).items()) <= set(labels.items())


def environment(container: Object) -> dict[str, str]:
    """A container's variables; what comes from a secret is `secret:<name>/<key>`."""
    return {one["name"]: one.get("value") or _secret(one) for one in container.get("env", ())}


def _secret(variable: Object) -> str:
    reference = variable.get("valueFrom", {}).get("secretKeyRef")
    return f"secret:{reference['name']}/{reference['key']}" if reference else ""


def values_file(tmp_path: Path, values: Object) -> str:
    """The argument that adds these values."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return f"--values={file}"
