"""The declaration of a tool, which is one typed function.

```python
@tool("groups", Effect.READ, Audience.NOBODY)
async def get_group(call: Call, chat: ChatArg) -> Result:
    \"\"\"One or two sentences that the model reads.\"\"\"
```

The first parameter is the call, the others are the arguments: a pydantic model, and its JSON schema. They are
strict (an unknown one is refused with the list of known ones), described by
`Annotated[..., Field(description=...)]` where their name does not say enough.

Some hosts cannot leave an argument out: for OpenAI's strict mode they make every one required and none
nullable. So each optional argument has a value with which it counts as not given: an empty string or list,
the word of `Neutral` where it is a choice, its default otherwise.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase
from mcp.types import ToolAnnotations
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
from whatsapp_mcp.policy import Act, Audience, Effect
from whatsapp_mcp.server.calls.results import Result

if TYPE_CHECKING:
    from whatsapp_mcp.server.calls.accounts import Answers
    from whatsapp_mcp.server.calls.call import Call

ToolFunction = Callable[..., Awaitable[Result]]
Across = Callable[["Mapping[str, Call]", "Mapping[str, Any]", "Mapping[str, str]"], "Awaitable[Answers]"]
"""Function with which a tool that reads answers for several accounts. It takes their calls, the arguments
without a cursor, and the cursors by account where one was given."""
_SPEC: Final = "_tool_spec"
_LARGEST: Final = 2**63 - 1
"""SQLite stores integers in 64 bits with a sign (https://sqlite.org/datatype3.html)."""


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
        in_chat: A caller that is bound to one chat may use it; else it is not offered to one.
        across: How it answers for several accounts; None: for each by itself.
        across_runs: What `across` has run in each of them, beside the tool.
        in_one: It asks WhatsApp about people, who need not hear from several accounts: one has to be named.
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
    in_chat: bool = False
    across: Across | None = None
    across_runs: tuple[Callable[..., Awaitable[Any]], ...] = ()
    in_one: bool = False

    @property
    def title(self) -> str:
        """The name in words, for people."""
        return self.name.replace("_", " ").capitalize()

    @property
    def reads(self) -> bool:
        """True if the tool changes nothing (`readOnlyHint`)."""
        return self.effect is Effect.READ

    @property
    def spans(self) -> bool:
        """True if the tool answers for every account where none is named."""
        return self.reads and not self.in_one

    @property
    def act(self) -> Act:
        """The act of the tool, before its arguments name the chats it reaches."""
        return Act(self.name, self.effect, self.audience, in_chat=self.in_chat)

    @property
    def acts(self) -> bool:
        """True if the policy may require a person's approval of the tool."""
        return self.effect not in {Effect.READ, Effect.LINK}

    def annotations(self, *, hint_acts: bool = False) -> ToolAnnotations:
        """The hints that differ from what the specification lets a host assume, and whether an act destroys.

        That one is always said, since hosts ask about it. Two of them mean nothing for what only reads.

        Args:
            hint_acts: Whether every tool that acts is called destructive, so that the host asks about it.
        """
        destructive = self.destructive or (hint_acts and self.acts)
        return ToolAnnotations(
            read_only_hint=self.reads or None,
            destructive_hint=None if self.reads else destructive,
            idempotent_hint=(self.idempotent and not self.reads) or None,
            open_world_hint=None if self.open_world else False,
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
    in_chat: bool = False,
    across: Across | None = None,
    across_runs: tuple[Callable[..., Awaitable[Any]], ...] = (),
    in_one: bool = False,
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
            in_chat=in_chat,
            across=across,
            across_runs=across_runs,
            in_one=in_one,
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


@cache
def arguments_model(spec: ToolSpec) -> type[StrictArguments]:
    """The model of what a tool takes, after its call; made once for all servers of a process."""
    # Annotations are texts, for modules postpone their evaluation (PEP 563).
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
