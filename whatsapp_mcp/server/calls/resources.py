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
from mcp.types import Resource as Listing
from mcp.types import ResourceTemplate as TemplateListing

from whatsapp_mcp.errors import ChatNotFound, ContactNotFound, InvalidArgument, MessageNotFound, WhatsAppError
from whatsapp_mcp.models.caller import Caller
from whatsapp_mcp.policy import Act, Audience, Effect, is_in_scope, is_offered
from whatsapp_mcp.server.calls.beginning import begun, contained
from whatsapp_mcp.server.calls.call import Call, Requester, ServicesSource
from whatsapp_mcp.server.calls.elicitation import asking
from whatsapp_mcp.server.calls.mcp_requests import requester_of
from whatsapp_mcp.server.calls.results import error_text
from whatsapp_mcp.server.fencing import Text, cut, new_code

_SPEC: Final = "_resource_spec"


class Content(NamedTuple):
    """One part of what a resource holds; a `Text` comes fenced, a `str` holds no words of others."""

    data: bytes | Text | str
    mime_type: str


ResourceFunction = Callable[..., Awaitable[Sequence[Content]]]
Completer = Callable[[Call, str], Awaitable[Sequence[str]]]
"""Gives values for the parameter of a template, those first that fit best what was typed of one."""


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
        is_listed: Whether applications are told of it; what is for a card of this server alone is not.
        complete: Completes its parameter; None for one without parameters.
        changes: Clients can be told of its changes.
    """

    name: str
    template: str
    description: str
    tool: str
    effect: Effect
    audience: Audience
    toolset: str
    in_chat: bool
    is_listed: bool
    function: ResourceFunction
    complete: Completer | None = None
    changes: bool = False

    @property
    def title(self) -> str:
        """What a person is shown: the name in words."""
        return self.name.replace("_", " ").capitalize()

    @property
    def act(self) -> Act:
        """What reading it does, under the name of its tool."""
        return Act(self.tool, self.effect, self.audience, in_chat=self.in_chat)


def resource(
    template: str,
    tool: str,
    effect: Effect,
    audience: Audience,
    *,
    toolset: str = "core",
    in_chat: bool = False,
    is_listed: bool = True,
    complete: Completer | None = None,
    changes: bool = False,
) -> Callable[[ResourceFunction], ResourceFunction]:
    """Mark a function as a resource; its parameters after the call are those of the template."""

    def mark(function: ResourceFunction) -> ResourceFunction:
        description = " ".join((inspect.getdoc(function) or "").split())
        spec = ResourceSpec(
            name=function.__name__,
            template=template,
            description=description,
            tool=tool,
            effect=effect,
            audience=audience,
            toolset=toolset,
            in_chat=in_chat,
            is_listed=is_listed,
            function=function,
            complete=complete,
            changes=changes,
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

    def _offered(self) -> list[tuple[UriTemplate, ResourceSpec]]:
        """Those that are listed, as far as the policy does not forbid their tools altogether."""
        policy = self._source.policy
        return [each for each in self._specs if each[1].is_listed and is_offered(policy, each[1].act)]

    def offered(self) -> frozenset[str]:
        """The URIs and templates of those that are listed."""
        return frozenset(spec.template for _, spec in self._offered())

    def templates(self) -> list[TemplateListing]:
        """Those with parameters, as they are listed."""
        return [
            TemplateListing(
                name=spec.name, title=spec.title, uri_template=spec.template, description=spec.description
            )
            for template, spec in self._offered()
            if template.variables
        ]

    def listed(self) -> list[Listing]:
        """Those without parameters, as they are listed."""
        return [
            Listing(name=spec.name, title=spec.title, uri=spec.template, description=spec.description)
            for template, spec in self._offered()
            if not template.variables
        ]

    def is_in_scope(self, scopes: frozenset[str], template: str) -> bool:
        """Whether these scopes allow the resource of this template; true where there is none."""
        return all(
            is_in_scope(scopes, spec.tool, spec.effect)
            for _, spec in self._specs
            if spec.template == template
        )

    def match(self, uri: str) -> tuple[ResourceSpec, dict[str, Any]] | None:
        """The resource that a URI, or a template, belongs to, and its parameters; None if it is not ours."""
        for template, spec in self._specs:
            if (values := template.match(uri)) is not None:
                return spec, values
        return None

    def begin(self, spec: ResourceSpec, requester: Requester) -> Call:
        """The call that reads it, or tells of it.

        Raises:
            Denied: Scopes or policy do not allow it.
        """
        return begun(self._source, requester, spec.act)

    async def complete(self, template: str, typed: str, requester: Requester) -> Sequence[str]:
        """Values for the parameter of a template; none for what is not ours or has no parameter.

        Args:
            template: As it is listed.
            typed: What was typed of the value.
            requester: Who asks.

        Raises:
            WhatsAppError: They cannot be told to whom asks.
        """
        for _, spec in self._specs:
            if spec.template == template and spec.complete is not None:
                call = self.begin(spec, requester)
                return await contained(spec.name, partial(spec.complete, call, typed))
        return ()

    async def read(
        self, uri: str, context: Context[Any, Any]
    ) -> list[ReadResourceContents] | InputRequiredResult | None:
        """What a URI stands for; None where it belongs to no resource of ours.

        Raises:
            ResourceNotFoundError: There is nothing of that kind.
            ResourceError: Any other error, in our form.
        """
        found = self.match(uri)
        return None if found is None else await self._answer(*found, context)

    async def _answer(
        self, spec: ResourceSpec, values: dict[str, Any], context: Context[Any, Any]
    ) -> list[ReadResourceContents] | InputRequiredResult:
        try:
            called = partial(self._called, spec, values, context)
            found = await contained(spec.name, called, self._source.meter)
        except (MessageNotFound, ChatNotFound, ContactNotFound, InvalidArgument) as error:
            raise ResourceNotFoundError(error_text(error)) from error
        except WhatsAppError as error:
            raise ResourceError(error_text(error)) from error
        if isinstance(found, InputRequiredResult):
            return found
        return [self._content(each) for each in found]

    async def _called(
        self, spec: ResourceSpec, values: dict[str, Any], context: Context[Any, Any]
    ) -> Sequence[Content] | InputRequiredResult:
        call = self.begin(spec, requester_of(context))

        async def act(caller: Caller) -> Sequence[Content]:
            return await spec.function(replace(call, caller=caller), **values)

        return await asking(context, call, act)

    def _content(self, content: Content) -> ReadResourceContents:
        data = content.data
        if isinstance(data, str):
            data = cut(data)
        elif isinstance(data, Text):
            data = data.rendered(self._new_code())
        return ReadResourceContents(content=data, mime_type=content.mime_type)
