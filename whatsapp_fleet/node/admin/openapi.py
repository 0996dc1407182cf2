"""The OpenAPI 3.1 document of the admin API, from the declarations by which it works."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, Literal

from pydantic import TypeAdapter

import whatsapp_mcp
from whatsapp_fleet.node.admin.operations import OPERATIONS, Operation
from whatsapp_fleet.node.admin.requests import Nothing
from whatsapp_mcp.features.rest import STATUSES

_SCHEMAS: Final = "#/components/schemas/"
_JSON: Final = "application/json"
_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "action"],
            "properties": {
                "code": {"type": "string", "enum": sorted(STATUSES)},
                "message": {"type": "string"},
                "action": {"type": "string"},
                "retry_after": {"type": "number"},
            },
        }
    },
}
_ABOUT: Final = (
    "Accounts, nodes and principals of a fleet, for its operators. The token belongs to a principal with the "
    "scope admin that is limited to no accounts; any other is refused with 403, whatever it asks."
)
_Key = tuple[type[Any], Literal["validation", "serialization"]]


def document(base: str) -> dict[str, Any]:
    """The document.

    Args:
        base: The path before that of each operation.
    """
    wanted: list[tuple[str, Literal["validation", "serialization"], TypeAdapter[Any]]] = []
    for each in OPERATIONS:
        wanted.append((each.asked.__name__, "validation", TypeAdapter(each.asked)))
        wanted.append((each.answer.__name__, "serialization", TypeAdapter(each.answer)))
    shapes, defined = TypeAdapter.json_schemas(wanted, ref_template=f"{_SCHEMAS}{{model}}")
    paths: dict[str, dict[str, Any]] = {}
    for each in OPERATIONS:
        asked = shapes[each.asked.__name__, "validation"]
        answer = shapes[each.answer.__name__, "serialization"]
        schema = defined["$defs"].get(each.asked.__name__, asked)
        said = _operation(each, asked, answer, schema.get("properties", {}))
        paths.setdefault(f"{base}{each.path}", {})[each.method.lower()] = said
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "whatsapp-mcp admin",
            "version": whatsapp_mcp.__version__,
            "description": _ABOUT,
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**defined.get("$defs", {}), "Error": _ERROR},
        },
    }


def _operation(operation: Operation, asked: Any, answer: Any, properties: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": _path_parameters(operation),
        "responses": {
            "200": {"description": "Done.", "content": {_JSON: {"schema": answer}}},
            **{
                str(status): {
                    "description": HTTPStatus(status).phrase,
                    "content": {_JSON: {"schema": {"$ref": f"{_SCHEMAS}Error"}}},
                }
                for status in (400, 401, 403, 429, 503)
            },
        },
    }
    if operation.asked is not Nothing and operation.method in ("POST", "PUT"):
        said["requestBody"] = {"required": True, "content": {_JSON: {"schema": asked}}}
    elif operation.asked is not Nothing:
        said["parameters"] += [
            {"name": name, "in": "query", "schema": schema} for name, schema in properties.items()
        ]
    return said


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": part.strip("{}"), "in": "path", "required": True, "schema": {"type": "string"}}
        for part in operation.path.split("/")
        if part.startswith("{")
    ]
