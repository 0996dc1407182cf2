"""Sections of `config.toml` that know no feature: `[agent]`, `[server]`, `[media]` and `[traces]`.

Which chats are handed on to an agent, and how it is run; what a server offers, where and to whom; which files
are kept; and where its spans go. `Section` is what each section of the file is made of.
"""

from __future__ import annotations

import ipaddress
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import parse_chat
from whatsapp_mcp.text.emoji import is_emoji

UserPath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""A path in which `~` is the user's home."""
AgentKind = Literal["command", "channel", "clients"]
OWN_CHAT: Final = "self"
"""The chat with oneself, as a key of `[agent.chats]`."""
_HOST_NAME: Final = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*(:\d{1,5})?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_NOT_IN_A_URL: Final = re.compile(r"""[\x00-\x20\x7f"\\?#@]""")
_SCOPE_NAME: Final = r"^[\x21\x23-\x5b\x5d-\x7e]+$"
"""RFC 6749, 3.3."""
_MEGABYTES: Final = Field(default=0, ge=0, le=2048)
_SCHEMES: Final = ("http", "https")


class Section(BaseModel):
    """A section: it cannot be changed, and has no key but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _chat(text: str) -> str:
    """A key of `[agent.chats]` as a jid."""
    if text.strip() == OWN_CHAT:
        return OWN_CHAT
    try:
        return parse_chat(text)
    except InvalidArgument:
        raise ValueError(f'{text!r} is neither "self", a number with + nor a jid') from None


def _reaction(value: str) -> str:
    if value and not is_emoji(value):
        raise ValueError(f"{value!r} is not one emoji")
    return value


def _words(value: object) -> object:
    if isinstance(value, str):
        raise ValueError('it is a list, such as ["/usr/bin/my-agent", "--fast"]: no shell reads it')
    return value


class AgentLimits(Section):
    """`[agent.limits]`: how long a command may run, and how much it may answer.

    `seconds` is for one run. `per_hour` are answers to one chat. `turns` are messages of one chat that are
    handed on without two minutes between them: two programs would answer each other for ever. `characters`
    are those of one answer. `cost_per_day` bounds what the runs of the last 24 hours reported.
    """

    seconds: float = Field(default=300.0, ge=1, le=3600)
    per_hour: int = Field(default=30, ge=1)
    turns: int = Field(default=20, ge=1)
    characters: int = Field(default=8_000, ge=1, le=60_000)
    cost_per_day: float | None = Field(default=None, ge=0)


class AgentSettings(Section):
    """`[agent]`: an agent that people reach by writing to this account. Without chats it is off.

    `chats` names the chats that are handed on, each to one agent: to the `command`, to a Claude Code
    `channel`, or to MCP `clients` that wait for messages. `strangers = "pairing"` gives whoever else writes a
    code, with which the person may let them in; `paired` is their agent. `environment` names variables that
    the command gets, `folder` is where it runs. `output = "json"` reads `result` and `total_cost_usd` from
    what it prints. `settle` are seconds of quiet after which a burst of messages is handed on. `working` is a
    reaction while the command runs, `away` what is said when nobody answers; both are left out when empty.
    """

    command: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    chats: dict[Annotated[str, AfterValidator(_chat)], AgentKind] = Field(default={})
    strangers: Literal["off", "pairing"] = "off"
    paired: AgentKind = "command"
    environment: tuple[str, ...] = ()
    folder: UserPath | None = None
    output: Literal["text", "json"] = "text"
    settle: float = Field(default=2.0, ge=0, le=60)
    working: Annotated[str, AfterValidator(_reaction)] = "👀"
    away: str = Field(default="", max_length=1_000)
    limits: AgentLimits = AgentLimits()

    @model_validator(mode="after")
    def _has_command(self) -> Self:
        kinds = {*self.chats.values(), *([self.paired] if self.strangers == "pairing" else [])}
        if "command" in kinds and not self.command:
            raise ValueError("a chat is given to the command, and command is not set")
        return self

    @property
    def is_on(self) -> bool:
        """True if any chat is handed on to an agent."""
        return bool(self.chats) or self.strangers != "off"


def _host_name(value: str) -> str:
    """A host name in lower case, without the port that it may have, or an address."""
    name = value.strip().lower()
    with suppress(ValueError):
        return str(ipaddress.ip_address(name.strip("[]")))
    if _HOST_NAME.fullmatch(name) is None:
        raise ValueError(f"{value!r} is not a host name such as nas.local or *.example.org")
    return name.partition(":")[0]


def _network(value: str) -> str:
    """An address or a network of them, in CIDR notation."""
    try:
        network = ipaddress.ip_network(value.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{value!r} is not an address or a network such as 172.18.0.0/16") from None
    if not network.prefixlen:
        raise ValueError(f"{value!r} is every address: anybody could then pretend to be another")
    return str(network)


def _web_parts(value: str) -> SplitResult | None:
    """The parts of an http(s) URL without user, query and fragment; None if it is anything else."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in _DEFAULT_PORTS and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable and value.isascii() and not _NOT_IN_A_URL.search(value) else None


