"""Changes to a host's file: what would be written, as a difference that a person sees, and the writing.

Beside the file, its former content is kept under its name with `.before-` and the name of the server. Taking
the entry out again (`taken_out`) restores that content to the byte if nothing else has changed since, and
otherwise takes out the entry alone. Nothing else is written down.
"""

from __future__ import annotations

import difflib
import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from whatsapp_mcp.cli.hosts.host import Format, Host
from whatsapp_mcp.cli.hosts.launch import launch_of
from whatsapp_mcp.errors import Busy, InvalidArgument, Unsupported, cause, disk_failure
from whatsapp_mcp.system import draft_of, is_foreign

_LARGEST: Final = 10_000_000
"""Bytes of a configuration; what is larger is none."""
_SHOWN: Final = 60
"""Characters of the name of another program."""
_NAMES: Final = ("---", "+++")
_MARK: Final = "\ufeff"
"""Windows programs begin files with it."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one file.

    Attributes:
        path: The file.
        before: What it holds; None if it is not there.
        after: What it is to hold; None if it is to go.
        backup: Where `before` is kept; None if it is not.
        spent: A backup that goes with this change.
    """

    path: Path
    before: bytes | None
    after: bytes | None
    backup: Path | None = None
    spent: Path | None = None

    def shown(self) -> str:
        """The difference, without what stands around it: a key of another server may be there."""
        contents = (self.before, self.after)
        old, new = ((content or b"").decode().splitlines() for content in contents)
        names = [os.devnull if content is None else str(self.path) for content in contents]
        if len(old) == len(new) == 1:  # all in one line
            old, new = _differing(old[0], new[0])
        unchanged = {line.rstrip(",") for line in old} & {line.rstrip(",") for line in new}
        lines = difflib.unified_diff(old, new, *names, n=0, lineterm="")
        # A comma after what was the last entry.
        shown = (line for line in lines if line[:3] in _NAMES or line[1:].rstrip(",") not in unchanged)
        return "\n".join(shown)

    def apply(self) -> None:
        """Write it, whole or not at all, with the permissions that the file has.

        Raises:
            Busy: The file was changed meanwhile, or cannot be written.
        """
        try:
            mode = stat.S_IMODE(self.path.stat().st_mode) if self.before is not None else 0o600
            # A person has read the difference meanwhile, and the host may have written its file.
            if (self.path.read_bytes() if self.path.exists() else None) != self.before:
                raise Busy(f"{self.path} was changed by another program meanwhile.", "Run this again.")
            if self.backup is not None and self.before is not None:
                _write(self.backup, self.before, mode)
            if self.after is None:
                self.path.unlink()
            else:
                _write(self.path, self.after, mode)
            if self.spent is not None:
                self.spent.unlink(missing_ok=True)
        except OSError as error:
            why, action = disk_failure(error, "Make it writable.")
            raise Busy(f"{self.path} cannot be written: {why}.", action) from error


def _differing(old: str, new: str) -> tuple[list[str], list[str]]:
    """The parts of two lines in which they differ."""
    begin = _common(old, new)
    old, new = old[begin:], new[begin:]
    end = _common(old[::-1], new[::-1])
    return [part for part in (old[: len(old) - end],) if part], [new[: len(new) - end]]


def _common(text: str, other: str) -> int:
    """Return the number of characters that two texts share at their beginning."""
    return next(
        (at for at, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other))
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    with draft_of(path) as draft:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(mode)
        draft.replace(path)


def entries_in(host: Host, path: Path) -> dict[str, Any]:
    """The servers in a host's file, by name; none if there is no file. It may be of any size.

    Raises:
        Unsupported: It cannot be read.
    """
    try:
        content = path.read_bytes() if path.is_file() else None
    except OSError as error:
        raise _not_ours(path, cause(error)) from error
    return _known(host, path, _text(path, content))


def put_in(host: Host, path: Path, name: str, entry: Mapping[str, Any]) -> Change | None:
    """The change that gives a host this entry; None if it has it.

    What a person has added to an entry of ours, such as which tools need no question, stays.

    Raises:
        InvalidArgument: The name is taken by an entry that starts another program.
        Unsupported: The file cannot be changed safely.
    """
    before = _content(host, path)
    text = _text(path, before)
    known = _own(host, path, text, name)
    if known is not None:
        # The variables are renewed as a whole: one that is no longer set must not stay.
        kept = {key: value for key, value in known.items() if key not in {"env", "environment", "envs"}}
        entry = {**kept, **entry}
        if entry == known:
            return None
    after = _edited(
        host,
        path,
        before,
        (name, entry),
        lambda edit: edit.with_entry(text, host.container, name, entry),
    )
    # The backup is from before our first entry; one that is renewed must not overwrite it.
    backup = None if known is not None else backup_of(path, name)
    return Change(path, before, after, backup=backup)


