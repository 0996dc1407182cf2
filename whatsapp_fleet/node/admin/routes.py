"""The routes of the admin API: each is one operation, for a principal that is an operator.

The OpenAPI 3.1 document of the API is made of the declarations by which it works.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache, partial
from http import HTTPStatus
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import whatsapp_mcp
from whatsapp_fleet.node.admin.administration import Administration
from whatsapp_fleet.node.admin.operations import OPERATIONS, Nothing, Operation
from whatsapp_mcp.errors import Denied, InvalidArgument, WhatsAppError
from whatsapp_mcp.features.rest import STATUSES, problem
from whatsapp_mcp.server.calls import Principal, contained, principal_of
from whatsapp_mcp.server.transports import ADMIN, API_HEADERS

M = TypeVar("M", bound=BaseModel)
VERSION: Final = f"{ADMIN}v1"
SCOPE: Final = "admin"
"""The scope of operators; beside it they are limited to no accounts."""
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

logger = logging.getLogger(__name__)


def admin_routes(administration: Administration) -> list[Route]:
    """The routes of the admin API, and of its document."""
    admin = _Admin(administration)
    return [
        Route(f"{VERSION}/openapi.json", admin.openapi, methods=["GET"]),
        *(
            Route(f"{VERSION}{each.path}", partial(admin.answer, each), methods=[each.method])
            for each in OPERATIONS
        ),
    ]


def is_operator(principal: Principal | None) -> bool:
    """Return whether a principal may use the admin API: it has the scope and sees all accounts."""
    if principal is None or principal.scopes is None:
        return False
    return SCOPE in principal.scopes and principal.accounts is None


@dataclass(frozen=True, slots=True)
class _Admin:
    administration: Administration

    async def openapi(self, request: Request) -> Response:
        """The document."""
        refusal = _refused(request)
        return refusal or JSONResponse(_document(), headers=API_HEADERS)

    async def answer(self, operation: Operation, request: Request) -> Response:
        """Do what a request asks."""
        if (refusal := _refused(request)) is not None:
            return refusal

        async def perform() -> Response:
            asked = await _parsed(operation.asked, request)
            answer = await operation.act(self.administration, request.path_params, asked)
            return JSONResponse(answer, headers=API_HEADERS)

        try:
            return await contained(operation.name, perform)
        except WhatsAppError as error:
            return problem(error)
        finally:
            if operation.method != "GET":
                who = principal_of(request)
                logger.info(
                    "admin: %s by %s: %s",
                    operation.name,
                    who.name if who else "nobody",
                    request.path_params.get("name", ""),
                )


async def _parsed(model: type[M], request: Request) -> M:
    """Parse a request from its body, or from its query if it has no body.

    Raises:
        InvalidArgument: It is not of this shape; the error names the place.
    """
    body = await request.body()
    try:
        if body:
            return model.model_validate_json(body)
        return model.model_validate_strings(dict(request.query_params))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise InvalidArgument(f"{where}: {first['msg']}.", "Look at /admin/v1/openapi.json.") from None


def _refused(request: Request) -> Response | None:
    """The refusal of whoever is no operator: the same whatever is asked, so nothing is learned by it."""
    if is_operator(principal_of(request)):
        return None
    return problem(Denied("This token is for no operator.", "Ask an operator of this server."))


@cache
def _document() -> dict[str, Any]:
    """The OpenAPI document, from the declarations by which the API works."""
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
        paths.setdefault(f"{VERSION}{each.path}", {})[each.method.lower()] = said
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
