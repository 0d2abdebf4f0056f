"""Who listens where and is told what: the environment of each process of the mesh."""

import base64
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sandbox.databases import DatabaseUrls
from sandbox.graph.settings import Number
from sandbox.ports import Ports
from sandbox.processes import LOOPBACK, SandboxError

SERVICES = ("tenant", "booking", "messaging")
ENCRYPTING = ("tenant", "messaging")
"""Those that have keys of their own."""
MODULES = {
    "tenant": "services.tenant",
    "booking": "services.booking",
    "messaging": "services.messaging",
    "gateway": "gateway",
    "graph": "sandbox.graph",
}
WEBHOOK_PATH = "/webhooks/whatsapp"
LAST_PORT = 65535
_REPLICA = re.compile(r"-[0-9]+$")


@dataclass(frozen=True)
class Process:
    """One process to run; `messaging-1` and `messaging-2` are replicas of one service."""

    name: str
    arguments: tuple[str, ...] = ()
    """After the module, such as `--only=steps`."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to its environment, over everything else."""
    without: frozenset[str] = frozenset()
    """Variables that are kept from it: settings that another release of it does not know."""

    @property
    def service(self) -> str:
        """Which program it runs: the name without the number of the replica."""
        return _REPLICA.sub("", self.name)


@dataclass(frozen=True)
class Address:
    """Where a process listens, as `host:port`; empty where it does not."""

    grpc: str = ""
    ops: str = ""
    http: str = ""


@dataclass(frozen=True)
class Credentials:
    """What Meta and the hotel's processes share."""

    app_secret: str
    access_token: str
    verify_token: str

    @classmethod
    def kept_in(cls, path: Path) -> "Credentials":
        """Those of the file, made on first use and readable by us alone."""
        if not path.exists():
            made = cls(*(secrets.token_hex(16) for _ in range(3)))
            path.touch(mode=0o600)
            path.write_text(json.dumps(asdict(made)))
        return cls(**json.loads(path.read_text()))


def keep_key(folder: Path) -> Path:
    """The folder of keys, with one made on first use and readable by us alone."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if not any(folder.iterdir()):
        first = folder / "first"
        first.touch(mode=0o600)
        first.write_bytes(base64.b64encode(secrets.token_bytes(32)))
    return folder


@dataclass(frozen=True)
class Wiring:
    """Everything that processes must know of each other."""

    addresses: Mapping[str, Address]
    databases: Mapping[str, DatabaseUrls]
    redis_url: str
    credentials: Credentials
    keys: Mapping[str, Path]
    """The folders of the keys of those who encrypt, by service."""
    media: Path
    """The folder of guests' files."""
    numbers: Sequence[Number]
    base: Mapping[str, str]
    """The environment that all of them start from."""

    def environment(self, process: Process) -> dict[str, str]:
        """The environment of one process."""
        prefix = f"CONSERJE_{process.service.upper()}_"
        own = {} if process.service == "graph" else self._listens(process, prefix)
        if urls := self.databases.get(process.service):
            own[prefix + "DATABASE_URL"] = urls.app_url
        # What whoever starts us says of Meta counts more than our own WhatsApp.
        everything = {
            **self._particular(process.service),
            **_without_others_secrets(self.base, process.service),
            **self._shared(),
            **own,
            **process.env,
        }
        return {name: value for name, value in everything.items() if name not in process.without}

    def migration_environment(self, service: str) -> dict[str, str]:
        """The environment of `migrate`, the only one that holds the owner's URL."""
        owner = self.databases[service].owner_url
        variable = f"CONSERJE_{service.upper()}_OWNER_DATABASE_URL"
        return {**self.environment(Process(service)), variable: owner}

    def target(self, service: str) -> str:
        """The gRPC target of a service: all its replicas."""
        replicas = [
            address.grpc
            for name, address in self.addresses.items()
            if Process(name).service == service
        ]
        return replicas[0] if len(replicas) == 1 else "ipv4:" + ",".join(replicas)

    @property
    def webhook_url(self) -> str:
        """Where the fake Graph API posts to."""
        return f"http://{self.addresses['gateway'].http}{WEBHOOK_PATH}"

    def graph_arguments(self) -> tuple[str, ...]:
        """The command line of the fake Graph API."""
        return "--listen", self.addresses["graph"].http, "--webhook-url", self.webhook_url

    def _shared(self) -> dict[str, str]:
        targets = {f"CONSERJE_TARGET_{name.upper()}": self.target(name) for name in SERVICES}
        return {"CONSERJE_REDIS_URL": self.redis_url, "PYTHONUNBUFFERED": "1", **targets}

    def _listens(self, process: Process, prefix: str) -> dict[str, str]:
        # `migrate` listens nowhere, and runs for services that have replicas only.
        address = self.addresses.get(process.name, Address())
        listens = {"GRPC": address.grpc, "OPS": address.ops, "HTTP": address.http}
        return {f"{prefix}{kind}_LISTEN": where for kind, where in listens.items() if where}

    def _particular(self, service: str) -> dict[str, str]:
        known = self.credentials
        graph = f"http://{self.addresses['graph'].http}"
        return {
            "gateway": {
                "CONSERJE_GATEWAY_APP_SECRETS": known.app_secret,
                "CONSERJE_GATEWAY_VERIFY_TOKEN": known.verify_token,
            },
            "tenant": {"CONSERJE_TENANT_KEYS_FOLDER": str(self.keys["tenant"])},
            "messaging": {
                "CONSERJE_MESSAGING_GRAPH_BASE_URL": graph,
                "CONSERJE_MESSAGING_MEDIA_ORIGINS": graph,
                "CONSERJE_MESSAGING_MEDIA_FOLDER": str(self.media),
                "CONSERJE_MESSAGING_GRAPH_ACCESS_TOKEN": known.access_token,
                "CONSERJE_MESSAGING_KEYS_FOLDER": str(self.keys["messaging"]),
            },
            "graph": {
                "CONSERJE_GRAPH_APP_SECRET": known.app_secret,
                "CONSERJE_GRAPH_ACCESS_TOKEN": known.access_token,
                "CONSERJE_GRAPH_NUMBERS": json.dumps([asdict(one) for one in self.numbers]),
            },
        }.get(service, {})


