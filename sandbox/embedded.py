"""A real Postgres and a real Redis from wheels, for machines that have neither.

Both run as child processes on the loopback interface, behind a password, and
keep their data in a folder, so that a second start finds it again. Postgres
refuses to run as root: started by root, it runs as `nobody`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from pathlib import Path
from typing import IO, ClassVar

import psutil

from sandbox import databases
from sandbox.accounts import Account, SandboxError, environment, shared_folder
from sandbox.binaries import postgres_install, redis_server
from sandbox.processes import LOOPBACK, ServerProcess, choose_port

START_SECONDS = 60.0
STOP_SECONDS = 30.0
ORPHAN_SECONDS = 10.0

POSTGRES_SETTINGS = {
    "listen_addresses": LOOPBACK,
    # TCP only: the path of a socket may be longer than the system allows.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    # Fewer checkpoints than the default: one machine runs everything.
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # What is promised about durability is only true with both of these on.
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

REDIS_CONFIGURATION = """\
bind {host}
port {port}
dir {directory}
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
user default off
user admin on >{admin_password} ~* &* +@all
user mesh on >{password} ~* &* +@all -@dangerous +info +client -scan -keys -flushall -flushdb {may}
"""


def _secret(path: Path) -> str:
    """The secret kept in `path`, made on first use and readable by us alone."""
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(24))
    return path.read_text()


def _hold(folder: Path, server: str) -> IO[str]:
    """Hold the folder: two supervisors on one data folder would end each other's server."""
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise SandboxError(
            f"{server} is already being run on {folder} by another process; stop that one first."
        ) from error
    return lock


class _Server:
    """A server that runs as our child; its folder is held meanwhile."""

    _name: ClassVar[str]
    _stop_signal: ClassVar[signal.Signals]

    def __init__(self, data_dir: Path, port: int) -> None:
        self._wanted_port = port
        self.port = port
        self._home = data_dir.resolve()
        self._process: ServerProcess | None = None
        self._lock: IO[str] | None = None
        self._password = ""

    def start(self) -> None:
        """Start and return when it answers; raise `SandboxError` when that fails."""
        self._home = self._made_home()
        self._lock = _hold(self._home, self._name)
        try:
            self._password = _secret(self._home / "password")
            self._begin()
        except BaseException:
            self._release()
            raise

    def stop(self) -> None:
        """Shut down fast: sessions are ended, and what the server keeps is on disk."""
        self._end(self._stop_signal)

    def kill(self) -> None:
        """Die as in a power cut; the next start recovers what is on disk."""
        self._end(signal.SIGKILL)

    @property
    def running(self) -> bool:
        """Whether it is there: started, not stopped, not ended by itself."""
        return self._process is not None and not self._process.ended()

    @property
    def pid(self) -> int:
        """The server's process id, 0 when it does not run."""
        return self._process.pid if self._process is not None else 0

    def _made_home(self) -> Path:
        self._home.mkdir(parents=True, exist_ok=True)
        return self._home

    def _begin(self) -> None:
        raise NotImplementedError

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.end(how, STOP_SECONDS)
        self._release()

    def _release(self) -> None:
        self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class EmbeddedPostgres(_Server):
    """PostgreSQL 16 on 127.0.0.1, durable, with a password; data and log live in `data_dir`.

    As root, with a `data_dir` that the unprivileged account cannot reach (a
    home of mode 0700), the data goes to `/var/tmp/conserje-<hash>` instead.
    """

    _name = "Postgres"
    _stop_signal = signal.SIGINT

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        super().__init__(data_dir, port)
        self._data_dir = self._home
        self._account = Account.unprivileged()

    def admin_url(self, database: str = "postgres") -> str:
        """The URL of the superuser."""
        return f"postgresql://postgres:{self._password}@{LOOPBACK}:{self.port}/{database}"

    async def create_service_database(self, name: str) -> databases.DatabaseUrls:
        """Create the database and the two roles of service `name` where they are missing."""
        return await databases.create_service_database(self.admin_url(), name)

    @property
    def _cluster(self) -> Path:
        return self._home / "cluster"

    def _begin(self) -> None:
        install = postgres_install(self._account)
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise(install)
        self._end_orphan()
        self._launch(install)

    def _made_home(self) -> Path:
        self._data_dir.mkdir(parents=True, exist_ok=True)
        reachable = self._account.may("-x", self._data_dir)
        return self._data_dir if reachable else shared_folder(self._data_dir)

    def _initialise(self, install: Path) -> None:
        # Renamed when complete: an interrupted first start leaves no half cluster.
        partial = Path(tempfile.mkdtemp(prefix="cluster-", dir=self._home))
        password_file = partial.with_suffix(".password")
        password_file.write_text(self._password)
        self._account.own(partial)
        self._account.own(password_file)
        try:
            result = self._account.run(self._initdb(install, partial, password_file))
        finally:
            password_file.unlink()
        if result.returncode != 0:
            shutil.rmtree(partial, ignore_errors=True)
            raise SandboxError(f"Postgres could not be set up: {result.stderr.decode().strip()}")
        partial.rename(self._cluster)

    def _initdb(self, install: Path, cluster: Path, password_file: Path) -> list[str]:
        return [
            str(install / "bin" / "initdb"),
            f"--pgdata={cluster}",
            "--username=postgres",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
        ]

    def _end_orphan(self) -> None:
        """End the server of a supervisor that was killed, and forget a file it left behind.

        The file may name a process that has nothing to do with Postgres by
        now; Postgres itself would refuse to start then.
        """
        pid_file = self._cluster / "postmaster.pid"
        if not pid_file.exists():
            return
        lines = pid_file.read_text().splitlines()
        orphan = self._postmaster(int(lines[0])) if lines else None
        if orphan is None:
            pid_file.unlink(missing_ok=True)
            return
        orphan.send_signal(signal.SIGINT)
        try:
            orphan.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            orphan.kill()

    def _postmaster(self, pid: int) -> psutil.Process | None:
        try:
            process = psutil.Process(pid)
            ours = str(self._cluster) in process.cmdline()
        except psutil.Error:
            return None
        return process if ours else None

    def _launch(self, install: Path) -> None:
        deadline = time.monotonic() + ORPHAN_SECONDS
        while not self._try_launch(install):
            assert self._process is not None
            tail = self._process.log_tail()
            taken = "Address already in use" in tail.rpartition("starting PostgreSQL")[2]
            if time.monotonic() > deadline or (taken and self._wanted_port):
                raise SandboxError(f"Postgres did not start: {tail}")
            # Either another process took the free port first, or sessions of a
            # killed server still hold its shared memory; both pass.
            if taken:
                self.port = 0
            time.sleep(0.2)

    def _try_launch(self, install: Path) -> bool:
        self.port = choose_port(self.port, "Postgres")
        command = [str(install / "bin" / "postgres"), "-D", str(self._cluster)]
        for name, value in {**POSTGRES_SETTINGS, "port": str(self.port)}.items():
            command += ["-c", f"{name}={value}"]
        log = self._home / "postgres.log"
        self._process = ServerProcess("Postgres", command, log, self._account)
        self._process.start(self._cluster, environment())
        return self._process.wait_until(self._accepts, START_SECONDS)

    def _accepts(self) -> bool:
        # The eighth line of the file is the state, as `pg_ctl` reads it.
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"


