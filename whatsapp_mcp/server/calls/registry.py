"""Registers a tool, which is one typed function, as an MCP tool.

```python
@tool("groups", Effect.READ, Audience.NOBODY)
async def get_group(call: Call, chat: ChatArg) -> Result:
    \"\"\"One or two sentences that the model reads.\"\"\"
```

The first parameter is the call, the others are the arguments: strict (an unknown one is refused with the
list of known ones), described by `Annotated[..., Field(description=...)]` where their name does not say
enough. The wrapper checks the policy, turns `WhatsAppError`s into tool errors and hides everything else.

Some hosts cannot leave an argument out: for OpenAI's strict mode they make every one required and none
nullable. So each optional argument has a value with which it counts as not given: an empty string or list,
the word of `Neutral` where it is a choice, its default otherwise.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, cast

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp.types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import (
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from whatsapp_mcp.errors import InvalidArgument, WhatsAppError
from whatsapp_mcp.models.caller import Caller
from whatsapp_mcp.policy import Act, Audience, Effect
from whatsapp_mcp.server.calls.beginning import begun, contained
from whatsapp_mcp.server.calls.call import Call, ServicesSource
from whatsapp_mcp.server.calls.elicitation import asking
from whatsapp_mcp.server.calls.results import Result, error_result
from whatsapp_mcp.server.fencing import new_code

ToolFunction = Callable[..., Awaitable[Result]]
_SPEC: Final = "_tool_spec"
_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """The declaration of a tool.

    Attributes:
        effect: What it does.
        audience: Who sees it.
        destructive: It overwrites, removes or takes something away (`destructiveHint`).
        idempotent: Doing it twice is doing it once (`idempotentHint`).
        open_world: It talks to WhatsApp rather than to what is stored here (`openWorldHint`).
        result: Shape of the structured content: the output schema, where results are structured.
        card: URI of the MCP App that hosts may draw beside its result; empty for none.
    """

    name: str
    toolset: str
    description: str
    function: ToolFunction
    effect: Effect
    audience: Audience
    destructive: bool
    idempotent: bool
    open_world: bool
    result: type | None
    card: str = ""

    @property
    def title(self) -> str:
        """What a person is shown: the name in words."""
        return self.name.replace("_", " ").capitalize()

    @property
    def reads(self) -> bool:
        """It changes nothing (`readOnlyHint`)."""
        return self.effect is Effect.READ

    @property
    def acts(self) -> bool:
        """Whether the policy may want a person asked about it."""
        return self.effect not in {Effect.READ, Effect.LINK}

    def annotations(self, *, hint_acts: bool = False) -> ToolAnnotations:
        """The hints, each said; two of them mean nothing for what only reads, says the specification.

        Args:
            hint_acts: Whether every tool that acts is called destructive, so that the host asks about it.
        """
        destructive = self.destructive or (hint_acts and self.acts)
        return ToolAnnotations(
            read_only_hint=self.reads,
            destructive_hint=None if self.reads else destructive,
            idempotent_hint=None if self.reads else self.idempotent,
            open_world_hint=self.open_world,
        )


def tool(
    toolset: str,
    effect: Effect,
    audience: Audience,
    *,
    destructive: bool = False,
    idempotent: bool = False,
    open_world: bool = True,
    name: str | None = None,
    result: type | None = None,
    card: str = "",
) -> Callable[[ToolFunction], ToolFunction]:
    """Mark a function as a tool of this toolset, and declare what it does and who sees it.

    `destructive` and `idempotent` are of acts.
    """

    def mark(function: ToolFunction) -> ToolFunction:
        spec = ToolSpec(
            name=name or function.__name__,
            toolset=toolset,
            description=" ".join((inspect.getdoc(function) or "").split()),
            function=function,
            effect=effect,
            audience=audience,
            destructive=destructive,
            idempotent=idempotent,
            open_world=open_world,
            result=result,
            card=card,
        )
        setattr(function, _SPEC, spec)
        return function

    return mark


def spec_of(function: ToolFunction) -> ToolSpec:
    """The declaration that `tool` stored on this function."""
    return cast("ToolSpec", getattr(function, _SPEC))


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


def _arguments_model(spec: ToolSpec) -> type[StrictArguments]:
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


def _explain(error: ValidationError, spec: ToolSpec, model: type[StrictArguments]) -> InvalidArgument:
    """The SDK's argument error in our form, with the names that are allowed."""
    problems: list[str] = []
    for detail in error.errors(include_url=False, include_context=False)[:3]:
        name = ".".join(str(part) for part in detail["loc"]) or "arguments"
        what = {"extra_forbidden": "is not an argument of this tool", "missing": "is missing"}.get(
            detail["type"], detail["msg"].removeprefix("Value error, ").rstrip(".").lower()
        )
        problems.append(f"{name!r} {what}")
    allowed = ", ".join(
        f"{name} (needed)" if field.is_required() else name for name, field in model.model_fields.items()
    )
    return InvalidArgument(
        f"{spec.name}: {'; '.join(problems)}.",
        f"Arguments: {allowed}." if allowed else "It takes no arguments.",
    )