def choose_addresses(
    names: Iterable[str], ports: Ports, told: Mapping[str, str], wishes: Mapping[str, int]
) -> dict[str, Address]:
    """An address for every process: the one told by `CONSERJE_*_LISTEN`, or free ports.

    `wishes` are the ports of last time, by `process.kind`; they are taken again when free.
    """

    def choose(name: str, kind: str) -> str:
        service = Process(name).service
        variable = f"CONSERJE_{service.upper()}_{kind.upper()}_LISTEN"
        if name == service and variable in told:
            return _told(told[variable], variable, ports)
        return f"{LOOPBACK}:{ports.free(wishes.get(f'{name}.{kind}', 0))}"

    return {
        name: Address(**{kind: choose(name, kind) for kind in _kinds(Process(name).service)})
        for name in names
    }


def ports_of(addresses: Mapping[str, Address]) -> dict[str, int]:
    """The ports by `process.kind`, to be wished for next time."""
    return {
        f"{name}.{kind}": int(where.rpartition(":")[2])
        for name, address in addresses.items()
        for kind, where in asdict(address).items()
        if where
    }


def _kinds(service: str) -> tuple[str, ...]:
    if service == "graph":
        return ("http",)
    return ("grpc", "ops", "http") if service == "gateway" else ("grpc", "ops")


def _told(listen: str, variable: str, ports: Ports) -> str:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise SandboxError(f"{variable} must be host:port, such as 127.0.0.1:8080.")
    if int(port) > LAST_PORT:
        raise SandboxError(f"{variable} says port {port}; ports end at {LAST_PORT}.")
    return f"{host}:{ports.told(int(port), variable) if int(port) else ports.free()}"


def _without_others_secrets(base: Mapping[str, str], service: str) -> dict[str, str]:
    """The variables of other processes stay away, as they would in a cluster."""
    others = tuple(f"CONSERJE_{name.upper()}_" for name in (*MODULES, "SANDBOX") if name != service)
    return {name: value for name, value in base.items() if not name.startswith(others)}
