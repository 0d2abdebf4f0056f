"""Where the processes are: named on the command line, in the environment, or by `make run`."""

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SERVICES = ("tenant", "booking", "messaging")
RUN_FILE = Path(".conserje") / "run.json"
RUN_FILE_VARIABLE = "CONSERJE_CLI_RUN_FILE"


class UsageError(Exception):
    """Why a command cannot be carried out, in one sentence for who typed it."""


@dataclass(frozen=True)
class Running:
    """What `make run` says about the mesh that it runs; empty when there is none."""

    file: Path
    content: Mapping[str, Any] = field(default_factory=dict)
    stale: bool = False
    """The file is there, but the process that wrote it is not."""

    @property
    def processes(self) -> Mapping[str, Mapping[str, str]]:
        """The addresses (`grpc`, `ops`, `http`) of each process."""
        found: Mapping[str, Mapping[str, str]] = self.content.get("processes", {})
        return found


def running(environ: Mapping[str, str] = os.environ) -> Running:
    """The mesh of this folder or of this checkout."""
    for file in _run_files(environ):
        with suppress(OSError, ValueError):
            content = dict(json.loads(file.read_text()))
            return Running(file, content, stale=not _is_held(file.with_name("lock")))
    return Running(RUN_FILE)


def target(service: str, environ: Mapping[str, str] = os.environ) -> str:
    """The gRPC target of a service; empty when nobody says where it is."""
    named = environ.get(f"CONSERJE_TARGET_{service.upper()}", "")
    if named:
        return named
    mesh = running(environ)
    if mesh.stale:
        return ""
    return next(
        (at["grpc"] for name, at in mesh.processes.items() if _is_replica(name, service)), ""
    )


def need_target(service: str, given: str = "") -> str:
    """The gRPC target of a service; one sentence when nobody says where it is."""
    if found := given or target(service):
        return found
    raise UsageError(
        f"the {service} service was not found: is `make run` running? Otherwise name it with "
        f"--target HOST:PORT or CONSERJE_TARGET_{service.upper()}."
    )


def _is_replica(name: str, service: str) -> bool:
    return name == service or name.rstrip("0123456789") == f"{service}-"


def _run_files(environ: Mapping[str, str]) -> list[Path]:
    if named := environ.get(RUN_FILE_VARIABLE):
        return [Path(named)]
    checkout = Path(__file__).resolve().parent.parent
    return [folder / RUN_FILE for folder in (Path.cwd(), checkout)]


def _is_held(lock: Path) -> bool:
    """Whether the process that holds the folder is there; its lock ends with it."""
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
