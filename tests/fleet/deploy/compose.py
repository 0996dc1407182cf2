"""What `docker compose` would start, here, without containers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import yaml

from tests.fleet.postgres import START_LIMIT, debian_binaries, free_port, private_folder, runs_as

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / "deploy" / "compose"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]


def prepare(volumes: Path) -> None:
    """Run the service `prepare`."""
    environment = {**os.environ, "OWNERS": "keep"}
    command = ["bash", str(FOLDER / "prepare.sh"), str(volumes)]
    subprocess.run(command, check=True, env=environment, timeout=START_LIMIT, capture_output=True)


def owned_by_server(folder: Path) -> None:
    """Give a folder to the user as whom servers run."""
    if (user := runs_as()) is not None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user, -1)


@dataclass
class Server:
    """A service `postgres-N`, on loopback.

    Attributes:
        name: Of the service.
        folder: Its data, its socket, its log.
        identity: Its volume of `prepare`.
        port: Its own.
        peer_port: Of the other one.
        primary: As the variable PRIMARY says.
    """

    name: str
    folder: Path
    identity: Path
    port: int
    peer_port: int
    primary: str = "postgres-1"
    _process: subprocess.Popen[bytes] | None = None

    @property
    def peer(self) -> str:
        """The other service."""
        return SERVICES[self.name]["environment"]["PEER"]

    def start(self) -> None:
        """Begin to start it, as its service does."""
        binaries = debian_binaries()
        assert binaries is not None
        environment = {
            "NAME": self.name, "PEER": self.peer, "PRIMARY": self.primary,
            "PGDATA": str(self.folder / "data"), "IDENTITY": str(self.identity),
            "PORT": str(self.port), "PEER_PORT": str(self.peer_port),
            "PGHOSTADDR": "127.0.0.1",  # where both names lead to
            "POSTGRES_OPTIONS": f"-c unix_socket_directories={self.folder} -c shared_buffers=16MB",
            "PATH": f"{binaries}:/usr/bin:/bin", "HOME": str(self.folder),
        }  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["bash", str(FOLDER / "postgres" / "run.sh")], user=runs_as(), cwd=self.folder,
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def grant(self) -> None:
        """Give the role of replicas its rights, as the service `grants` does."""
        binaries = debian_binaries()
        environment = {
            "IDENTITY": str(self.identity), "PGHOST": self.name, "PGHOSTADDR": "127.0.0.1",
            "PGPORT": str(self.port), "PATH": f"{binaries}:/usr/bin:/bin",
        }  # fmt: skip
        command = ["bash", str(FOLDER / "postgres" / "grants.sh")]
        subprocess.run(command, check=True, env=environment, timeout=START_LIMIT)

    def ended(self) -> str:
        """Wait until it has ended by itself; what it said."""
        assert self._process is not None
        self._process.wait(START_LIMIT)
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_LIMIT)
            self._process = None

    def url(self, user: str, database: str = "whatsapp") -> str:
        """The address at which a role reaches it."""
        password = (self.identity / user).read_text(encoding="utf-8")
        return (
            f"postgres://{user}:{password}@{self.name}:{self.port}/{database}?hostaddr=127.0.0.1"
            f"&sslmode=verify-full&sslrootcert={self.identity / 'servers.crt'}&connect_timeout=5"
        )

    def superuser(self) -> str:
        """The address for its superuser, who comes through its socket alone."""
        password = (self.identity / "superuser").read_text(encoding="utf-8")
        return f"postgres://postgres:{password}@:{self.port}/postgres?host={self.folder}"

    def asked(self, statement: str, user: str = "fleet") -> Any:
        """The first value of what a statement answers, once the server lets the role in."""
        for attempt in range(START_LIMIT * 10):
            try:
                with psycopg.connect(self.url(user), autocommit=True) as connection:
                    row = connection.execute(statement.encode()).fetchone()
                    return None if row is None else row[0]
            except psycopg.OperationalError:
                if (
                    attempt == START_LIMIT * 10 - 1
                    or self._process is None
                    or self._process.poll() is not None
                ):
                    raise AssertionError((self.folder / "log").read_text(errors="replace")) from None
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(0.1)
        raise AssertionError


@contextlib.contextmanager
def servers(volumes: Path) -> Iterator[Mapping[str, Server]]:
    """The two servers of PostgreSQL, not started."""
    with private_folder() as first, private_folder() as second:
        one, other = free_port(), free_port()
        made = {
            "postgres-1": Server("postgres-1", first, first / "identity", one, other),
            "postgres-2": Server("postgres-2", second, second / "identity", other, one),
        }
        for name, server in made.items():
            shutil.move(volumes / name, server.identity)
            owned_by_server(server.identity)
        try:
            yield made
        finally:
            for server in made.values():
                server.stop()
