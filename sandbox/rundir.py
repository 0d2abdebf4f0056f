"""The folder of one mesh: its lock, its logs, and the file that tells others where it is."""

import fcntl
import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from sandbox.processes import SandboxError
from sandbox.wiring import Address, ports_of


class RunDir:
    """What is kept from one start to the next, and what lasts only while the mesh runs."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: IO[str] | None = None

    @property
    def held(self) -> bool:
        """Whether the mesh of this folder is ours."""
        return self._lock is not None

    @property
    def credentials(self) -> Path:
        """The file of the credentials."""
        return self.path / "credentials.json"

    def keys(self, service: str) -> Path:
        """The folder of the keys that a service encrypts with."""
        return self.path / ("keys" if service == "tenant" else f"{service}-keys")

    @property
    def media(self) -> Path:
        """The folder of the files that guests have sent."""
        return self.path / "media"

    @property
    def journal(self) -> Path:
        """The journal of the fake Graph API."""
        return self.path / "graph.jsonl"

    def log(self, name: str) -> Path:
        """The file a process writes its log to."""
        return self.path / "logs" / f"{name}.log"

    def hold(self) -> None:
        """Takes the folder; the lock ends with the process, however it ends."""
        (self.path / "logs").mkdir(parents=True, exist_ok=True)
        lock = (self.path / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise SandboxError(
                "The mesh is running already; type `make chat` in another terminal, "
                "or stop it with Ctrl-C where it runs."
            ) from error
        self._lock = lock
        self._forget_last_run()

    def release(self) -> None:
        """Gives the folder back; nobody finds the mesh any more."""
        if self._lock is not None:
            (self.path / "run.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def ports_of_last_time(self) -> dict[str, int]:
        """The ports by `process.kind`; empty the first time."""
        with suppress(OSError, ValueError):
            ports: dict[str, int] = json.loads((self.path / "ports.json").read_text())
            return ports
        return {}

    def remember_ports(self, addresses: Mapping[str, Address], **servers: int) -> None:
        """For the next start."""
        text = json.dumps({**ports_of(addresses), **servers}, indent=1)
        (self.path / "ports.json").write_text(text)

    def announce(
        self, addresses: Mapping[str, Address], graph: str, webhook: str, hotels: Iterable[object]
    ) -> None:
        """Writes `run.json`, where `conserje` finds everything. It holds no secret."""
        content: dict[str, Any] = {
            "pid": os.getpid(),
            "start_time": time.time(),
            "processes": {name: asdict(address) for name, address in addresses.items()},
            "graph": graph,
            "webhook": webhook,
            "logs": str(self.path / "logs"),
            "hotels": list(hotels),
        }
        partial = self.path / "run.json.new"
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        partial.rename(self.path / "run.json")

    def _forget_last_run(self) -> None:
        """What a killed mesh leaves behind; its logs give way to ours."""
        for stale in (self.path / "run.json", self.journal, *(self.path / "logs").iterdir()):
            stale.unlink(missing_ok=True)
