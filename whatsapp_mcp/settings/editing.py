"""Changes to the text of `config.toml` that leave everything else in it as a person wrote it, comments too.

The text is changed line by line. What comes out is read again and must hold exactly what was to be changed;
a file that is written in a way that this does not understand is refused rather than damaged.
"""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from whatsapp_mcp.errors import InvalidArgument

Value = str | bool | int | float | list[str]
_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([\w-]+(?:\s*\.\s*[\w-]+)*)\s*\]")
_ANY_HEADER: Final = re.compile(r"\s*\[")
_LONGEST_VALUE: Final = 500
"""Lines of one value."""


class Assignment(NamedTuple):
    """A key is set, or taken out where the value is None: `("policy", "budgets")`, `"per_day"`, 100."""

    section: tuple[str, ...]
    key: str
    value: Value | None


class Copy(NamedTuple):
    """A section is written a second time with all below it: `("accounts", "work")` as another."""

    section: tuple[str, ...]
    to: tuple[str, ...]


class Erasure(NamedTuple):
    """A section is taken out, with all below it."""

    section: tuple[str, ...]


Change = Assignment | Copy | Erasure


def edited(text: str, changes: Sequence[Change]) -> str:
    """The text of a file after these changes.

    Raises:
        InvalidArgument: The file cannot be changed in this way; it has to be edited by hand.
    """
    try:
        wanted = tomllib.loads(text)
        lines = text.splitlines(keepends=True)
        for change in changes:
            _apply(wanted, change)
            lines = _edit(lines, change)
        result = "".join(lines)
        if tomllib.loads(result) == wanted:
            return result
    except (tomllib.TOMLDecodeError, RecursionError, LookupError, TypeError, AttributeError, StopIteration):
        pass
    raise InvalidArgument(
        "config.toml is written in a way in which it cannot be changed here.", "Edit the file by hand."
    )


def _apply(values: dict[str, Any], change: Change) -> None:
    """Make the change in what the file means."""
    match change:
        case Assignment(section, key, value):
            if value is not None:
                _table(values, section)[key] = copy.copy(value)
            else:
                with suppress(KeyError):
                    _table(values, section, is_made=False).pop(key, None)
        case Copy(section, to):
            copied = copy.deepcopy(_table(values, section, is_made=False))
            _table(values, to[:-1])[to[-1]] = copied
        case Erasure(section):
            above = _table(values, section[:-1], is_made=False)
            del above[section[-1]]
            if not above and len(section) > 1:
                del _table(values, section[:-2], is_made=False)[section[-2]]


def _table(values: dict[str, Any], section: Sequence[str], *, is_made: bool = True) -> dict[str, Any]:
    """The table of a section; made where there is none, or a `KeyError`."""
    for part in section:
        values = values.setdefault(part, {}) if is_made else values[part]
    return values


def _edit(lines: list[str], change: Change) -> list[str]:
    match change:
        case Assignment():
            return _assigned(lines, change)
        case Copy(section, to):
            lines = _ended(lines)
            copied = [
                line
                for begin, end in _below(lines, section)
                for line in ("\n", _renamed(lines[begin], section, to), *lines[begin + 1 : end])
            ]
            return [*lines, *copied]
        case Erasure(section):
            for begin, end in reversed(_below(lines, section)):
                lines = lines[:begin] + lines[end:]
            return lines


def _assigned(lines: list[str], change: Assignment) -> list[str]:
    begin, end = 0, next(iter(_headers(lines)), len(lines))
    if change.section:
        found = _tables(lines, change.section, is_array=False)
        if not found:
            if change.value is None:
                return lines
            head = f"[{'.'.join(change.section)}]\n"
            return [*_ended(lines), *(["\n"] if lines else []), head, _line(change)]
        begin, end = found[0]
        begin += 1
    place = _value_of(lines, change.key, begin, end)
    if place is None:
        if change.value is None:
            return lines
        at = _last(lines, begin - 1, end) if change.section else _last(lines, -1, end)
        return [*_ended(lines[:at]), _line(change), *lines[at:]]
    first, after = place
    if change.value is None:
        return lines[:first] + lines[after:]
    return [*lines[:first], _line(change, _comment(lines[first:after])), *lines[after:]]