def _issuer_url(value: str) -> str:
    """A URL of an OAuth issuer: https, or http on loopback."""
    parts = _web_parts(value)
    if parts is None or (parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1")):
        raise ValueError(f"{value!r} is not a URL such as https://login.example.org")
    return value


def _origin(value: str) -> str:
    """The URL of a server without a path, in lower case and without the port of its scheme."""
    parts = _web_parts(value)
    if parts is None or parts.path not in ("", "/"):
        raise ValueError(f"{value!r} is not a URL without a path, such as https://wa.example.org")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


class OAuthScopes(Section):
    """`[server.oauth.scopes]`: what the issuer calls the scopes `read`, `send` and `admin`."""

    read: str = Field(default="read", pattern=_SCOPE_NAME)
    send: str = Field(default="send", pattern=_SCOPE_NAME)
    admin: str = Field(default="admin", pattern=_SCOPE_NAME)


class OAuthSettings(Section):
    """`[server.oauth]`: whose tokens are taken beside those of `whatsapp-mcp token`, and for whom.

    `subjects` are the users of the issuer who may come in; everybody else may sign in there as well. Where a
    database says who may come in, they are left out.
    `audience` is what the issuer calls this server, its URL with `/mcp` when left out. `jwks_url` is taken
    from the issuer's metadata when left out. `accounts` names for a subject the accounts that it may know of,
    all when left out.
    """

    issuer: Annotated[str, AfterValidator(_issuer_url)]
    subjects: tuple[str, ...] = Field(default=(), min_length=1)
    audience: str | None = None
    jwks_url: Annotated[str, AfterValidator(_issuer_url)] | None = None
    scopes: OAuthScopes = OAuthScopes()
    accounts: dict[str, tuple[str, ...]] = Field(default={})

    @model_validator(mode="after")
    def _accounts_are_of_its_subjects(self) -> Self:
        # A mistyped subject would otherwise reach every account.
        if unknown := sorted(self.accounts.keys() - set(self.subjects)):
            raise ValueError(f"accounts: {unknown[0]!r} is none of the subjects")
        return self


class ServerSettings(Section):
    """`[server]`: what is offered and where.

    `structured` adds data for programs to every result. `allowed_hosts` are further names that HTTP requests
    may address; `*.` in front stands for one label. `public_url` is how others reach this server, through the
    proxies at `trusted_proxies`.
    """

    toolsets: str = "core"
    structured: bool = False
    host: str = "127.0.0.1"
    port: int = Field(default=8808, ge=0, le=65535)
    allowed_hosts: tuple[Annotated[str, AfterValidator(_host_name)], ...] = ()
    public_url: Annotated[str, AfterValidator(_origin)] | None = None
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    tls_certificate: UserPath | None = None
    tls_key: UserPath | None = None
    allow_unencrypted: bool = False
    oauth: OAuthSettings | None = None

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key need each other")
        return self

    @field_validator("allowed_hosts", "trusted_proxies", mode="before")
    @classmethod
    def _from_environment(cls, value: Any) -> Any:
        """A variable lists names with commas."""
        return [name for name in value.split(",") if name.strip()] if isinstance(value, str) else value


class KeepSettings(Section):
    """`[media.keep]`: files that are fetched before WhatsApp deletes them, from people who are known.

    For each kind the largest size in megabytes; 0: none. `chats` narrows it to these (number, jid or exact
    name). `total_megabytes` is what such files may take; the oldest of them are dropped first. `keep = "off"`
    in `[media]` fetches nothing.
    """

    voice: int = Field(default=16, ge=0, le=2048)
    image: int = Field(default=8, ge=0, le=2048)
    document: int = Field(default=16, ge=0, le=2048)
    audio: int = _MEGABYTES
    video: int = _MEGABYTES
    gif: int = _MEGABYTES
    sticker: int = _MEGABYTES
    chats: tuple[str, ...] = ()
    total_megabytes: int = Field(default=2_000, ge=0)


_NOTHING: Final = KeepSettings(voice=0, image=0, document=0)


def _read_keep(value: object) -> object:
    """A section, or `off` for one that keeps nothing."""
    if isinstance(value, str) and value != "off":
        raise ValueError('it is a section, or "off"')
    return _NOTHING if value == "off" else value


class MediaSettings(Section):
    """`[media]`: from where files may be sent (`roots`), how large files may be, and how much is kept.

    `total_megabytes` is what the folder of files takes, `free_megabytes` what the disk keeps free.
    `keep` says which files are fetched without being asked for, `read` whether what is in them is read.
    """

    roots: tuple[UserPath, ...] = ()
    max_megabytes: int = Field(default=100, ge=1, le=2048)
    total_megabytes: int = Field(default=10_000, ge=1)
    free_megabytes: int = Field(default=500, ge=0)
    read: bool = True
    keep: Annotated[KeepSettings, BeforeValidator(_read_keep)] = KeepSettings()

    @field_validator("roots", mode="before")
    @classmethod
    def _from_environment(cls, value: Any) -> Any:
        """A variable lists folders as `PATH` does."""
        return value.split(os.pathsep) if isinstance(value, str) else value


def _url(value: str) -> str:
    """A URL of a receiver; a password does not belong into it, since the log may name it."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("it is not a URL without a password, such as http://127.0.0.1:4318/v1/traces")
    return value


class TracesSettings(Section):
    """`[traces]`: `endpoint` is the URL of an OTLP receiver, without which nothing is recorded.

    `ratio` is the part of the traces that begin here which is recorded.
    """

    endpoint: Annotated[str, AfterValidator(_url)] | None = None
    ratio: float = Field(default=1.0, ge=0, le=1)
