"""The arguments of a tool as a pydantic model, and its JSON schema.

They are strict (an unknown one is refused with the list of known ones), described by
`Annotated[..., Field(description=...)]` where their name does not say enough.

Some hosts cannot leave an argument out: for OpenAI's strict mode they make every one required and none
nullable. So each optional argument has a value with which it counts as not given: an empty string or list,
the word of `Neutral` where it is a choice, its default otherwise.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase
from pydantic import (
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.server.calls.specs import ToolSpec

_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Neutral:
    """Marks an optional choice or boolean: it is a choice from a list in which this word leaves it open.

    A word, since Gemini refuses an empty string in such a list.
    """

    word: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take the word for None."""
        return no_info_before_validator_function(
            lambda value: None if value == self.word else value, handler(source)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """A list of strings with the word in front."""
        (choice, _null) = handler(schema)["anyOf"]
        return {**choice, "type": "string", "enum": [self.word, *choice.get("enum", ("true", "false"))]}


class EmptyRemoves:
    """Marks an optional argument whose empty string means something."""


class StrictArguments(ArgModelBase):
    """Arguments of a tool: unknown ones are refused, numbers are taken where text is asked for.

    An optional one that is null or an empty string was not given.
    """

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_absent(cls, values: dict[str, Any]) -> dict[str, Any]:
        fields = cls.model_fields
        return {
            name: value
            for name, value in values.items()
            if name not in fields or not _is_absent(value, fields[name])
        }

    @field_validator("*")
    @classmethod
    def _check_size(cls, value: Any) -> Any:
        """Refuse a number that no database can hold."""
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise ValueError("is no number that is in use here")
        return value


def _is_absent(value: Any, field: FieldInfo) -> bool:
    if field.is_required():
        return False
    return value is None or (value == "" and EmptyRemoves not in field.metadata)


@cache
def arguments_model(spec: ToolSpec) -> type[StrictArguments]:
    """The model of what a tool takes, after its call; made once for all servers of a process."""
    parameters = list(inspect.signature(spec.function, eval_str=True).parameters.values())[1:]
    fields: dict[str, Any] = {
        parameter.name: (
            parameter.annotation,
            ... if parameter.default is inspect.Parameter.empty else parameter.default,
        )
        for parameter in parameters
    }
    return create_model(f"{spec.name}_arguments", __base__=StrictArguments, **fields)


def lean_schema(schema: Mapping[str, Any], *, nullable: bool = False) -> dict[str, Any]:
    """A JSON schema without what costs tokens and says nothing: titles, `anyOf … null`, empty defaults.

    Args:
        schema: As pydantic makes it.
        nullable: Whether null stays a value; it does in results, where arguments are rather left out.
    """
    lean: dict[str, Any] = {}
    for key, value in schema.items():
        if (key == "title" and isinstance(value, str)) or (key == "default" and value in (None, False, "")):
            continue
        if key == "anyOf":
            kept = [option for option in value if nullable or option != {"type": "null"}]
            options = [lean_schema(option, nullable=nullable) for option in kept]
            lean.update(options[0] if len(options) == 1 else {"anyOf": options})
        elif key in {"properties", "$defs"}:
            lean[key] = {name: lean_schema(inner, nullable=nullable) for name, inner in value.items()}
        elif isinstance(value, Mapping):
            lean[key] = lean_schema(cast("Mapping[str, Any]", value), nullable=nullable)
        else:
            lean[key] = value
    return lean


def explained(
    error: ValidationError, spec: ToolSpec, model: type[StrictArguments], further: Sequence[str] = ()
) -> InvalidArgument:
    """Pydantic's error in our form, with the names that are allowed.

    Args:
        error: Pydantic's.
        spec: Of the tool.
        model: Of what it takes.
        further: Names of arguments that were taken before.
    """
    problems: list[str] = []
    for detail in error.errors(include_url=False, include_context=False)[:3]:
        name = ".".join(str(part) for part in detail["loc"]) or "arguments"
        what = {"extra_forbidden": "is not an argument of this tool", "missing": "is missing"}.get(
            detail["type"], detail["msg"].removeprefix("Value error, ").rstrip(".").lower()
        )
        problems.append(f"{name!r} {what}")
    own = (f"{name} (needed)" if field.is_required() else name for name, field in model.model_fields.items())
    allowed = ", ".join([*further, *own])
    return InvalidArgument(
        f"{spec.name}: {'; '.join(problems)}.",
        f"Arguments: {allowed}." if allowed else "It takes no arguments.",
    )
