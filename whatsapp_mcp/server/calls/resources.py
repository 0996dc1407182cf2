"""Registers a resource, which is one typed function, as an MCP resource template.

```python
@resource("whatsapp://media/{ref}", "download_media", Effect.READ, Audience.NOBODY)
async def media(call: Call, ref: str) -> Sequence[Content]:
    \"\"\"One sentence that the application shows.\"\"\"
```

A resource stands beside a tool that gives the same: the policy, the scopes of a token and `tools_off` hold
for it as for that tool, and the audit names that tool. So no application reads by a URI what it may not read
by a call.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Final, NamedTuple, cast

from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.shared.uri_template import UriTemplate
from mcp.types import InputRequiredResult
from mcp.types import ResourceTemplate as TemplateListing

from whatsapp_mcp.errors import InvalidArgument, MessageNotFound, WhatsAppError
from whatsapp_mcp.models.caller import Caller
from whatsapp_mcp.policy import Act, Audience, Effect, is_in_scope
from whatsapp_mcp.server.calls.beginning import begun, contained
from whatsapp_mcp.server.calls.call import ServicesSource
from whatsapp_mcp.server.calls.elicitation import asking
from whatsapp_mcp.server.calls.mcp_requests import requester_of
from whatsapp_mcp.server.calls.results import error_text
from whatsapp_mcp.server.fencing import Text, new_code

_SPEC: Final = "_resource_spec"


class Content(NamedTuple):
    """One part of what a resource holds; a `Text` comes fenced."""

    data: bytes | Text
    mime_type: str


ResourceFunction = Callable[..., Awaitable[Sequence[Content]]]


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """The declaration of a resource.

    Attributes:
        template: Its URI, with parameters (RFC 6570).
        tool: The tool whose policy holds for it.
        effect: What reading it does.
        audience: Who sees that.
        toolset: With which it is offered.
        in_chat: A caller that is bound to one chat may read it, as far as it is of that chat.
    """

    name: str
    template: str
    description: str
    tool: str
    effect: Effect
    audience: Audience
    toolset: str
    in_chat: bool
    function: ResourceFunction


def resource(
    template: str,
    tool: str,
    effect: Effect,
    audience: Audience,
    *,
    toolset: str = "core",
    in_chat: bool = False,
) -> Callable[[ResourceFunction], ResourceFunction]:
    """Mark a function as a resource; its parameters after the call are those of the template."""

    def mark(function: ResourceFunction) -> ResourceFunction:
        description = " ".join((inspect.getdoc(function) or "").split())
        spec = ResourceSpec(
            function.__name__, template, description, tool, effect, audience, toolset, in_chat, function
        )
        setattr(function, _SPEC, spec)
        return function

    return mark


def resource_spec_of(function: ResourceFunction) -> ResourceSpec:
    """The declaration that `resource` stored on this function."""
    return cast("ResourceSpec", getattr(function, _SPEC))


class Resources:
    """The resources of an application.

    Args:
        make: Gives functions that are marked by `resource`; asked at first use, since the handshake must not
            wait for what they import.
        source: Where each takes its services from when it is read.
        new_code: Makes the number of each answer's fence.
    """

    def __init__(
        self,
        make: Callable[[], Iterable[ResourceFunction]],
        source: ServicesSource,
        new_code: Callable[[], str] = new_code,
    ) -> None:
        self._make = make
        self._source = source
        self._new_code = new_code

    @cached_property
    def _specs(self) -> list[tuple[UriTemplate, ResourceSpec]]:
        specs = map(resource_spec_of, self._make())
        return [(UriTemplate.parse(spec.template), spec) for spec in specs]

    def templates(self) -> list[TemplateListing]:
        """As they are listed."""
        return [
            TemplateListing(
                name=spec.name,
                title=spec.name.replace("_", " ").capitalize(),
                uri_template=spec.template,
                description=spec.description,
            )
            for _, spec in self._specs
        ]

    def is_in_scope(self, scopes: frozenset[str], template: str) -> bool:
        """Whether these scopes allow the resource of this template; true where there is none."""
        return all(
            is_in_scope(scopes, spec.tool, spec.effect)
            for _, spec in self._specs
            if spec.template == template
        )

    async def read(
        self, uri: str, context: Context[Any, Any]
    ) -> list[ReadResourceContents] | InputRequiredResult | None:
        """What a URI stands for; None where it belongs to no resource of ours.

        Raises:
            ResourceNotFoundError: There is nothing of that kind.
            ResourceError: Any other error, in our form.
        """
        for template, spec in self._specs:
            values = template.match(uri)
            if values is not None:
                return await self._answer(spec, values, context)
        return None

    async def _answer(
        self, spec: ResourceSpec, values: dict[str, Any], context: Context[Any, Any]
    ) -> list[ReadResourceContents] | InputRequiredResult:
        try:
            found = await contained(spec.name, partial(self._called, spec, values, context))
        except (MessageNotFound, InvalidArgument) as error:
            raise ResourceNotFoundError(error_text(error)) from error
        except WhatsAppError as error:
            raise ResourceError(error_text(error)) from error
        if isinstance(found, InputRequiredResult):
            return found
        return [self._content(each) for each in found]

    async def _called(
        self, spec: ResourceSpec, values: dict[str, Any], context: Context[Any, Any]
    ) -> Sequence[Content] | InputRequiredResult:
        reads = Act(spec.tool, spec.effect, spec.audience, in_chat=spec.in_chat)
        call = begun(self._source, requester_of(context), reads)

        async def act(caller: Caller) -> Sequence[Content]:
            return await spec.function(replace(call, caller=caller), **values)

        return await asking(context, call, act)

    def _content(self, content: Content) -> ReadResourceContents:
        data = content.data if isinstance(content.data, bytes) else content.data.rendered(self._new_code())
        return ReadResourceContents(content=data, mime_type=content.mime_type)
