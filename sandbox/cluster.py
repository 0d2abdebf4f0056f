"""A real Redis Cluster of three nodes, from the same redis-server as the single one."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from redis import Redis, RedisError

from sandbox.accounts import SandboxError
from sandbox.embedded import EmbeddedRedis
from sandbox.ports import FIRST, LAST
from sandbox.processes import LOOPBACK

NODES = 3
SLOTS = 16_384
TRIES = 5
AGREE_SECONDS = 60.0

CONFIGURATION = """\
cluster-enabled yes
cluster-config-file nodes.conf
cluster-node-timeout 5000
"""
MAY = "+cluster +command +readonly"
"""What a client of a cluster asks besides."""


class EmbeddedRedisCluster:
    """Three nodes that share all slots; each has the users of a single Redis."""

    def __init__(self, data_dir: Path, *, redis_binary: Path | None = None) -> None:
        self._home = data_dir.resolve()
        self._binary = redis_binary
        self.nodes: list[EmbeddedRedis] = []

    @property
    def url(self) -> str:
        """The URL of a node, as the user `mesh`."""
        return self.nodes[0].url

    @property
    def admin_url(self) -> str:
        """The URL of a node, as the administrator."""
        return self.nodes[0].admin_url

    def start(self) -> None:
        """Start and return when all nodes agree on who has which slot."""
        try:
            for number in range(NODES):
                self.nodes.append(self._start_node(self._home / str(number)))
            self._share_slots()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Shut all nodes down."""
        for node in self.nodes:
            node.stop()
        self.nodes.clear()

    def _start_node(self, home: Path) -> EmbeddedRedis:
        home.mkdir(parents=True, exist_ok=True)
        if self.nodes:
            # One client speaks to all nodes with the same words.
            for name in ("password", "admin-password"):
                (home / name).write_text((self._home / "0" / name).read_text())
        for _ in range(TRIES):
            # The nodes speak to each other 10,000 ports above, where nothing else may be.
            node = EmbeddedRedis(
                home,
                random.randrange(FIRST, LAST),
                redis_binary=self._binary,
                configuration=CONFIGURATION,
                may=MAY,
            )
            try:
                node.start()
            except SandboxError as error:
                problem = error
            else:
                return node
        raise problem

    def _share_slots(self) -> None:
        admins = [Redis.from_url(node.admin_url) for node in self.nodes]
        try:
            for number, admin in enumerate(admins):
                first, end = (SLOTS * at // NODES for at in (number, number + 1))
                _ask(admin, "CLUSTER ADDSLOTS", *range(first, end))
                _ask(admin, "CLUSTER SET-CONFIG-EPOCH", number + 1)
            for node in self.nodes[1:]:
                _ask(admins[0], "CLUSTER MEET", LOOPBACK, node.port)
            deadline = time.monotonic() + AGREE_SECONDS
            while not all(map(_agrees, admins)):
                if time.monotonic() > deadline:
                    raise SandboxError("The nodes of the Redis Cluster did not find each other.")
                time.sleep(0.05)
        finally:
            for admin in admins:
                admin.close()


def _ask(admin: Redis, *words: str | int) -> Any:
    return admin.execute_command(*words)  # type: ignore[no-untyped-call]


def _agrees(admin: Redis) -> bool:
    try:
        said = _ask(admin, "CLUSTER INFO")
    except RedisError:
        return False
    told = said if isinstance(said, dict) else _fields(said)
    return (told["cluster_state"], told["cluster_known_nodes"]) == ("ok", str(NODES))


def _fields(said: bytes | str) -> dict[str, str]:
    text = said.decode() if isinstance(said, bytes) else said
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
