"""Settings and the places of files.

`config.toml` in the home folder, overridden by `WHATSAPP_MCP_*` variables. What concerns an account
(`[account]`, `[policy]`) is read from `config.toml` alone, since any server may come to lead it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import stat
import tomllib
import zoneinfo
from contextlib import suppress
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from whatsapp_mcp.allowed_files import MEDIA, overlap
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.shared_folders import sharing_of
from whatsapp_mcp.zone import SystemZone

ENV_PREFIX: Final = "WHATSAPP_MCP_"
HOME_VARIABLE: Final = f"{ENV_PREFIX}HOME"
_ACCOUNT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HOST_NAME: Final = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*(:\d{1,5})?")
_PROXY_SCHEMES: Final = ("socks5", "http", "https")
_FILE_ONLY: Final = ("account", "policy")
_SOCKET_PATH_LIMIT: Final = 103
"""Bytes of a unix socket's path on macOS; Linux allows 107."""
_RUNTIME_BASES: Final = ("/run/user/{user}", "/tmp")  # noqa: S108
_SAID: Final = {
    "extra_forbidden": "unknown setting",
    "model_type": "it is a section, not a value",
    "path_type": "it is not a path",
    "int_parsing": "it is not a whole number",
    "bool_parsing": "it must be true or false",
    "bool_type": "it must be true or false",
}
"""What pydantic's types of error are called here."""

PolicyMode = Literal["read_only", "standard", "lockdown", "open"]
UserPath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""A path in which `~` is the user's home."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AccountSettings(_Section):
    """`[account]`: how the companion introduces itself; fixed at linking until relinked.

    `history` is how much of the past the phone is asked for: `recent` (about three months) or `full`.
    """

    device_name: str = Field(default="WhatsApp MCP", min_length=1, max_length=50)
    history: Literal["recent", "full"] = "recent"


class PolicySettings(_Section):
    """`[policy]`: what an agent may do. `read_only` refuses every act, `open` asks nothing."""

    mode: PolicyMode = "standard"


def _host_name(value: str) -> str:
    """A host name in lower case, without the port that it may have, or an address."""
    name = value.strip().lower()
    with suppress(ValueError):
        return str(ipaddress.ip_address(name.strip("[]")))
    if _HOST_NAME.fullmatch(name) is None:
        raise ValueError(f"{value!r} is not a host name such as nas.local or *.example.org")
    return name.partition(":")[0]


class ServerSettings(_Section):
    """`[server]`: what is offered and where.

    `structured` adds data for programs to every result. `allowed_hosts` are further names that HTTP requests
    may address; `*.` in front stands for one label.
    """

    toolsets: str = "core"
    structured: bool = False
    host: str = "127.0.0.1"
    port: int = Field(default=8808, ge=0, le=65535)
    allowed_hosts: tuple[Annotated[str, AfterValidator(_host_name)], ...] = ()

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _from_environment(cls, value: Any) -> Any:
        """A variable lists names with commas."""
        return [name for name in value.split(",") if name.strip()] if isinstance(value, str) else value


class MediaSettings(_Section):
    """`[media]`: from where files may be sent (`roots`), and how large files may be."""

    roots: tuple[UserPath, ...] = ()
    max_megabytes: int = Field(default=100, ge=1, le=2048)

    @field_validator("roots", mode="before")
    @classmethod
    def _from_environment(cls, value: Any) -> Any:
        """A variable lists folders as `PATH` does."""
        return value.split(os.pathsep) if isinstance(value, str) else value


def _proxy_url(value: SecretStr) -> SecretStr:
    """The URL of a proxy. What is wrong is said without its words: it may hold a password."""
    text = value.get_secret_value()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in _PROXY_SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    else:
        usable = usable and not parts.query and not parts.fragment and parts.path in ("", "/")
    if not usable or not text.isascii() or re.search(r"[\x00-\x20\x7f]", text):
        raise ValueError(
            "it is not a proxy's URL such as socks5://127.0.0.1:1080 or http://user:word@host:3128"
        )
    return value


class NetworkSettings(_Section):
    """`[network]`: `proxy` is the URL of the proxy to WhatsApp and the web; it may hold a password."""

    proxy: Annotated[SecretStr, AfterValidator(_proxy_url)] | None = None

    @property
    def proxy_url(self) -> str | None:
        """The URL with its password, for whoever opens a connection."""
        return self.proxy.get_secret_value() if self.proxy else None


class RetentionSettings(_Section):
    """`[retention]`: messages older than `days` are purged; 0 keeps everything."""

    days: int = Field(default=0, ge=0)


