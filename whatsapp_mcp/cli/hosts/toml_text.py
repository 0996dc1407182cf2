"""Changes one table of a TOML file, and leaves everything else in it as it is, comments too.

What comes out is read again and must hold exactly what was to be changed.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, time
from typing import Any


def read(text: str) -> dict[str, Any]:
    """What a file says.

    Raises:
        ValueError: It is not TOML.
    """
    return tomllib.loads(text)


def with_entry(text: str, container: str, name: str, value: Any) -> str:
    """The text with the table `container.name` as its last one.

    Raises:
        ValueError: The text cannot be changed in this way.
    """
    wanted = read(text)
    table = wanted.setdefault(container, {})
    if not isinstance(table, dict):
        raise ValueError("the container is not a table")
    if name in table:
        text = without_entry(text, container, name, keeps_container=True)
    table[name] = value
    newline = "\r\n" if "\r\n" in text else "\n"
    if text and not text.endswith("\n"):
        text += newline
    block = written(container, name, value).replace("\n", newline)
    return _checked(f"{text}{newline if text else ''}{block}", wanted)


def without_entry(text: str, container: str, name: str, *, keeps_container: bool) -> str:
    """The text without the table `container.name` and the tables in it.

    A header of the container itself stays, for it is never made here.

    Raises:
        ValueError: The text cannot be changed in this way, or there is no such table.
    """
    wanted = read(text)
    if name not in wanted.get(container, {}):
        raise ValueError("it is not there")
    lines = text.splitlines(keepends=True)
    heads = _headers(lines)
    ours: list[int] = []
    for at, following in zip(heads, [*heads[1:], len(lines)], strict=False):
        if _path(lines[at])[:2] == (container, name):
            ours += range(at, _end(lines, at, following))
    before = min(ours, default=0) - 1
    if before >= 0 and not lines[before].strip():
        ours.append(before)
    rest = "".join(line for at, line in enumerate(lines) if at not in set(ours))
    del wanted[container][name]
    if not wanted[container] and container not in tomllib.loads(rest):
        del wanted[container]
    return _checked(rest, wanted)


def written(container: str, name: str, value: Mapping[str, Any]) -> str:
    """A table of values in one line each."""
    lines = [f"{_key(key)} = {_value(member)}" for key, member in value.items()]
    return "\n".join([f"[{_key(container)}.{_key(name)}]", *lines, ""])


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {_value(member)}' for key, member in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, (date, time)):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else _value(key)


def _checked(text: str, wanted: Mapping[str, Any]) -> str:
    if tomllib.loads(text) != wanted:
        raise ValueError("it is written in a way that is not understood")
    return text


def _headers(lines: Sequence[str]) -> list[int]:
    """The lines that begin a table: what stands before such a line is whole."""
    found: list[int] = []
    for at, line in enumerate(lines):
        if line.lstrip().startswith("["):
            with suppress(tomllib.TOMLDecodeError):
                tomllib.loads("".join(lines[:at]))
                found.append(at)
    return found


def _path(header: str) -> tuple[str, ...]:
    """The names in the header of a table; of an array of tables none."""
    value: Any = tomllib.loads(header)
    names: list[str] = []
    while isinstance(value, dict) and value:
        ((name, value),) = value.items()
        names.append(name)
    return tuple(names) if isinstance(value, dict) else ()


def _end(lines: Sequence[str], begin: int, end: int) -> int:
    """After the last line of a table that is neither empty nor a comment: those belong to what follows."""
    while end > begin + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return end
