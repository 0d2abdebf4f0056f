"""Who is told what: the environment of each process."""

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from meshkit.keyring import KeyRing
from sandbox.databases import DatabaseUrls
from sandbox.graph.settings import Number
from sandbox.ports import Ports
from sandbox.processes import SandboxError
from sandbox.up import given_by
from sandbox.wiring import (
    MODULES,
    SERVICES,
    Address,
    Credentials,
    Process,
    Wiring,
    choose_addresses,
    keep_key,
    ports_of,
)

NAMES = ("graph", "tenant", "booking", "messaging-1", "messaging-2", "gateway")
KEYS = {"tenant": Path("/keys"), "messaging": Path("/messaging-keys")}
KNOWN = Credentials("app-secret", "access-token", "verify-token")
BASE = {"PATH": "/bin", "CONSERJE_LOG_LEVEL": "DEBUG"} | {
    f"CONSERJE_{name.upper()}_WORD": name for name in MODULES
}


@pytest.fixture
def wiring() -> Wiring:
    ports = Ports()
    addresses = choose_addresses(NAMES, ports, {}, {})
    ports.release()
    databases = {name: DatabaseUrls(f"pg://owner-{name}", f"pg://{name}") for name in SERVICES}
    numbers = (Number("1", "2", "+34 910 000 001"),)
    return Wiring(addresses, databases, "redis://r", KNOWN, KEYS, Path("/media"), numbers, BASE)


@pytest.mark.parametrize("name", NAMES)
def test_a_process_gets_its_own_variables_and_nobody_elses(wiring: Wiring, name: str) -> None:
    service = Process(name).service
    environment = wiring.environment(Process(name))
    others = [other for other in MODULES if other != service]
    assert not [
        variable
        for variable in environment
        for other in others
        if variable.startswith(f"CONSERJE_{other.upper()}_")
    ]
    assert environment[f"CONSERJE_{service.upper()}_WORD"] == service
    assert environment["CONSERJE_LOG_LEVEL"] == "DEBUG"
    assert "pg://owner" not in str(environment)
    assert ("access-token" in str(environment)) == (service in ("messaging", "graph"))
    assert ("app-secret" in str(environment)) == (service in ("gateway", "graph"))


def test_only_migrate_knows_the_owner(wiring: Wiring) -> None:
    environment = wiring.migration_environment("messaging")
    assert environment["CONSERJE_MESSAGING_OWNER_DATABASE_URL"] == "pg://owner-messaging"
    assert environment["CONSERJE_MESSAGING_DATABASE_URL"] == "pg://messaging"


def test_replicas_share_a_target_and_listen_apart(wiring: Wiring) -> None:
    first, second = (wiring.environment(Process(f"messaging-{number}")) for number in (1, 2))
    listens = [one["CONSERJE_MESSAGING_GRPC_LISTEN"] for one in (first, second)]
    assert wiring.target("messaging") == f"ipv4:{listens[0]},{listens[1]}"
    assert wiring.target("booking") == wiring.addresses["booking"].grpc
    assert first["CONSERJE_TARGET_MESSAGING"] == second["CONSERJE_TARGET_MESSAGING"]


def test_what_a_process_is_given_of_its_own_comes_last(wiring: Wiring) -> None:
    process = Process("booking", env={"CONSERJE_LOG_LEVEL": "ERROR"})
    assert wiring.environment(process)["CONSERJE_LOG_LEVEL"] == "ERROR"


def test_told_addresses_are_used_and_ports_of_last_time_come_again() -> None:
    ports = Ports()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        told = probe.getsockname()[1]
    listens = {"CONSERJE_GATEWAY_HTTP_LISTEN": f"0.0.0.0:{told}"}
    first = choose_addresses(NAMES, ports, listens, {})
    assert first["gateway"].http == f"0.0.0.0:{told}"
    ports.release()
    assert choose_addresses(NAMES, ports, listens, ports_of(first)) == first
    ports.release()


def test_a_told_port_0_is_any_free_one() -> None:
    ports = Ports()
    chosen = choose_addresses(["tenant"], ports, {"CONSERJE_TENANT_OPS_LISTEN": "[::1]:0"}, {})
    assert chosen["tenant"].ops.startswith("[::1]:")
    assert not chosen["tenant"].ops.endswith(":0")
    ports.release()


@pytest.mark.parametrize("listen", ["", "8080", ":8080", "host:", "host:http"])
def test_a_told_address_that_is_none_is_refused(listen: str) -> None:
    with pytest.raises(SandboxError, match="CONSERJE_TENANT_GRPC_LISTEN must be host:port"):
        choose_addresses(["tenant"], Ports(), {"CONSERJE_TENANT_GRPC_LISTEN": listen}, {})


def test_credentials_are_made_once_and_for_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    made = Credentials.kept_in(path)
    assert Credentials.kept_in(path) == made
    assert len(set(json.loads(path.read_text()).values())) == 3
    assert path.stat().st_mode & 0o777 == 0o600


def test_servers_that_the_environment_names_are_used() -> None:
    given = given_by(
        {
            "CONSERJE_REDIS_URL": "redis://r",
            "CONSERJE_TENANT_DATABASE_URL": "pg://t",
            "CONSERJE_BOOKING_DATABASE_URL": "pg://b",
            "CONSERJE_BOOKING_OWNER_DATABASE_URL": "pg://b-owner",
        }
    )
    assert given.redis_url == "redis://r"
    assert given.databases == {
        "tenant": DatabaseUrls("pg://t", "pg://t"),
        "booking": DatabaseUrls("pg://b-owner", "pg://b"),
    }


def test_an_address_that_nobody_chose_is_empty() -> None:
    assert ports_of({"graph": Address(http="127.0.0.1:8085")}) == {"graph.http": 8085}


def test_what_the_environment_says_of_meta_counts_more(wiring: Wiring) -> None:
    real = {
        "CONSERJE_MESSAGING_GRAPH_BASE_URL": "https://graph.facebook.com",
        "CONSERJE_GATEWAY_APP_SECRETS": "real-secret",
    }
    told = replace(wiring, base={**BASE, **real})
    assert (
        told.environment(Process("messaging-1"))["CONSERJE_MESSAGING_GRAPH_BASE_URL"]
        == real["CONSERJE_MESSAGING_GRAPH_BASE_URL"]
    )
    gateway = told.environment(Process("gateway"))
    assert gateway["CONSERJE_GATEWAY_APP_SECRETS"] == "real-secret"
    assert gateway["CONSERJE_GATEWAY_VERIFY_TOKEN"] == "verify-token"


def test_a_key_is_made_once_and_readable_by_us_alone(tmp_path: Path) -> None:
    folder = keep_key(tmp_path / "keys")
    (file,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    first = KeyRing.read(folder).encrypt(b"secret", b"bound")
    assert KeyRing.read(keep_key(folder)).decrypt(first, b"bound") == b"secret"


def test_a_port_that_cannot_be_is_refused_in_a_sentence() -> None:
    told = {"CONSERJE_GATEWAY_HTTP_LISTEN": "127.0.0.1:99999999"}
    with pytest.raises(SandboxError, match="says port 99999999; ports end at 65535"):
        choose_addresses(["gateway"], Ports(), told, {})
