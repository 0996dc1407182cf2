"""Requests of the admin API: the shapes of bodies and queries, checked before anything is done."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.text.choices import Scope

M = TypeVar("M", bound=BaseModel)
_LONGEST_SETTINGS: Final = 64 * 1024
"""Characters."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(_Body):
    """No argument."""


class NewAccount(_Body):
    """An account to be made; `settings` is TOML with the sections of an account."""

    name: str
    settings: str = Field(default="", max_length=_LONGEST_SETTINGS)


class NewSettings(_Body):
    """The settings of an account: TOML that replaces what it has of its own."""

    settings: str = Field(max_length=_LONGEST_SETTINGS)


class Phone(_Body):
    """The way of linking: by QR codes, or by a pairing code for this number in E.164."""

    phone: str | None = None


class AwaitedRevision(_Body):
    """Which state of linking is awaited: one with a revision above `after`, for `wait` seconds at most."""

    after: int = -1
    wait: Annotated[float, Field(ge=0, le=15)] = 0.0


class Pause(_Body):
    """Until when an account is paused; without a moment until it is resumed."""

    until: AwareDatetime | None = None


class Quarantine(_Body):
    """Why an account is quarantined, for other operators."""

    reason: str = Field(min_length=1, max_length=500)


class Removal(_Body):
    """Options of a removal: with `keep_linked` it does not log out of WhatsApp first."""

    keep_linked: bool = False


class PrincipalChange(_Body):
    """Which accounts somebody may use (null: all, as operators), and how often they may call in a minute."""

    accounts: tuple[str, ...] | None
    calls_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class NewPrincipal(PrincipalChange):
    """Somebody who may use accounts: holder of a token, or `oauth:SUBJECT`, a user of the OAuth issuer."""

    name: str
    scopes: tuple[Scope, ...] = Field(default=("read",), min_length=1)


async def parsed(model: type[M], request: Request) -> M:
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
