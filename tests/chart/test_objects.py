"""What every rendered object must have, in every scenario."""

from __future__ import annotations

import base64
import json
import warnings

import kubernetes_validate
import pytest

from gateway.settings import GatewaySettings
from meshkit import config
from meshkit.keyring import KeyRing
from sandbox.demo import NUMBERS
from services.booking.settings import BookingSettings
from services.messaging.settings import MessagingSettings
from services.tenant.settings import TenantSettings
from tests.chart.render import (
    SCENARIOS,
    Object,
    environment,
    matches,
    named,
    pod_templates,
    scenario,
)
from tests.e2e.test_tracing import EDGES, NOTICE_EDGES

SETTINGS: dict[str, type[config.Settings]] = {
    "gateway": GatewaySettings,
    "tenant": TenantSettings,
    "booking": BookingSettings,
    "messaging": MessagingSettings,
}
VERSIONS = ("1.29", "1.31", "1.33")
CUSTOM = ("cert-manager.io/v1", "monitoring.coreos.com/v1")
"""Groups whose schemas Kubernetes itself does not have."""
WATCHES = {("gateway", "tenant"), ("messaging", "tenant"), ("booking", "tenant")}
"""Who follows whose changes, in a stream that belongs to no trace."""

each_scenario = pytest.mark.parametrize("name", SCENARIOS)


def _deployments(objects: list[Object]) -> list[Object]:
    return [one for one in objects if one["kind"] == "Deployment"]


def _mesh(objects: list[Object]) -> list[Object]:
    """Our processes; a trial has servers beside them."""
    return [
        one
        for one in _deployments(objects)
        if one["spec"]["template"]["spec"]["containers"][0]["name"] in SETTINGS
    ]


@each_scenario
@pytest.mark.parametrize("version", VERSIONS)
def test_objects_fit_the_schemas_of_kubernetes(name: str, version: str) -> None:
    for one in scenario(name):
        if one["apiVersion"] not in CUSTOM:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                kubernetes_validate.validate(one, version, strict=True)


@each_scenario
def test_every_container_is_restricted_and_bounded(name: str) -> None:
    for at, template in pod_templates(scenario(name)):
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is (at.endswith("-certificates")), at
        assert spec["securityContext"]["runAsNonRoot"] is True, at
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, at
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, at
            assert security["readOnlyRootFilesystem"] is True, at
            assert security["capabilities"] == {"drop": ["ALL"]}, at
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, at
            assert container["resources"]["limits"].keys() == {"memory"}, at


@each_scenario
def test_what_serves_has_probes_and_time_to_drain(name: str) -> None:
    for one in _mesh(scenario(name)):
        spec = one["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        paths = {
            probe: container[f"{probe}Probe"]["httpGet"]
            for probe in ("startup", "liveness", "readiness")
        }
        assert paths == {
            "startup": {"path": "/startupz", "port": "ops"},
            "liveness": {"path": "/livez", "port": "ops"},
            "readiness": {"path": "/readyz", "port": "ops"},
        }
        own = environment(container)
        prefix = f"CONSERJE_{container['name'].upper()}_"
        notice, drain = (float(own[f"{prefix}{which}_SECONDS"]) for which in ("NOTICE", "DRAIN"))
        # HTTP sites and the gRPC server, then the workers: each may take the drain.
        assert spec["terminationGracePeriodSeconds"] >= notice + 2 * drain + 10
        assert "preStop" in container["lifecycle"]
        assert "checksum/settings" in one["spec"]["template"]["metadata"]["annotations"]
        spread = {rule["topologyKey"] for rule in spec["topologySpreadConstraints"]}
        assert spread == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}


@each_scenario
def test_what_has_replicas_has_a_budget_and_what_scales_has_no_fixed_count(name: str) -> None:
    objects = scenario(name)
    budgets = [one for one in objects if one["kind"] == "PodDisruptionBudget"]
    scaled = {
        one["spec"]["scaleTargetRef"]["name"]
        for one in objects
        if one["kind"] == "HorizontalPodAutoscaler"
    }
    for one in _mesh(objects):
        labels = one["spec"]["template"]["metadata"]["labels"]
        budgeted = [budget for budget in budgets if matches(budget["spec"]["selector"], labels)]
        replicas = one["spec"].get("replicas", 2)
        assert len(budgeted) == (1 if replicas > 1 else 0), one["metadata"]["name"]
        assert ("replicas" in one["spec"]) is (one["metadata"]["name"] not in scaled)


