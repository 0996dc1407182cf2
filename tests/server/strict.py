"""How a host calls tools that cannot leave an argument out, as under OpenAI's strict mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def neutral(schema: Mapping[str, Any]) -> Any:
    """The value by which an optional argument of this schema is left as it is."""
    match schema:
        case {"default": value}:
            return value
        case {"enum": [word, *_]}:
            return word
        case {"type": kind}:
            return {"string": "", "array": [], "boolean": False, "integer": 0, "number": 0.0}[kind]
        case _:
            raise AssertionError(schema)


def filled(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every argument of a tool with this input schema: those given, the others neutral."""
    properties: Mapping[str, Any] = schema["properties"]
    return {name: given[name] if name in given else neutral(properties[name]) for name in properties}
