"""Changes of one table of a TOML file, which leave everything else in it as it is, comments too."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, Final

from whatsapp_mcp.cli.hosts import Format


def read(text: str) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        ValueError: It is not TOML.
    """
    return tomllib.loads(text)


def with_entry(text: str, container: str, name: str, value: Mapping[str, Any]) -> str:
    """The text with the table `container.name` as its last one.

    Raises:
        ValueError: The text cannot be changed in this way.
    """
    if name in read(text).get(container, {}):
        text = without_entry(text, container, name, keeps_container=True)
    newline = "\r\n" if "\r\n" in text else "\n"
    if text and not text.endswith("\n"):
        text += newline
    block = written({container: {name: value}}).replace("\n", newline)
    return f"{text}{newline if text else ''}{block}{newline}"


def without_entry(text: str, container: str, name: str, *, keeps_container: bool) -> str:
    """The text without the table `container.name` and the tables in it.

    A header of the container itself stays, for it is never made here.

    Raises:
        ValueError: The text cannot be changed in this way, or there is no such table.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from whatsapp_mcp.settings import with_comments_kept

    try:
        document: Any = tomlkit.parse(text)
        del document[container][name]
        return with_comments_kept(text, tomlkit.dumps(document))
    except (TOMLKitError, LookupError, TypeError, AttributeError) as error:
        raise ValueError("it is written in a way that is not understood") from error


def written(whole: Mapping[str, Any]) -> str:
    """Containers whose tables have values in one line each."""
    import tomlkit

    tables = {
        container: {name: _table(value) for name, value in entries.items()}
        for container, entries in whole.items()
    }
    return tomlkit.dumps(tables).rstrip("\n")


def _table(value: Mapping[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.table()
    for key, member in value.items():
        if isinstance(member, Mapping):
            inline = tomlkit.inline_table()
            inline.update(member)
            table[key] = inline
        else:
            table[key] = member
    return table


TOML: Final = Format("TOML", read, with_entry, without_entry, written)
