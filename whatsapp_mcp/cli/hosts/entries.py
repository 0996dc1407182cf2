"""What belongs into a host's configuration so that it starts, or reaches, this server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from whatsapp_mcp.cli.hosts.host import PUBLIC, TOKEN_VARIABLE, Host
from whatsapp_mcp.cli.hosts.launch import Launch
from whatsapp_mcp.cli.hosts.machine import Machine
from whatsapp_mcp.errors import InvalidArgument

_PLACEHOLDER: Final = "TOKEN"
"""Where a person writes the token that a host has to have in its file."""


class Snippet(NamedTuple):
    """`text` is what to paste or run, `where` says where it belongs and what else there is to do."""

    text: str
    where: str


def entry_of(host: Host, launch: Launch, name: str) -> dict[str, Any]:
    """The entry with which a host that starts programs starts this one."""
    assert host.entry is not None
    return host.entry(launch, name)


def command_words(host: Host, launch: Launch, name: str) -> tuple[str, ...]:
    """The host's own command that adds this server."""
    assert host.command is not None
    words = [host.command.program]
    for word in host.command.add:
        match word:
            case "{args}":
                words += launch.args
            case "{-- args}":
                words += ["--", *launch.args] if launch.args else []
            case "{--env}" | "{-e}":
                for key, value in launch.env:
                    words += [word.strip("{}"), f"{key}={value}"]
            case _:
                words.append(word.replace("{name}", name).replace("{command}", launch.command))
    return tuple(words)


def removing_words(host: Host, name: str) -> tuple[str, ...]:
    """The host's own command that removes this server."""
    assert host.command is not None
    return (host.command.program, *(word.replace("{name}", name) for word in host.command.remove))


def snippet(host: Host, launch: Launch, name: str, machine: Machine) -> Snippet:
    """What to paste into a host that starts programs, or to run for it."""
    if host.command is not None:
        return Snippet(machine.line(command_words(host, launch, name)), "Run this command.")
    text = rendered(host, name, entry_of(host, launch, name))
    if not host.files:
        return Snippet(text, f"Choose {host.menu}, and paste this.")
    return Snippet(text, f"Merge this into {_file(host, machine)}.")


def _file(host: Host, machine: Machine) -> str:
    """The file that a host reads, and how a person opens it there."""
    if not host.files:
        return host.menu
    path = machine.file(host.files[machine.system])
    return f"{path} ({host.menu})" if host.menu else path


def http_snippet(host: Host, name: str, machine: Machine, *, port: int, public: str | None) -> Snippet:
    """What to paste into a host, or to run for it, so that it reaches a server that runs over HTTP.

    Raises:
        InvalidArgument: It needs a public URL, and there is none.
    """
    form = host.http
    if form.base == PUBLIC and public is None:
        raise InvalidArgument(
            f"{host.title} reaches this server at a public URL, and there is none.",
            "Set server.public_url and server.oauth in config.toml.",
        )
    url = form.base.format(port=port, public=public) + form.path
    fill = _filler({"{name}": name, "{url}": url, "{token}": form.token or _PLACEHOLDER})
    if form.command:
        text = machine.line([fill(word) for word in form.command])
    elif form.entry is None:
        text = url
    else:
        text = rendered(host, name, fill(form.entry), form.extra)
    where = form.where.replace("{file}", _file(host, machine))
    return Snippet(text, f"{where}{_about_token(host)}")


def _about_token(host: Host) -> str:
    """Where the token comes from, and where it goes."""
    form = host.http
    if form.signs_in:
        return ""
    made = f" `whatsapp-mcp token create {host.name} --scope read,send` makes the token"
    if TOKEN_VARIABLE in form.token:
        return f"{made}: set it as {TOKEN_VARIABLE} in {form.kept_in.format(title=host.title)}."
    if form.entry is None or form.token:
        return f"{made}."
    return f"{made}: write it in place of {_PLACEHOLDER}, for {host.title} takes it from nowhere else."


def _filler(values: Mapping[str, str]) -> Callable[[Any], Any]:
    def fill(value: Any) -> Any:
        if isinstance(value, str):
            for placeholder, given in values.items():
                value = value.replace(placeholder, given)
            return value
        if isinstance(value, Mapping):
            return {key: fill(member) for key, member in value.items()}
        return [fill(member) for member in value] if isinstance(value, list) else value

    return fill


def rendered(host: Host, name: str, value: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> str:
    """A whole file of this host with one entry, which a person merges into theirs."""
    return host.format.written({**(extra or {}), host.container: {name: value}})