class Settings(_Section):
    """Everything that can be set.

    `home` holds every file; `timezone` is an IANA name, the system's zone when left out.
    `allow_network_home` lets the home be where SQLite's locks are not known to hold (`shared_folders`).
    """

    home: Path
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    timezone: str | None = None
    allow_network_home: bool = False
    account: AccountSettings = AccountSettings()
    policy: PolicySettings = PolicySettings()
    server: ServerSettings = ServerSettings()
    media: MediaSettings = MediaSettings()
    network: NetworkSettings = NetworkSettings()
    retention: RetentionSettings = RetentionSettings()

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                zoneinfo.ZoneInfo(value)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError(f"{value!r} is no IANA time zone") from None
        return value

    @property
    def zone(self) -> tzinfo:
        """The person's time zone."""
        return zoneinfo.ZoneInfo(self.timezone) if self.timezone else SystemZone()

    def account_folder(self, name: str = "default") -> AccountFolder:
        """The folder of the account with this local name (letters, digits, `_ . -`).

        Raises:
            InvalidArgument: The name is not usable as a folder.
        """
        if _ACCOUNT_NAME.fullmatch(name) is None:
            raise InvalidArgument(
                f"{name!r} cannot be an account name.", "Use letters, digits, '_', '-' and '.'."
            )
        return AccountFolder(name, self.home / "accounts" / name)

    def accounts(self) -> list[str]:
        """The names of the accounts that have a folder, sorted."""
        return sorted(path.name for path in self.home.glob("accounts/*") if path.is_dir())


@dataclass(frozen=True, slots=True)
class AccountFolder:
    """The files of one account; folders are made 0700, files 0600."""

    name: str
    path: Path

    def create(self) -> None:
        """Make the folder if it is not there, private to its owner.

        Raises:
            InvalidArgument: It cannot be made or written.
        """
        for folder in (self.path.parent.parent, self.path.parent, self.path, self.media):
            make_private(folder)

    @property
    def client_db(self) -> Path:
        """Keys and sessions of the client library."""
        return self.path / "client.db"

    @property
    def inbox_db(self) -> Path:
        """The journal."""
        return self.path / "inbox.db"

    @property
    def archive_db(self) -> Path:
        """The archive."""
        return self.path / "archive.db"

    @property
    def raw_db(self) -> Path:
        """Raw protobufs of archived events."""
        return self.path / "raw.db"

    @property
    def reserve(self) -> Path:
        """Room on the disk that is kept for what heals a full one."""
        return self.path / "reserve"

    @property
    def media(self) -> Path:
        """Downloaded files."""
        return self.path / MEDIA

    @property
    def outgoing(self) -> Path:
        """Copies of files on their way out."""
        return self.media / "outgoing"

    @property
    def exports(self) -> Path:
        """Chats that an agent wrote out; not in `media`, from where files may be sent."""
        return self.path / "exports"

    @property
    def leader_lock(self) -> Path:
        """Locked by the server that leads the account."""
        return self.path / "leader.lock"

    @property
    def former_leader_lock(self) -> Path:
        """Locked by the leader as well, for versions that know no other lock."""
        return self.path / "host.lock"

    @property
    def client_log(self) -> Path:
        """What the client process writes to its standard error."""
        return self.path / "client.log"

    @property
    def socket(self) -> Path:
        """The leader's unix socket.

        Raises:
            InvalidArgument: No folder for it is this user's, and this one has too long a path.
        """
        shared = runtime_folder()
        if shared is not None:
            digest = hashlib.sha256(str(self.path.resolve()).encode()).hexdigest()[:20]
            return shared / f"{digest}.sock"
        own = self.path.resolve() / "leader.sock"
        if len(os.fsencode(own)) > _SOCKET_PATH_LIMIT:
            raise InvalidArgument(
                "There is no folder for the socket through which servers meet: "
                f"{' and '.join(map(str, _runtime_folders()))} belong to other users or cannot be made, "
                f"and {own.parent} has too long a path.",
                f"Have those folders removed, or set {HOME_VARIABLE} to a folder with a shorter path.",
            )
        return own


def make_private(folder: Path) -> None:
    """Make a folder of the home if it is not there, private to its owner.

    Raises:
        InvalidArgument: It cannot be made or written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        reason = None if os.access(folder, os.W_OK | os.X_OK) else "it is not writable"
    except OSError as error:
        reason = error.strerror
    if reason is not None:
        raise InvalidArgument(
            f"{folder} cannot be used: {reason}.",
            f"Make it a folder that you can write, or set {HOME_VARIABLE} to another.",
        )


def runtime_folder() -> Path | None:
    """A short, private folder for sockets, made if need be; None when other users' folders are in its place.

    It does not depend on the environment: MCP applications start their servers with few variables, and every
    process of the account's owner has to find the same folder.
    """
    return next(filter(_make_own, _runtime_folders()), None)


def _runtime_folders() -> list[Path]:
    if not hasattr(os, "getuid"):
        return []
    return [Path(base.format(user=os.getuid())) / f"whatsapp-mcp-{os.getuid()}" for base in _RUNTIME_BASES]


def _make_own(folder: Path) -> bool:
    """Make a folder private to this user; whether that is what it is then."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return False
        folder.chmod(0o700)
    except OSError:
        return False
    return True


