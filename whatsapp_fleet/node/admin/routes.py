"""The routes of the admin API: each is one operation, for a principal that is an operator."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from whatsapp_fleet.node.admin.administration import Administration
from whatsapp_fleet.node.admin.openapi import document
from whatsapp_fleet.node.admin.operations import OPERATIONS, Operation
from whatsapp_fleet.node.admin.requests import parsed
from whatsapp_mcp.errors import Denied, WhatsAppError
from whatsapp_mcp.features.rest import problem
from whatsapp_mcp.server.calls import Principal, contained, principal_of
from whatsapp_mcp.server.transports import ADMIN, API_HEADERS

VERSION: Final = f"{ADMIN}v1"
SCOPE: Final = "admin"
"""The scope of operators; beside it they are limited to no accounts."""

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
            asked = await parsed(operation.asked, request)
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


def _refused(request: Request) -> Response | None:
    """The refusal of whoever is no operator: the same whatever is asked, so nothing is learned by it."""
    if is_operator(principal_of(request)):
        return None
    return problem(Denied("This token is for no operator.", "Ask an operator of this server."))


@cache
def _document() -> dict[str, object]:
    return document(VERSION)
