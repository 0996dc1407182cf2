"""What is known of an MCP host: how it is given a server, and where it keeps that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from whatsapp_mcp.system import System

LOOPBACK: Final = "http://127.0.0.1:{port}"
FROM_CONTAINER: Final = "http://host.docker.internal:{port}"
"""This computer, as containers on it call it."""
PUBLIC: Final = "{public}"
"""`server.public_url`: for hosts that run elsewhere."""


class Format(StrEnum):
    """How a host writes its configuration."""

    JSON = "json"
    TOML = "toml"
    YAML = "yaml"


class Shape(StrEnum):
    """What an entry that starts a program consists of."""

    PLAIN = "command, args, env"
    TYPED = "type stdio, command, args, env"
    LOCAL_LIST = "type local, command as a list, environment"
    LOCAL_TOOLS = "type local, command, args, env, tools"
    EXTENSION = "type stdio, name, enabled, cmd, args, envs, timeout"
    NAMED = "name, command, args, env"


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
    """How a host reaches a server that runs already.

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
        shape: What an entry consists of; None if it starts no programs.
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
    format: Format = Format.JSON
    container: str = "mcpServers"
    shape: Shape | None = Shape.PLAIN
    command: Command | None = None
    is_edited: bool = False
    afterwards: str = ""
    sign: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def is_automatic(self) -> bool:
        """Whether `whatsapp-mcp install` can set it up; else it prints what to do."""
        return self.is_edited or self.has_commands

    @property
    def has_commands(self) -> bool:
        """Whether its own command line both adds and removes a server."""
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


def unix_and_windows(unix: str, windows: str) -> dict[System, tuple[str, ...]]:
    """One place on Linux and macOS, another on Windows."""
    return {System.LINUX: (unix,), System.MACOS: (unix,), System.WINDOWS: (windows,)}
