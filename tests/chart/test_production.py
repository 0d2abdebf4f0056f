"""What an installation for guests has beside its pods."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.webhook import MAX_BODY
from tests.chart.render import (
    CHART,
    RELEASE,
    SCENARIOS,
    Object,
    environment,
    matches,
    pod_templates,
    scenario,
    template,
    values_file,
)

SERVICES = ("booking", "messaging", "tenant")


def _all(kind: str, name: str = "production") -> list[Object]:
    return [one for one in scenario(name) if one["kind"] == kind]


def _one(kind: str, name: str = "production") -> Object:
    (found,) = _all(kind, name)
    return found


def test_the_webhook_and_nothing_else_is_reached_from_outside() -> None:
    spec = _one("Ingress")["spec"]
    assert spec["ingressClassName"] == "nginx"
    assert spec["tls"] == [
        {"hosts": ["whatsapp.example.com"], "secretName": "whatsapp-example-com"}
    ]
    (rule,) = spec["rules"]
    assert rule["host"] == "whatsapp.example.com"
    for path in rule["http"]["paths"]:
        assert path["path"] != "/"
        assert path["backend"]["service"]["name"] == f"{RELEASE}-gateway"
    assert not _all("Ingress", "minimal")


def test_calls_are_spread_over_every_pod_of_a_service() -> None:
    """Headless: the name resolves to all pods, and clients take turns."""
    headless = {
        one["metadata"]["name"] for one in _all("Service") if one["spec"].get("clusterIP") == "None"
    }
    assert {f"{RELEASE}-{service}" for service in SERVICES} <= headless
    for one in _all("Deployment"):
        own = environment(one["spec"]["template"]["spec"]["containers"][0])
        for name, target in own.items():
            if name.startswith("CONSERJE_TARGET_"):
                assert target.startswith("dns:///"), (one["metadata"]["name"], name)


@pytest.mark.parametrize("name", SCENARIOS)
def test_databases_are_migrated_before_what_helm_waits_for(name: str) -> None:
    """`--wait` waits for ready pods, which wait for their schema."""
    before = "post-install,pre-upgrade" if name == "dev" else "pre-install,pre-upgrade"
    objects = {(one["kind"], one["metadata"]["name"]): one for one in scenario(name)}
    for service in SERVICES:
        job, policy = (
            objects[kind, f"{RELEASE}-{service}-migrate"] for kind in ("Job", "NetworkPolicy")
        )
        told, earlier = (one["metadata"]["annotations"] for one in (job, policy))
        assert told["helm.sh/hook"] == earlier["helm.sh/hook"] == before
        assert int(earlier["helm.sh/hook-weight"]) < int(told["helm.sh/hook-weight"])
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["args"] == ["-m", f"services.{service}", "migrate"]


def test_the_ingress_takes_bodies_as_big_as_metas() -> None:
    """ingress-nginx takes 1 MB by itself; a bigger one of Meta would never come in."""
    annotations = _one("Ingress")["metadata"]["annotations"]
    size = annotations["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert size == f"{MAX_BODY // 1024**2}m"


def test_workers_scale_by_the_inbox_and_by_what_they_compute() -> None:
    scaled = {one["spec"]["scaleTargetRef"]["name"]: one for one in _all("HorizontalPodAutoscaler")}
    assert scaled.keys() == {f"{RELEASE}-gateway", f"{RELEASE}-messaging-steps"}
    steps = scaled[f"{RELEASE}-messaging-steps"]["spec"]["metrics"]
    assert [one["type"] for one in steps] == ["Resource", "External"]
    assert steps[1]["external"]["metric"]["name"] == "inbox_pending"


def test_every_process_is_scraped_and_told_where_the_collector_is() -> None:
    monitor = _one("ServiceMonitor")["spec"]
    assert monitor["endpoints"] == [{"port": "ops", "interval": "15s"}]
    services = [one for one in _all("Service") if matches(monitor["selector"], _labels(one))]
    for one in _all("Deployment"):
        template = one["spec"]["template"]
        selected = [
            service
            for service in services
            if service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
            and "ops" in {port["name"] for port in service["spec"]["ports"]}
        ]
        assert selected, one["metadata"]["name"]
        own = environment(template["spec"]["containers"][0])
        assert own["CONSERJE_OTLP_ENDPOINT"] == "http://collector.telemetry:4318"


def _labels(one: Object) -> dict[str, str]:
    labels: dict[str, str] = one["metadata"]["labels"]
    return labels


def test_certificates_come_from_cert_manager_or_from_an_authority_that_is_kept() -> None:
    issued = {one["metadata"]["name"] for one in _all("Certificate")}
    assert {f"{RELEASE}-{service}" for service in (*SERVICES, "gateway", "reader")} <= issued
    # Nothing of the Job's is Helm's own, so an upgrade or a rollback leaves its secrets alone.
    assert not [one for one in _all("Secret", "mtls") if "tls" in one["metadata"]["name"]]
    jobs = {one["metadata"]["name"]: one for one in _all("Job", "mtls")}
    hooks = jobs[f"{RELEASE}-certificates"]["metadata"]["annotations"]["helm.sh/hook"]
    assert hooks == "pre-install,pre-upgrade"


def test_reflection_can_be_turned_off() -> None:
    for one in _all("Deployment"):
        (container,) = one["spec"]["template"]["spec"]["containers"]
        own = environment(container)
        assert own["CONSERJE_REFLECTION"] == "false"


def test_a_trial_brings_a_postgres_a_redis_and_a_whatsapp_of_its_own() -> None:
    images = {
        container["name"]
        for one in _all("Deployment", "dev")
        for container in one["spec"]["template"]["spec"]["containers"]
    }
    assert {"postgres", "redis", "graph"} <= images
    assert not {"postgres", "redis", "graph"} & {
        container["name"]
        for one in _all("Deployment")
        for container in one["spec"]["template"]["spec"]["containers"]
    }


def test_files_lie_on_the_claim_that_is_named_and_nobody_else_has_them() -> None:
    for name, volume in (
        ("production", {"persistentVolumeClaim": {"claimName": "conserje-media"}}),
        ("minimal", {"emptyDir": {"sizeLimit": "4Gi"}}),
    ):
        holders = {}
        for one in _all("Deployment", name):
            spec = one["spec"]["template"]["spec"]
            for found in spec["volumes"]:
                if found["name"] == "media":
                    (mount,) = (
                        at for at in spec["containers"][0]["volumeMounts"] if at["name"] == "media"
                    )
                    own = environment(spec["containers"][0])
                    assert mount["mountPath"] == own["CONSERJE_MESSAGING_MEDIA_FOLDER"]
                    holders[one["metadata"]["name"]] = found
        assert holders == {f"{RELEASE}-messaging-media": {"name": "media", **volume}}


def test_numbers_among_the_settings_arrive_as_they_were_written(tmp_path: Path) -> None:
    """To helm all numbers are floats, which it writes as 1.6777216e+07."""
    told = {"MESSAGING_BIG": 16_777_216, "MESSAGING_SHARE": 0.25, "MESSAGING_ON": True}
    objects = template(values_file(tmp_path, {"settings": told}))
    (steps,) = (pod for at, pod in pod_templates(objects) if at.endswith("-messaging-steps"))
    own = environment(steps["spec"]["containers"][0])
    assert [own[f"CONSERJE_{name}"] for name in told] == ["16777216", "0.25", "true"]


@pytest.mark.parametrize("name", ["dev", "mtls"])
def test_every_pod_runs_on_the_nodes_that_are_named(name: str, tmp_path: Path) -> None:
    """An install waits for its jobs, which no tainted node would take otherwise."""
    where = {
        "nodeSelector": {"pool": "guests"},
        "tolerations": [{"key": "guests", "operator": "Exists", "effect": "NoSchedule"}],
    }
    objects = template(f"--values={CHART / 'ci' / name}.yaml", values_file(tmp_path, where))
    for at, pod in pod_templates(objects):
        assert {key: pod["spec"].get(key) for key in where} == where, at
