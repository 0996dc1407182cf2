"""Changes of one member of a mapping in a YAML file; comments and order stay, margins become two blanks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any, Final

from whatsapp_mcp.cli.hosts import Format

_UNBROKEN: Final = 1_000_000
"""Characters of a line."""


def read(text: str) -> dict[str, Any]:
    """Parse a YAML file; an empty file gives an empty mapping.

    Raises:
        ValueError: It is not a mapping in one document of YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML()
    yaml.preserve_quotes = True
    try:
        document = yaml.load(text)
    except YAMLError as error:
        raise ValueError("it is not YAML") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ValueError("it is not a mapping")
    return document


def with_entry(text: str, container: str, name: str, value: Mapping[str, Any]) -> str:
    """The text with a first member of the mapping `container`, which is made at the end if need be.

    Raises:
        ValueError: The text cannot be changed in this way.
    """
    from ruamel.yaml.comments import CommentedMap

    from whatsapp_mcp.settings import with_comments_kept

    document: Any = read(text) or CommentedMap()
    newline = _newline(text)
    before = _text(document, newline)
    if not document.get(container):
        document[container] = CommentedMap()
    if name in document[container]:
        document[container][name] = _entry(value)
        return with_comments_kept(before, _text(document, newline))
    document[container].insert(0, name, _entry(value))
    return _text(document, newline)


def without_entry(text: str, container: str, name: str, *, keeps_container: bool) -> str:
    """The text without a member of `container`, and without that if it is then empty and not to be kept.

    Raises:
        ValueError: The text cannot be changed in this way, or there is no such member.
    """
    from whatsapp_mcp.settings import with_comments_kept

    document: Any = read(text)
    newline = _newline(text)
    before = _text(document, newline)
    if name not in document.get(container, {}):
        raise ValueError("it is not there")
    if len(document[container]) > 1:
        del document[container][name]
    elif keeps_container:
        document[container] = {}
        document.ca.items.pop(container, None)
    else:
        del document[container]
    return with_comments_kept(before, _text(document, newline) if document else "")


def written(whole: Mapping[str, Any]) -> str:
    """Containers of entries by name; their values are in flow style, and every text is in quotes."""
    return _written(whole, lambda entries: {name: _entry(value) for name, value in entries.items()})


def written_as_lists(whole: Mapping[str, Any]) -> str:
    """Containers of entries without names."""
    return _written(whole, lambda entries: [_entry(value) for value in entries.values()])


def _written(whole: Mapping[str, Any], listed: Callable[[Mapping[str, Any]], object]) -> str:
    text = _text({container: listed(entries) for container, entries in whole.items()}, "\n")
    return text.rstrip("\n")


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _text(document: Any, newline: str) -> str:
    from ruamel.yaml import YAML

    yaml: Any = YAML()
    yaml.width = _UNBROKEN
    yaml.line_break = newline
    stream = StringIO(newline="")
    yaml.dump(document, stream)
    return stream.getvalue()


def _entry(value: Mapping[str, Any]) -> Any:
    from ruamel.yaml.comments import CommentedMap

    return CommentedMap((key, _node(member)) for key, member in value.items())


def _node(value: Any) -> Any:
    """A value in flow style, which readers of older YAML take for the same one."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, str):
        return DoubleQuotedScalarString(value)
    if isinstance(value, Mapping):
        node = CommentedMap((_node(key), _node(member)) for key, member in value.items())
    elif isinstance(value, list):
        node = CommentedSeq(_node(member) for member in value)
    else:
        return value
    node.fa.set_flow_style()
    return node


YAML: Final = Format("YAML", read, with_entry, without_entry, written)
YAML_LIST: Final = YAML._replace(written=written_as_lists)
"""In which the container is a list."""
