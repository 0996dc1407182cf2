"""The settings of `whatsapp-mcp-fleet`: those of `whatsapp-mcp`, the `database` and the section `[node]`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from whatsapp_mcp import settings
from whatsapp_mcp.settings import Section, ServerSettings, Settings, UserPath

_DATABASE_SCHEMES: Final = ("postgres://", "postgresql://")


class HostPort(NamedTuple):
    """A place on the network: a name or an address, and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> HostPort:
        """Parse a host and a port, as in `node1.example.org:7420` or `[::1]:7420`.

        Raises:
            ValueError: It is not written so.
        """
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{text!r} is not a host and a port such as node1.example.org:7420")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """True if only programs of the same machine reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def _host_port(value: str) -> str:
    HostPort.parse(value)
    return value


def _host_port_or_nothing(value: str) -> str:
    return _host_port(value) if value else value


def _objects_or_nothing(value: str) -> str:
    if not value:
        return value
    parts = urlsplit(value)
    is_bucket = value.startswith("s3://") and parts.netloc and "@" not in parts.netloc
    is_folder = value.startswith("file:///") and parts.path.strip("/")
    if not (is_bucket or is_folder) or parts.query or parts.fragment:
        raise ValueError("it is not a URL such as s3://bucket/prefix or file:///folder, without a password")
    return value


class NodeSettings(Section):
    """`[node]`: how `whatsapp-mcp-fleet node` leads accounts whose truth is in the `database`.

    `accounts` is how many it leads at most. It listens at `listen` for replicas and other nodes, which
    connect to `address` if that is another place. With `certificate`, `key` and `authority` both sides show
    certificates of that authority; without them it listens on loopback alone. `replicas` are the host names
    whose certificates may call it; if it is empty, every certificate of the authority may. At `status` it
    answers probes and Prometheus over plain HTTP. Files and snapshots go to the object store `files`, and
    without one into the database. `allow_asynchronous` permits a database that can lose what it confirms.
    """

    name: str | None = Field(default=None, min_length=1, max_length=200)
    accounts: int = Field(default=50, ge=1, le=1000)
    listen: Annotated[str, AfterValidator(_host_port)] = "127.0.0.1:0"
    address: Annotated[str, AfterValidator(_host_port)] | None = None
    certificate: UserPath | None = None
    key: UserPath | None = None
    authority: UserPath | None = None
    replicas: tuple[Annotated[str, Field(min_length=1), AfterValidator(str.lower)], ...] = ()
    status: Annotated[str, AfterValidator(_host_port_or_nothing)] = ""
    files: Annotated[str, AfterValidator(_objects_or_nothing)] = ""
    allow_asynchronous: bool = False

    @field_validator("replicas", mode="before")
    @classmethod
    def _from_environment(cls, value: Any) -> Any:
        """A variable lists names with commas."""
        return (
            [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value
        )

    @model_validator(mode="after")
    def _encrypted_beyond_loopback(self) -> Self:
        files = (self.certificate, self.key, self.authority)
        if any(files) and not all(files):
            raise ValueError("certificate, key and authority need each other")
        if self.replicas and not all(files):
            raise ValueError("replicas are known by their certificates: set certificate, key and authority")
        if not all(files) and not HostPort.parse(self.listen).is_loopback:
            raise ValueError("without certificate, key and authority it can listen on loopback only")
        return self


def _database_url(value: SecretStr) -> SecretStr:
    """The URL of a PostgreSQL database, or nothing. What is wrong is said without its words."""
    text = value.get_secret_value()
    if text and not text.startswith(_DATABASE_SCHEMES):
        raise ValueError("it is not a URL such as postgres://user:word@host/database?sslmode=verify-full")
    return value


class ReplicaServerSettings(ServerSettings):
    """`[server]`, and `admin`: whether to offer the admin API.

    For it the role of `database` needs the rights of a node's.
    """

    admin: bool = False


class FleetSettings(Settings):
    """Settings of `whatsapp-mcp`, and those by which machines share accounts.

    `database` is the URL of the PostgreSQL server that they share.
    """

    database: Annotated[SecretStr, AfterValidator(_database_url)] = SecretStr("")
    server: ReplicaServerSettings = ReplicaServerSettings()  # pyright: ignore[reportIncompatibleVariableOverride]
    node: NodeSettings = NodeSettings()

    @property
    def in_database(self) -> bool:
        """True if a database has the accounts, so that their folders hold copies."""
        return bool(self.database.get_secret_value())


def load(home: Path | None = None) -> FleetSettings:
    """Read `config.toml` and the environment, as `whatsapp_mcp.settings.load` does.

    Raises:
        InvalidArgument: As there.
    """
    loaded = settings.load(home, FleetSettings)
    assert isinstance(loaded, FleetSettings)
    return loaded