class EmbeddedRedis(_Server):
    """Redis on 127.0.0.1, without persistence: it is a cache and must be one to lose.

    The user `mesh` is denied what would look at, or empty, everything
    (SCAN, KEYS, FLUSHALL, FLUSHDB) and what only administrators need.
    """

    _name = "Redis"
    _stop_signal = signal.SIGTERM

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        *,
        redis_binary: Path | None = None,
        configuration: str = "",
        may: str = "",
    ) -> None:
        """`configuration`: further lines of the server's file; `may`: what else `mesh` may do."""
        super().__init__(data_dir, port)
        self._configuration = configuration
        self._may = may
        self._binary = redis_binary
        self._admin_password = ""

    @property
    def url(self) -> str:
        """The URL of the user `mesh`."""
        return f"redis://mesh:{self._password}@{LOOPBACK}:{self.port}/0"

    @property
    def admin_url(self) -> str:
        """The URL of the administrator, for tests that empty or inspect the server."""
        return f"redis://admin:{self._admin_password}@{LOOPBACK}:{self.port}/0"

    def _begin(self) -> None:
        self._admin_password = _secret(self._home / "admin-password")
        self._end_orphan()
        self._launch()

    def _launch(self) -> None:
        self.port = choose_port(self.port, "Redis")
        binary = self._binary or redis_server()
        command = [str(binary), str(self._write_configuration())]
        self._process = ServerProcess("Redis", command, self._home / "redis.log", Account())
        self._process.start(self._home, environment())
        (self._home / "pid").write_text(str(self._process.pid))
        if not self._process.wait_until(self._answers, START_SECONDS):
            raise SandboxError(f"Redis did not start: {self._process.log_tail()}")

    def _write_configuration(self) -> Path:
        path = self._home / "redis.conf"
        text = REDIS_CONFIGURATION.format(
            host=LOOPBACK,
            port=self.port,
            directory=self._home,
            password=self._password,
            admin_password=self._admin_password,
            may=self._may,
        )
        path.touch(mode=0o600)
        path.write_text(text + self._configuration)
        return path

    def _answers(self) -> bool:
        # Any answer will do, also "who are you": the server speaks.
        try:
            with socket.create_connection((LOOPBACK, self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return bool(connection.recv(16))
        except OSError:
            return False

    def _end_orphan(self) -> None:
        """End the server of a supervisor that was killed; it would keep its port."""
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            orphan = psutil.Process(int((self._home / "pid").read_text()))
            # Redis rewrites its command line, its folder stays.
            if Path(orphan.cwd()) == self._home and orphan.name().startswith("redis-server"):
                orphan.kill()
                orphan.wait(ORPHAN_SECONDS)