def load(home: Path | None = None) -> Settings:
    """Read `config.toml` and the environment.

    Args:
        home: The home folder; else `WHATSAPP_MCP_HOME`, else the platform's user data folder.

    Raises:
        InvalidArgument: A key is unknown or a value bad, and the message names the line; or the home folder
            is on a network file system or synchronised.
    """
    folder = home or Path(os.environ.get(HOME_VARIABLE) or platformdirs.user_data_dir("whatsapp-mcp"))
    folder = folder.expanduser().absolute()
    settings = parse(folder, config_text(folder))
    if not settings.allow_network_home and (what := sharing_of(folder)) is not None:
        raise InvalidArgument(
            f"The home folder {folder} {what}: SQLite's locks do not hold there, and its files get damaged.",
            f"Set {HOME_VARIABLE} to a folder on a disk of this computer. If you know that the locks hold "
            f"there, write `allow_network_home = true` into {folder / 'config.toml'}.",
        )
    return settings


def parse(home: Path, text: str) -> Settings:
    """The settings of a home folder whose `config.toml` holds this text, and of the environment.

    Raises:
        InvalidArgument: As `load`.
    """
    config = home / "config.toml"
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidArgument(f"{config} is not valid TOML: {error}.", "Mend that line.") from error
    if "home" in values:
        raise InvalidArgument(f"{config}: 'home' cannot be set here.", f"Set {HOME_VARIABLE} instead.")
    _overlay_environment(values)
    try:
        settings = Settings.model_validate({**values, "home": home})
    except ValidationError as error:
        raise InvalidArgument(*_explain(error, config, text)) from error
    for root in settings.media.roots:
        if (what := overlap(root, home)) is not None:
            place = _place_of(["media", "roots"], config, text)
            raise InvalidArgument(
                f"media.roots: {root} {what} ({place}).",
                "Name the folders whose files may be sent, such as ~/Documents.",
            )
    return settings


def config_text(home: Path) -> str:
    """The text of `config.toml`; nothing where there is none.

    Raises:
        InvalidArgument: It cannot be read.
    """
    config = home / "config.toml"
    try:
        return config.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise InvalidArgument(
            f"{config} cannot be read: {error.strerror}.", "Make it a file that you can read."
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{config} is not UTF-8 text.", "Save it as UTF-8.") from error


def _overlay_environment(values: dict[str, Any]) -> None:
    """Lay `WHATSAPP_MCP_LOG_LEVEL`, `WHATSAPP_MCP_SERVER__PORT` … over what the file says."""
    for variable, value in os.environ.items():
        if not variable.startswith(ENV_PREFIX) or variable == HOME_VARIABLE:
            continue
        section, _, key = variable.removeprefix(ENV_PREFIX).lower().partition("__")
        if section in _FILE_ONLY:
            raise InvalidArgument(
                f"{variable} cannot be set by environment: any server may lead the account.",
                f"Write it into the [{section}] section of config.toml.",
            )
        if not key:
            values[section] = value
        elif isinstance(table := values.setdefault(section, {}), dict):
            table[key] = value
        else:
            raise InvalidArgument(f"{section}: it is a section, not a value.", f"Write [{section}] and keys.")


def _explain(error: ValidationError, config: Path, text: str) -> tuple[str, str]:
    first = error.errors()[0]
    path = [part for part in first["loc"] if isinstance(part, str)]
    said = first["msg"].removeprefix("Value error, ")
    what = _SAID.get(first["type"], said[:1].lower() + said[1:])
    place = _place_of(path, config, text)
    return f"{'.'.join(path)}: {what} ({place}).", "Correct or remove it, then start again."


def _place_of(path: list[str], config: Path, text: str) -> str:
    variable = ENV_PREFIX + "__".join(path).upper()
    if variable in os.environ:
        return f"environment variable {variable}"
    line = _line_of(path, text)
    return f"{config}, line {line}" if line else str(config)


def _line_of(path: list[str], text: str) -> int | None:
    """The line that sets a key, or that opens its section; None when it stands in neither form."""
    section, found = "", None
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([\w-]+)\s*\]", line):
            section = header[1]
            if [section] == path[:1]:
                found = number
        key = re.match(r"\s*([\w-]+)\s*[=.]", line)
        if key and ([section, key[1]] == path[:2] or (not section and [key[1]] == path[:1])):
            return number
    return found