@each_scenario
def test_every_process_understands_its_environment(name: str) -> None:
    for one in _mesh(scenario(name)):
        (container,) = one["spec"]["template"]["spec"]["containers"]
        process = container["name"]
        settings = config.load(SETTINGS[process], process, environment(container))
        assert bool(settings.tls_folder) is (name != "minimal")


@each_scenario
def test_migrations_understand_theirs_and_have_the_owner(name: str) -> None:
    jobs = [
        (template["spec"]["containers"][0], at)
        for at, template in pod_templates(scenario(name))
        if at.endswith("-migrate")
    ]
    assert len(jobs) == 3
    for container, at in jobs:
        service = at.removesuffix("-migrate").rpartition("-")[2]
        assert container["args"] == ["-m", f"services.{service}", "migrate"]
        settings = config.load(SETTINGS[service], service, environment(container))
        owner = getattr(settings, "owner_database_url").get_secret_value()  # noqa: B009
        assert owner.endswith(f"{service}-database/ownerDatabaseUrl")


@each_scenario
def test_no_process_but_a_migration_sees_an_owner_or_another_database(name: str) -> None:
    for one in _mesh(scenario(name)):
        (container,) = one["spec"]["template"]["spec"]["containers"]
        databases = [value for value in environment(container).values() if "atabase" in value]
        expected = [] if container["name"] == "gateway" else [f"{container['name']}-database"]
        assert [value.rpartition("/")[0].partition("-")[2] for value in databases] in (
            expected,
            [f"dev-{one}" for one in expected],
        ), databases
        assert not any(value.endswith("ownerDatabaseUrl") for value in databases)


@each_scenario
def test_each_identity_has_its_own_certificate(name: str) -> None:
    if name == "minimal":
        return
    for one in _mesh(scenario(name)):
        spec = one["spec"]["template"]["spec"]
        (secret,) = (one["secret"] for one in spec["volumes"] if one["name"] == "tls")
        assert secret["secretName"] == f"inn-tls-{spec['containers'][0]['name']}"


