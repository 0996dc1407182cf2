"""Steps that set a host up, or take that back: shown first, then applied or left to a person.

A host with a command line of its own is set up by that, where its program is on the PATH; else its file is
changed, where that is safe. A snippet says what a person pastes or runs instead.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Final, NamedTuple

from whatsapp_mcp.cli.hosts import editing
from whatsapp_mcp.cli.hosts.editing import Change
from whatsapp_mcp.cli.hosts.host import PUBLIC, TOKEN_VARIABLE, Host
from whatsapp_mcp.cli.hosts.launch import Launch, Machine, launch_of
from whatsapp_mcp.cli.hosts.table import known_hosts
from whatsapp_mcp.errors import Busy, InvalidArgument, Unsupported
from whatsapp_mcp.system import SHELL_CHARACTERS

_PLACEHOLDER: Final = "TOKEN"
"""Placeholder in the file of a host that has to hold the token itself; the person replaces it."""
_LIMIT: Final = 60.0
"""Seconds for a host's own command."""


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
    """Return the text to paste into a host that starts programs, or the command to run for it."""
    if host.command is not None:
        return Snippet(machine.line(command_words(host, launch, name)), "Run this command.")
    text = rendered(host, name, entry_of(host, launch, name))
    if not host.files:
        return Snippet(text, f"Choose {host.menu}, and paste this.")
    return Snippet(text, f"Merge this into {_snippet_file(host, machine)}.")


def _snippet_file(host: Host, machine: Machine) -> str:
    """The file that a host reads, and how a person opens it there."""
    if not host.files:
        return host.menu
    path = machine.file(host.files[machine.system])
    return f"{path} ({host.menu})" if host.menu else path


def http_snippet(host: Host, name: str, machine: Machine, *, port: int, public: str | None) -> Snippet:
    """Return the text to paste into a host, or the command to run, so that it reaches an HTTP server.

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
    where = form.where.replace("{file}", _snippet_file(host, machine))
    return Snippet(text, f"{where}{_about_token(host)}")


def _about_token(host: Host) -> str:
    """Return the sentence that says where the token comes from and goes; empty if none is needed."""
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


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands of the host's own command line.

    Attributes:
        words: Each command, its program first.
        programs: The full path of the program.
        machine: Where they run.
    """

    words: tuple[tuple[str, ...], ...]
    program: str
    machine: Machine

    def shown(self) -> str:
        """The commands as they could be typed."""
        return "\n".join(f"$ {self.machine.line(words)}" for words in self.words)

    def apply(self) -> None:
        """Run them in the person's home folder: what the current one holds could be run by the host.

        Raises:
            Busy: One failed.
        """
        for at, words in enumerate(self.words):
            line = self.machine.line(words)
            gone = " The former entry is already removed." if at else ""
            try:
                done = subprocess.run(
                    [self.program, *words[1:]],
                    cwd=self.machine.home,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=_LIMIT,
                    check=False,
                )
            except subprocess.TimeoutExpired as late:
                raise Busy(
                    f"`{line}` took longer than {_LIMIT:.0f} seconds.{gone}", "Run it by hand."
                ) from late
            except OSError as error:
                raise Busy(
                    f"`{line}` cannot be started.{gone}",
                    f"Run `{words[0]} --version` to see why, then that line by hand.",
                ) from error
            if done.returncode != 0:
                raise Busy(f"`{line}` failed.{gone}", "Run it by hand to see the cause.")


Step = Change | Commands


class Found(NamedTuple):
    """A server of ours in a host's configuration, and how the host starts it."""

    host: Host
    path: Path
    name: str
    launch: Launch


def to_install(host: Host, launch: Launch, name: str, machine: Machine) -> Step | None:
    """Return the step that sets the host up; None if it is set up.

    Raises:
        InvalidArgument: Another program has the name.
        Unsupported: A person has to do it.
    """
    if (program := _program(host, machine)) is None:
        path = _edited_file(host, machine)
        return editing.put_in(host, path, name, entry_of(host, launch, name))
    known = editing.entries_in(host, _file(host, machine)).get(name)
    adding = command_words(host, launch, name)
    if known is None:
        return _commands((adding,), program, machine)
    editing.check_ours(host, _file(host, machine), name, known)
    if launch_of(known) == launch:
        return None
    return _commands((removing_words(host, name), adding), program, machine)


def to_undo(host: Host, name: str, machine: Machine) -> Step | None:
    """Return the step that removes this server from the host; None if the host has none.

    Raises:
        InvalidArgument: Another program has the name.
        Unsupported: A person has to do it.
    """
    if (program := _program(host, machine)) is None:
        return editing.taken_out(host, _edited_file(host, machine), name)
    known = editing.entries_in(host, _file(host, machine)).get(name)
    if known is None:
        return None
    editing.check_ours(host, _file(host, machine), name, known)
    return _commands((removing_words(host, name),), program, machine)


def found(machine: Machine) -> list[Found]:
    """Every server of ours in the configurations of hosts on this computer; nothing is changed."""
    all_found: list[Found] = []
    for host, path in _configurations(machine):
        with suppress(Unsupported):
            for name, entry in editing.entries_in(host, path).items():
                launch = launch_of(entry)
                if launch is not None and launch.is_ours():
                    all_found.append(Found(host, path, name, launch))
    return all_found


def unreadable(machine: Machine) -> list[tuple[Host, Path]]:
    """The configurations of hosts that cannot be read, so that nobody knows whether they have our server."""
    all_found: list[tuple[Host, Path]] = []
    for host, path in _configurations(machine):
        try:
            editing.entries_in(host, path)
        except Unsupported:
            all_found.append((host, path))
    return all_found


def _configurations(machine: Machine) -> Iterator[tuple[Host, Path]]:
    return ((host, _file(host, machine)) for host in known_hosts() if host.files)


def _commands(words: tuple[tuple[str, ...], ...], program: str, machine: Machine) -> Commands:
    """Commands that can be run.

    Raises:
        Unsupported: The program is a script of Windows, whose words the shell there would take apart.
    """
    is_script = PureWindowsPath(program).suffix.lower() in {".cmd", ".bat"}
    if is_script and any(SHELL_CHARACTERS.intersection(word) for each in words for word in each):
        raise Unsupported(
            f"`{words[0][0]}` is a script, and cannot be given all of these words by a program.",
            "Run by hand what is printed.",
        )
    return Commands(words, program, machine)


def _program(host: Host, machine: Machine) -> str | None:
    """The host's own program, if it can do this."""
    return machine.program(host.command.program) if host.command and host.has_commands else None


def _file(host: Host, machine: Machine) -> Path:
    return Path(machine.file(host.files[machine.system]))


def _edited_file(host: Host, machine: Machine) -> Path:
    """The file that is changed.

    Raises:
        Unsupported: It is not ours to change.
    """
    if host.is_edited:
        return _file(host, machine)
    if host.command is not None and host.has_commands:
        raise Unsupported(
            f"There is no `{host.command.program}` on the PATH.",
            f"Install {host.title}, or run by hand what is printed.",
        )
    raise Unsupported(f"{host.title} is set up by hand.", "Follow what is printed.")
