"""The whole `__main__` of a process: configuration, migration, serving, drain.

`python -m services.booking` serves. `migrate` brings the schema up to date,
`--check-config` says what the configuration amounts to, `--only=…` runs some
of the process's modes. Exit codes: 0 fine, 1 it failed, 2 it cannot be meant.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlsplit

import structlog
import uvloop
from pydantic import SecretStr

from meshkit import logs
from meshkit.access import Access
from meshkit.config import ConfigError, Settings, effective, load
from meshkit.errors import MeshError
from meshkit.identity import CertificateError
from meshkit.kit import Kit
from meshkit.migrate import MigrationError, migrate

FAILED = 1
MISUSED = 2

SettingsT = TypeVar("SettingsT", bound=Settings)
Build = Callable[[Kit, SettingsT], Awaitable[None]]

log = structlog.get_logger()


def main(
    name: str,
    settings_class: type[SettingsT],
    build: Build[SettingsT],
    *,
    migrations: str | None = None,
    modes: tuple[str, ...] = ("serve",),
    access: Access | None = None,
) -> None:
    """Run process `name` as the command line says, and exit.

    `migrations` is the package with the SQL files, `modes` what `--only` may name, `access` which
    identity may call which method.
    """
    arguments = _parser(name, migrations, modes).parse_args()
    try:
        settings = load(settings_class, name, os.environ)
        only = _modes(arguments.only, modes)
    except ConfigError as error:
        _say(f"{name} cannot start with this configuration:", *error.problems)
        sys.exit(MISUSED)
    if arguments.check_config:
        sys.stdout.write("\n".join(effective(settings, name)) + "\n")
        sys.exit(0)
    logs.configure(settings.log_level, name)
    if arguments.command == "migrate":
        sys.exit(_run(_migrate(settings, name, migrations)))
    serving = serve(name, settings, build, modes=only, migrations=migrations, access=access)
    sys.exit(_run(serving))


async def serve(
    name: str,
    settings: SettingsT,
    build: Build[SettingsT],
    *,
    modes: frozenset[str] = frozenset({"serve"}),
    migrations: str | None = None,
    access: Access | None = None,
    stopping: asyncio.Event | None = None,
) -> int:
    """Serve until SIGTERM, SIGINT or `stopping`; a second signal ends it at once."""
    stop = stopping or asyncio.Event()
    _on_signals(stop)
    try:
        kit = Kit(name, settings, modes=modes, migrations=migrations, access=access)
    except CertificateError as error:
        _say(f"{name} cannot start: CONSERJE_TLS_FOLDER: {error}")
        return MISUSED
    try:
        await kit.start_ops()
        if await _unless(stop, _start(kit, build, settings)):
            spare_collector()
            await stop.wait()
    except (OSError, MeshError) as error:
        _say(f"{name} could not start: {error}")
        return FAILED
    except Exception:
        log.exception("start failed")
        _say(f"{name} could not start; the log says why.")
        return FAILED
    finally:
        await kit.drain()
    return 0


def spare_collector() -> None:
    """Let the garbage collector look at less, and more seldom; for when all is loaded.

    What is loaded now stays. And hundreds of requests at once make thousands of objects that die
    without its help: at its default of 700 it walks over them every few requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


async def _start(kit: Kit, build: Build[SettingsT], settings: SettingsT) -> None:
    await build(kit, settings)
    await kit.start()


async def _unless(stop: asyncio.Event, work: Awaitable[None]) -> bool:
    """Whether `work` was finished before `stop` was set; what it raises is raised."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        await task
        return True
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return False


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def handle(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handle, number)


async def _migrate(settings: Settings, name: str, package: str | None) -> int:
    owner_url = _url(settings, "owner_database_url")
    app_role = urlsplit(_url(settings, "database_url")).username
    if not owner_url or package is None:
        _say(f"CONSERJE_{name.upper()}_OWNER_DATABASE_URL: is required to migrate.")
        return MISUSED
    if not app_role:
        _say(f"CONSERJE_{name.upper()}_DATABASE_URL: must name the role that uses the schema.")
        return MISUSED
    try:
        applied = await migrate(owner_url, package, app_role)
    except MigrationError as error:
        _say(f"{name} could not migrate: {error}")
        return FAILED
    log.info("migrated", applied=applied)
    return 0


def _url(settings: Settings, attribute: str) -> str:
    value = getattr(settings, attribute, None)
    return value.get_secret_value() if isinstance(value, SecretStr) else ""


def _run(work: Awaitable[int]) -> int:
    async def run() -> int:
        return await work

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run())
    except OSError as error:
        _say(f"it failed: {error}")
        return FAILED


def _modes(only: list[str] | None, modes: tuple[str, ...]) -> frozenset[str]:
    asked = frozenset(part for one in only or () for part in one.split(",") if part)
    unknown = sorted(asked - set(modes))
    if unknown:
        raise ConfigError([f"--only: knows {', '.join(modes)}, not {', '.join(unknown)}"])
    return asked or frozenset(modes)


def _parser(name: str, migrations: str | None, modes: Sequence[str]) -> argparse.ArgumentParser:
    commands = ("serve",) if migrations is None else ("serve", "migrate")
    parser = argparse.ArgumentParser(prog=f"conserje {name}", description=f"The {name} process.")
    parser.add_argument("command", nargs="?", choices=commands, default="serve")
    parser.add_argument(
        "--check-config", action="store_true", help="print what is in force, and exit"
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="MODE",
        help=f"run these modes only ({', '.join(modes)}); may be repeated",
    )
    return parser


def _say(*lines: str) -> None:
    sys.stderr.write("\n  ".join(lines) + "\n")
