"""The declaration of a tool, which is one typed function.

```python
@tool("groups", Effect.READ, Audience.NOBODY)
async def get_group(call: Call, chat: ChatArg) -> Result:
    \"\"\"One or two sentences that the model reads.\"\"\"
```

The first parameter is the call, the others are the arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from mcp.types import ToolAnnotations

from whatsapp_mcp.policy import Act, Audience, Effect
from whatsapp_mcp.server.calls.results import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whatsapp_mcp.server.calls.call import Call
    from whatsapp_mcp.server.calls.joining import Answers

ToolFunction = Callable[..., Awaitable[Result]]
Across = Callable[["Mapping[str, Call]", "Mapping[str, Any]", "Mapping[str, str]"], "Awaitable[Answers]"]
"""How a tool that reads answers for several accounts: their calls, the arguments without a cursor, and the
cursors by account, where one was given."""
_SPEC: Final = "_tool_spec"


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
        """What a person is shown: the name in words."""
        return self.name.replace("_", " ").capitalize()

    @property
    def reads(self) -> bool:
        """It changes nothing (`readOnlyHint`)."""
        return self.effect is Effect.READ

    @property
    def spans(self) -> bool:
        """It answers for every account where none is named."""
        return self.reads and not self.in_one

    @property
    def act(self) -> Act:
        """What it does, before its arguments say to whom."""
        return Act(self.name, self.effect, self.audience, in_chat=self.in_chat)

    @property
    def acts(self) -> bool:
        """Whether the policy may want a person asked about it."""
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