def _line(change: Assignment, comment: str = "") -> str:
    assert change.value is not None
    return f"{change.key} = {written(change.value)}{comment}\n"


def written(value: Value) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def _tables(lines: Sequence[str], section: tuple[str, ...], *, is_array: bool) -> list[tuple[int, int]]:
    """From its header to the next, each table of this name."""
    heads = _headers(lines)
    found: list[tuple[int, int]] = []
    for at, following in zip(heads, [*heads[1:], len(lines)], strict=False):
        header = _HEADER.match(lines[at])
        if header and (header[1] == "[[") is is_array and _names(header[2]) == section:
            found.append((at, following))
    return found


def _below(lines: Sequence[str], section: tuple[str, ...]) -> list[tuple[int, int]]:
    """From its header to its last line, each table of this name or below it."""
    heads = _headers(lines)
    found: list[tuple[int, int]] = []
    for at, following in zip(heads, [*heads[1:], len(lines)], strict=False):
        header = _HEADER.match(lines[at])
        if header and _names(header[2])[: len(section)] == section:
            found.append((at, _last(lines, at, following)))
    return found


def _renamed(line: str, section: tuple[str, ...], to: tuple[str, ...]) -> str:
    """The header of a table below `section` as that of one below `to`."""
    header = _HEADER.match(line)
    assert header is not None
    name = ".".join((*to, *_names(header[2])[len(section) :]))
    return f"{line[: header.start(2)]}{name}{line[header.end(2) :]}"


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in dotted.split("."))


def _headers(lines: Sequence[str]) -> list[int]:
    """The lines that begin a table."""
    return [at for at, line in enumerate(lines) if _ANY_HEADER.match(line) and _is_outside(lines, at)]


def _is_outside(lines: Sequence[str], at: int) -> bool:
    """Whether a line that begins with a bracket is no part of a value: then what is before it is whole."""
    try:
        tomllib.loads("".join(lines[:at]))
    except tomllib.TOMLDecodeError:
        return False
    return True


def _value_of(lines: Sequence[str], key: str, begin: int, end: int) -> tuple[int, int] | None:
    """The lines of a key's value, up to the line after it; None where the key is not set."""
    at = begin
    while at < end:
        after = at + 1
        if "=" in lines[at] and not lines[at].lstrip().startswith("#"):
            # A value may go on over many lines, which may look like keys of their own.
            ends = range(at + 1, min(end, at + _LONGEST_VALUE) + 1)
            after = next(after for after in ends if _parses("".join(lines[at:after])))
            if re.match(rf"\s*{re.escape(key)}\s*=", lines[at]):
                return at, after
        at = after
    return None


def _parses(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _comment(lines: Sequence[str]) -> str:
    """The comment after a value of one line, with what is before it."""
    if len(lines) != 1:
        return ""
    line = lines[0].rstrip("\r\n")
    whole = tomllib.loads(line)
    for found in re.finditer("#", line):
        before = line[: found.start()]
        if _parses(before) and tomllib.loads(before) == whole:
            return line[len(before.rstrip()) :]
    return ""


def _last(lines: Sequence[str], begin: int, end: int) -> int:
    """After the last line of a table that is neither empty nor a comment: those belong to what follows."""
    at = end
    while at > begin + 1 and (not lines[at - 1].strip() or lines[at - 1].lstrip().startswith("#")):
        at -= 1
    return at


def _ended(lines: Sequence[str]) -> list[str]:
    """The lines, the last of them with its line break."""
    if lines and not lines[-1].endswith("\n"):
        return [*lines[:-1], lines[-1] + "\n"]
    return list(lines)