def taken_out(host: Host, path: Path, name: str) -> Change | None:
    """The change that takes our entry out again; None if there is none.

    Raises:
        InvalidArgument: The entry of this name starts another program.
        Unsupported: The file cannot be changed safely.
    """
    before = _content(host, path)
    text = _text(path, before)
    known = _own(host, path, text, name)
    if known is None:
        return None
    backup = backup_of(path, name)
    former = _content(host, backup)
    former_text = _text(backup, former)
    spent = backup if former is not None else None
    try:
        is_all = host.format.with_entry(former_text, host.container, name, known) == text
        keeps = host.container in host.format.read(former_text)
    except (ValueError, RecursionError):
        # Without the former content nobody knows whether the person had the container before.
        is_all, keeps = False, True
    if is_all:
        return Change(path, before, former, spent=spent)
    after = _edited(
        host,
        path,
        before,
        (name, None),
        lambda edit: edit.without_entry(text, host.container, name, keeps_container=keeps),
    )
    return Change(path, before, after, spent=spent)


def backup_of(path: Path, name: str) -> Path:
    """Return the path that keeps the content of a file from before its entry `name`."""
    return path.with_name(f"{path.name}.before-{name}")


def check_ours(host: Host, path: Path, name: str, entry: Any) -> None:
    """Check that an entry of this name starts this program.

    Raises:
        InvalidArgument: It starts another one.
    """
    from whatsapp_mcp.policy import clean_line

    launch = launch_of(entry)
    if launch is None or not launch.is_ours():
        program = f", `{clean_line(launch.program, _SHOWN)}`" if launch and launch.program else ""
        raise InvalidArgument(
            f"{host.title} has a server named {name} in {path} that is another program{program}.",
            "Remove or rename that entry there first.",
        )


def _content(host: Host, path: Path) -> bytes | None:
    """Read the content of a file that may be changed; None if there is no file.

    Raises:
        Unsupported: It may not.
    """
    try:
        if path.is_symlink():
            raise _not_ours(path, "it is a symbolic link")
        if not path.parent.is_dir():
            raise Unsupported(
                f"There is no folder {path.parent}: {host.title} is not installed, or was never started.",
                "Start it once, then run this again.",
            )
        if not path.exists():
            return None
        file_stat = path.stat()
        # A file that is replaced is no longer the one to which its other names lead.
        if not stat.S_ISREG(file_stat.st_mode) or file_stat.st_nlink > 1 or file_stat.st_size > _LARGEST:
            raise _not_ours(path, "it is not a file of its own")
        if is_foreign(file_stat):
            raise _not_ours(path, "it belongs to another user")
        if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
            raise _not_ours(path, "it is not writable")
        return path.read_bytes()
    except OSError as error:
        raise _not_ours(path, cause(error)) from error


def _text(path: Path, content: bytes | None) -> str:
    """The text of a file without a byte order mark.

    Raises:
        Unsupported: It is not UTF-8.
    """
    try:
        return (content or b"").decode().removeprefix(_MARK)
    except UnicodeDecodeError:
        raise _not_ours(path, "it is not UTF-8") from None


def _own(host: Host, path: Path, text: str, name: str) -> Any:
    """Our entry; None if there is none.

    Raises:
        InvalidArgument: The entry of this name starts another program.
        Unsupported: It, or the file, is not understood.
    """
    known = _known(host, path, text).get(name)
    if isinstance(known, str):
        raise _not_ours(path, f"its entry {name} is written in a way that is not understood")
    if known is not None:
        check_ours(host, path, name, known)
    return known


def _known(host: Host, path: Path, text: str) -> dict[str, Any]:
    try:
        servers = host.format.read(text).get(host.container) or {}
    except json.JSONDecodeError as error:
        raise Unsupported(
            f"{path} is not changed: its line {error.lineno} is not valid JSON.",
            "Correct that line, then run this again.",
        ) from None
    except (ValueError, RecursionError):
        raise _not_ours(path, f"it is not {host.format.name} of a known layout") from None
    if not isinstance(servers, dict):
        raise _not_ours(path, f"its {host.container} is of an unknown form")
    return servers


def _edited(
    host: Host,
    path: Path,
    before: bytes | None,
    wanted: tuple[str, Mapping[str, Any] | None],
    edit: Callable[[Format], str],
) -> bytes:
    """The bytes after a change of the text, which is read again.

    It has to say what is wanted (a name and its entry, None if that is to go), and all else as before.

    Raises:
        Unsupported: It is written in a way that cannot be changed.
    """
    mark = _MARK if before is not None and before.startswith(_MARK.encode()) else ""
    try:
        text = edit(host.format)
        former, now = host.format.read(_text(path, before)), host.format.read(text)
        name, entry = wanted
        others = {key: value for key, value in (former.get(host.container) or {}).items() if key != name}
        former[host.container] = others if entry is None else {**others, name: entry}
        if {**now, host.container: now.get(host.container) or {}} != former:
            raise ValueError("something else would change")
        return (mark + text).encode()
    except (ValueError, RecursionError):
        raise _not_ours(path, "its layout is one that only its own program can keep") from None


def _not_ours(path: Path, why: str) -> Unsupported:
    return Unsupported(f"{path} is not changed here: {why}.", "Merge by hand what is printed.")