class RegisteredTool(Tool):
    """An SDK tool whose every outcome is one of our results."""

    spec: Any
    source: Any
    structured: bool
    new_code: Any
    hint_acts: bool

    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False
    ) -> CallToolResult | InputRequiredResult:
        """Check the arguments and the policy, run the tool, and turn every outcome into a result."""
        spec: ToolSpec = self.spec
        try:
            result = await contained(spec.name, partial(self._called, arguments, context))
        except WhatsAppError as error:
            return error_result(error, structured=self.structured)
        if isinstance(result, InputRequiredResult):
            return result
        return result.to_mcp(self.new_code, structured=self.structured)

    async def _called(
        self, arguments: dict[str, Any], context: Context[Any, Any]
    ) -> Result | InputRequiredResult:
        spec: ToolSpec = self.spec
        values = self._validate(arguments)
        act = Act(spec.name, spec.effect, spec.audience)
        call = begun(self.source, context, act, hinted=self.hint_acts and spec.acts)
        return await asking(context, call, partial(self._act, call, values))

    async def _act(self, call: Call, values: Mapping[str, Any], caller: Caller) -> Result:
        return await self.spec.function(replace(call, caller=caller), **values)

    def _validate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        model = cast("type[StrictArguments]", self.fn_metadata.arg_model)
        try:
            return model.model_validate(arguments).model_dump_one_level()
        except ValidationError as error:
            raise _explain(error, self.spec, model) from None


def build(
    functions: Iterable[ToolFunction],
    source: ServicesSource,
    *,
    structured: bool = False,
    new_code: Callable[[], str] = new_code,
    hint_acts: bool = False,
) -> list[Tool]:
    """The SDK's tools of these functions.

    Args:
        functions: Marked by `tool`.
        source: Where each tool takes its services from when it is called.
        structured: Whether results, errors among them, carry structured content, and tools an output schema.
        new_code: Makes the number of each answer's fence.
        hint_acts: Whether every tool that acts is called destructive, for hosts that ask about those.
    """
    return [_build(spec_of(function), source, structured, new_code, hint_acts) for function in functions]


def _or_error(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a result, open to an error in its place: some clients check errors against it, too."""
    result, error = {"required": schema.get("required", [])}, {"required": ["error"]}
    properties = {**schema["properties"], "error": {"type": "object"}}
    kept = {key: value for key, value in schema.items() if key != "required"}
    return {**kept, "properties": properties, "anyOf": [result, error]}


def _build(
    spec: ToolSpec, source: ServicesSource, structured: bool, new_code: Callable[[], str], hint_acts: bool
) -> Tool:
    model = _arguments_model(spec)
    schema = None
    if structured and spec.result:
        schema = _or_error(lean_schema(TypeAdapter(spec.result).json_schema(), nullable=True))
    return RegisteredTool(
        fn=spec.function,
        name=spec.name,
        title=spec.title,
        description=spec.description,
        context_kwarg=None,
        parameters=lean_schema(model.model_json_schema(by_alias=True)),
        fn_metadata=FuncMetadata(arg_model=model, output_schema=schema),
        is_async=True,
        annotations=spec.annotations(hint_acts=hint_acts),
        spec=spec,
        source=source,
        structured=structured,
        new_code=new_code,
        hint_acts=hint_acts,
        meta={"ui": {"resourceUri": spec.card}} if spec.card else None,
    )