@each_scenario
def test_whoever_encrypts_has_keys_of_its_own_and_nobody_else_has_them(name: str) -> None:
    mounted = {}
    for one in _mesh(scenario(name)):
        spec = one["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        for volume in spec["volumes"]:
            if volume["name"] == "keys":
                mounted[one["metadata"]["name"]] = volume["secret"]["secretName"]
                (where,) = (at for at in container["volumeMounts"] if at["name"] == "keys")
                told = {e["name"]: e.get("value") for e in container["env"]}
                own = f"CONSERJE_{container['name'].upper()}_KEYS_FOLDER"
                assert told[own] == where["mountPath"]
                assert where["readOnly"]
    prefix = "inn-dev" if name == "dev" else "conserje"
    assert mounted == {f"inn-{one}": f"{prefix}-{one}-keys" for one in ("tenant", "messaging")}
    if name == "dev":
        for secret in mounted.values():
            ((key_id, key),) = named(scenario(name), "Secret", secret)["stringData"].items()
            KeyRing({key_id: base64.b64decode(key, validate=True)})


def _policies(objects: list[Object], labels: dict[str, str]) -> list[Object]:
    return [
        one
        for one in objects
        if one["kind"] == "NetworkPolicy" and matches(one["spec"]["podSelector"], labels)
    ]


@each_scenario
def test_all_is_denied_and_every_pod_has_a_policy_of_its_own(name: str) -> None:
    objects = scenario(name)
    for at, template in pod_templates(objects):
        labels = template["metadata"]["labels"]
        found = _policies(objects, labels)
        denied = [one for one in found if not one["spec"].get("ingress", one["spec"].get("egress"))]
        assert denied, f"{at} is not under the default denial"
        assert len(found) == 2, at
        assert all(set(one["spec"]["policyTypes"]) == {"Ingress", "Egress"} for one in found)


@each_scenario
def test_policies_let_through_who_really_calls_whom(name: str) -> None:
    """The edges come from traces, see tests/e2e/test_tracing.py; and watches."""
    objects = scenario(name)
    pods = {
        one["metadata"]["name"]: (
            one["spec"]["template"]["spec"]["containers"][0]["name"],
            one["spec"]["template"]["metadata"]["labels"],
        )
        for one in _mesh(objects)
    }
    ways = {
        (caller, callee)
        for callee_name, (callee, callee_labels) in pods.items()
        for caller_name, (caller, caller_labels) in pods.items()
        if _is_let(objects, caller_labels, callee_labels)
    }
    assert ways == EDGES | NOTICE_EDGES | WATCHES


def _is_let(objects: list[Object], caller: dict[str, str], callee: dict[str, str]) -> bool:
    """Whether caller's egress and callee's ingress both let gRPC through."""
    leaves = any(
        _names(rule, "to", callee)
        for policy in _policies(objects, caller)
        for rule in policy["spec"].get("egress", ())
    )
    enters = any(
        _names(rule, "from", caller)
        for policy in _policies(objects, callee)
        for rule in policy["spec"].get("ingress", ())
    )
    assert leaves == enters, f"half a way from {caller} to {callee}"
    return leaves


def _names(rule: Object, direction: str, labels: dict[str, str]) -> bool:
    ports = {port["port"] for port in rule.get("ports", ())}
    return 50051 in ports and any(
        matches(peer.get("podSelector", {}), labels) for peer in rule.get(direction, ())
    )


@each_scenario
def test_the_internet_is_open_to_those_who_call_it_and_the_private_ranges_are_not(
    name: str,
) -> None:
    objects = scenario(name)
    outside = {}
    for at, template in pod_templates(objects):
        for policy in _policies(objects, template["metadata"]["labels"]):
            for rule in policy["spec"].get("egress", ()):
                for peer in rule.get("to", ()):
                    if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0":
                        assert [port["port"] for port in rule["ports"]] == [443], at
                        assert "10.0.0.0/8" in peer["ipBlock"]["except"], at
                        outside[at] = template["spec"]["containers"][0]["name"]
    assert set(outside.values()) == {"messaging", "booking"}


@each_scenario
def test_an_install_has_no_name_twice(name: str) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in scenario(name)]
    assert len(names) == len(set(names))


@each_scenario
def test_a_headless_service_has_the_ports_of_its_pods(name: str) -> None:
    """Its name leads to the pods themselves: another port than theirs leads nowhere."""
    objects = scenario(name)
    for one in objects:
        if one["kind"] != "Service" or one["spec"].get("clusterIP") != "None":
            continue
        (pod,) = (
            template["spec"]["containers"][0]
            for at, template in pod_templates(objects)
            if at == f"Deployment/{one['metadata']['name']}"
        )
        listening = {port["name"]: port["containerPort"] for port in pod["ports"]}
        for port in one["spec"]["ports"]:
            assert port["port"] == listening[port["targetPort"]], one["metadata"]["name"]


def test_a_trial_posts_its_webhooks_where_the_gateway_listens() -> None:
    (graph,) = (
        template["spec"]["containers"][0]
        for at, template in pod_templates(scenario("dev"))
        if at.endswith("-graph")
    )
    assert "--webhook-url=http://inn-gateway:8080/webhooks/whatsapp" in graph["args"]


def test_a_trial_has_the_demo_hotels_numbers() -> None:
    (graph,) = (
        template["spec"]["containers"][0]
        for at, template in pod_templates(scenario("dev"))
        if at.endswith("-graph")
    )
    told = json.loads(environment(graph)["CONSERJE_GRAPH_NUMBERS"])
    assert [tuple(one.values()) for one in told] == [
        (one.phone_number_id, one.waba_id, one.display_phone_number) for one in NUMBERS
    ]


@each_scenario
def test_the_ingress_lets_in_the_webhooks_of_meta_and_of_hotels_systems_alone(name: str) -> None:
    for one in scenario(name):
        if one["kind"] == "Ingress":
            (rule,) = one["spec"]["rules"]
            paths = [path["path"] for path in rule["http"]["paths"]]
            assert paths == ["/webhooks/whatsapp", "/webhooks/pms"]
