"""Changes to the sections of `config.toml` that leave everything else as a person wrote it, comments too.

What comes out is read again and must hold exactly what was to be changed.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Any

from whatsapp_mcp.errors import InvalidArgument

Section = tuple[str, ...]
"""Path of a section: `("accounts", "work")`; empty for the whole file."""


def with_section_copied(text: str, section: Section, to: Section) -> str:
    """The text with a section, and all below it, at its end a second time as another one."""
    whole = _parsed(text)
    copied = section_as(text, section, to)
    _put(whole, to, copy.deepcopy(_found(whole, section)))
    return _checked(lambda: _joined(text, copied), whole)


def without_section(text: str, section: Section) -> str:
    """The text without a section and all below it. Comments below it stay, for they belong to what follows.

    Raises:
        InvalidArgument: The file cannot be changed in this way; it has to be edited by hand.
    """
    import tomlkit

    def edit() -> str:
        document = tomlkit.parse(text)
        del _found(document, section[:-1])[section[-1]]
        return with_comments_kept(text, tomlkit.dumps(document))

    wanted = _parsed(text)
    above = _found(wanted, section[:-1])
    del above[section[-1]]
    return _checked(edit, wanted)


def section_as(text: str, section: Section, to: Section) -> str:
    """A section with all below it, as a text of its own in which it stands elsewhere.

    Raises:
        InvalidArgument: The file cannot be changed in this way; it has to be edited by hand.
    """
    import tomlkit

    def edit() -> str:
        made = tomlkit.document()
        _put(made, to, _found(tomlkit.parse(text), section))
        return tomlkit.dumps(made)

    wanted: dict[str, Any] = {}
    _put(wanted, to, _found(_parsed(text), section))
    return _checked(edit, wanted)


def with_comments_kept(before: str, after: str) -> str:
    """The text after a change, with the comments and empty lines that ended what was deleted or replaced."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    kept: list[str] = []
    # Of more than 200 lines, autojunk ignores those that occur often, as empty ones do.
    for tag, begin, end, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        kept += new[first:last]
        if tag in {"delete", "replace"}:
            tail = end
            while tail > begin and old[tail - 1].lstrip()[:1] in {"", "#"}:
                tail -= 1
            kept += old[tail:end]
    return "".join(kept)


def _joined(text: str, more: str) -> str:
    return f"{text.rstrip()}\n\n{more}".lstrip()


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise _by_hand() from None


def _found(values: Any, section: Section) -> Any:
    for part in section:
        values = values[part]
    return values


def _put(values: Any, section: Section, value: Any) -> None:
    if not section:
        values.update(value)
        return
    for part in section[:-1]:
        values = values.setdefault(part, {})
    values[section[-1]] = value


def _checked(edit: Callable[[], str], wanted: dict[str, Any]) -> str:
    from tomlkit.exceptions import TOMLKitError

    try:
        text = edit()
        if _without_empty(tomllib.loads(text)) == _without_empty(wanted):
            return text
    except (TOMLKitError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        # tomlkit fails in many ways on what it cannot edit; the person then edits the file.
        pass
    raise _by_hand()


def _without_empty(values: Any) -> Any:
    """Values without sections that hold nothing: they mean nothing."""
    if not isinstance(values, dict):
        return values
    return {key: held for key, value in values.items() if (held := _without_empty(value)) != {}}


def _by_hand() -> InvalidArgument:
    return InvalidArgument(
        "config.toml is written in a way in which it cannot be changed here.", "Edit the file by hand."
    )
