"""Description of an MCP host: how a server is added to it, and where it stores that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from whatsapp_mcp.cli.hosts import json_text
from whatsapp_mcp.cli.hosts.launch import Launch
from whatsapp_mcp.system import System

LOOPBACK: Final = "http://127.0.0.1:{port}"
PUBLIC: Final = "{public}"
"""`server.public_url`: for hosts that run elsewhere."""
TOKEN_VARIABLE: Final = "WHATSAPP_MCP_TOKEN"  # noqa: S105  the name of a variable
SHELL_VARIABLE: Final = f"${{{TOKEN_VARIABLE}}}"
"""That variable, as a shell refers to it."""
AUTHORIZATION: Final = {"Authorization": "Bearer {token}"}
MERGE: Final = "Merge this into {file}."


class Format(NamedTuple):
    """The format of a host's configuration.

    Attributes:
        name: What it is called.
        read: What a text says; raises `ValueError` if it cannot be read.
        with_entry: A text with a member of a container (its name, that of the member, and the value), and
            `without_entry` without it; both raise `ValueError` where the text cannot be changed.
        written: A whole file that says this.
    """

    name: str
    read: Callable[[str], dict[str, Any]]
    with_entry: Callable[[str, str, str, Mapping[str, Any]], str]
    without_entry: Callable[..., str]
    written: Callable[[Mapping[str, Any]], str]


JSON: Final = Format("JSON", json_text.read, json_text.with_entry, json_text.without_entry, json_text.written)


def plain_entry(launch: Launch, name: str) -> dict[str, Any]:
    """An entry of command, args and env."""
    env = dict(launch.env)
    return {"command": launch.command, "args": list(launch.args)} | ({"env": env} if env else {})


def typed_entry(launch: Launch, name: str) -> dict[str, Any]:
    """The same with the type stdio."""
    return {"type": "stdio", **plain_entry(launch, name)}


@dataclass(frozen=True, slots=True)
class Command:
    """The host's own command line.

    In its words `{name}` is the name of the server, `{command}` its program, `{args}` that program's
    arguments, each a word, and `{-- args}` the same behind `--` if there are any. `{--env}` stands for that
    option and one variable, for each of them.
    """

    program: str
    add: tuple[str, ...]
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Http:
    """The setup of a host that reaches a running server over HTTP.

    Attributes:
        where: What to do; `{file}` in it is the file with the menu that leads there.
        entry: What belongs into its configuration, with `{name}`, `{url}` and `{token}`.
        command: The words of its own command that does it, instead of an entry.
        token: What the host replaces by the token; empty if the token itself has to stand there, or none can.
        kept_in: Where a person sets what it replaces.
        path: Which of the server's paths it takes.
        base: Where the server is, as seen from the host.
        extra: What belongs into the same file beside the entry.
        signs_in: Whether it takes OAuth and no token.
    """

    where: str
    entry: Mapping[str, object] | None = None
    command: tuple[str, ...] = ()
    token: str = ""
    kept_in: str = "the environment of {title}"
    path: str = "/mcp"
    base: str = LOOPBACK
    extra: Mapping[str, object] = field(default_factory=dict[str, object])
    signs_in: bool = False


def by_url(key: str = "url", *, token: str = "", **more: object) -> Http:
    """An entry of a URL and headers."""
    return Http(MERGE, {**more, key: "{url}", "headers": AUTHORIZATION}, token=token)


def by_connector(menu: str) -> Http:
    """A host of a vendor's own machines, which reach the server at a public URL."""
    return Http(
        f"{menu}, and give it this URL. It signs in with OAuth: set server.public_url and server.oauth.",
        base=PUBLIC,
        signs_in=True,
    )


@dataclass(frozen=True, slots=True)
class Host:
    """An MCP host.

    Attributes:
        name: What `whatsapp-mcp install` calls it.
        title: What its makers call it.
        source: The page of its documentation that the entry follows.
        http: How it reaches a server over HTTP.
        menu: How a person opens its configuration from inside.
        files: Where it may keep its servers, the likeliest first (`Machine.file`); by system.
        format: How that file is written.
        container: The member of it that holds the servers.
        entry: What starts a program in it, by the name of the server; None if it starts none.
        command: Its own command line, if it has one for servers.
        is_edited: Whether that file may be changed while it is not looking.
        afterwards: What makes it start the server.
        sign: How a person sees in it that the server runs.
        remarks: What else a person has to know to use the server in it.
    """

    name: str
    title: str
    source: str
    http: Http
    menu: str = ""
    files: Mapping[System, tuple[str, ...]] = field(default_factory=dict[System, tuple[str, ...]])
    format: Format = JSON
    container: str = "mcpServers"
    entry: Callable[[Launch, str], dict[str, Any]] | None = plain_entry
    command: Command | None = None
    is_edited: bool = False
    afterwards: str = ""
    sign: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def is_automatic(self) -> bool:
        """True if `whatsapp-mcp install` can set up the host; otherwise it prints what to do."""
        return self.is_edited or self.has_commands

    @property
    def has_commands(self) -> bool:
        """True if the host's own command line both adds and removes a server."""
        return self.command is not None and bool(self.command.remove)


def everywhere(*places: str) -> dict[System, tuple[str, ...]]:
    """The same places on every system."""
    return dict.fromkeys(System, places)


def application_data(place: str) -> dict[System, tuple[str, ...]]:
    """A file below the folder in which each system has applications keep their settings."""
    return {
        System.LINUX: (f"$XDG_CONFIG_HOME/{place}",),
        System.MACOS: (f"~/Library/Application Support/{place}",),
        System.WINDOWS: (f"$APPDATA/{place}",),
    }
