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

import base64
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Annotated, Any, Final, NamedTuple, cast

from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.shared.uri_template import UriTemplate
from mcp.types import InputRequiredResult
from mcp.types import Resource as Listing
from mcp.types import ResourceTemplate as TemplateListing
from pydantic import PlainSerializer, PlainValidator

from whatsapp_mcp.errors import ChatNotFound, ContactNotFound, InvalidArgument, MessageNotFound, WhatsAppError
from whatsapp_mcp.models.approvals import Caller
from whatsapp_mcp.policy import Act, Audience, Effect, is_in_scope, is_offered
from whatsapp_mcp.server.calls.accounts import Accounts, account_in, uri_in
from whatsapp_mcp.server.calls.beginning import begun, contained
from whatsapp_mcp.server.calls.call import Call, Requester, ServicesSource, VisibleScope
from whatsapp_mcp.server.calls.elicitation import asking
from whatsapp_mcp.server.calls.requesters import requester_of
from whatsapp_mcp.server.calls.results import error_text
from whatsapp_mcp.server.fencing import Text, cut, new_code

_SPEC: Final = "_resource_spec"


def _content_to_json(data: bytes | Text | str) -> Any:
    if isinstance(data, bytes):
        return {"base64": base64.b64encode(data).decode()}
    return asdict(data) if isinstance(data, Text) else data


def _content_from_json(data: Any) -> bytes | Text | str:
    match data:
        case {"base64": str(text)}:
            return base64.b64decode(text)
        case {"head": str(head), "lines": lines, "notes": notes}:
            return Text(head, lines, notes)
        case _:
            return str(data)


class Content(NamedTuple):
    """One part of what a resource holds; a `Text` comes fenced, a `str` holds no words of others."""

    data: Annotated[bytes | Text | str, PlainSerializer(_content_to_json), PlainValidator(_content_from_json)]
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
        """The name in words, for people."""
        return self.name.replace("_", " ").capitalize()

    @property
    def act(self) -> Act:
        """The act of reading the resource, under the name of its tool."""
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


class ResourceAddress(NamedTuple):
    """A resource of an account, or a template of its resources.

    Attributes:
        source: The account.
        values: The parameters of the template.
        is_one_of_several: Whether the URI names the account.
    """

    source: ServicesSource
    spec: ResourceSpec
    values: dict[str, Any]
    is_one_of_several: bool


class _Located(NamedTuple):
    """A URI without the name of its account, and the account."""

    source: ServicesSource
    uri: str
    is_one_of_several: bool


class Resources:
    """The resources of an application, in each of its accounts.

    Args:
        make: Gives functions that are marked by `resource`; asked at first use, since the handshake must not
            wait for what they import.
        accounts: In which each can be read.
        new_code: Makes the number of each answer's fence.
    """

    def __init__(
        self,
        make: Callable[[], Iterable[ResourceFunction]],
        accounts: Accounts,
        new_code: Callable[[], str] = new_code,
    ) -> None:
        self._make = make
        self._accounts = accounts
        self._new_code = new_code

    @cached_property
    def _specs(self) -> list[tuple[UriTemplate, ResourceSpec]]:
        specs = map(resource_spec_of, self._make())
        return [(UriTemplate.parse(spec.template), spec) for spec in specs]

    def _offered(self, source: ServicesSource) -> list[tuple[UriTemplate, ResourceSpec]]:
        """Return the listed resources whose tools the policy does not forbid altogether."""
        policy = source.policy
        return [each for each in self._specs if each[1].is_listed and is_offered(policy, each[1].act)]

    def offered(self, source: ServicesSource) -> frozenset[str]:
        """The URIs and templates of those that are listed for an account."""
        return frozenset(spec.template for _, spec in self._offered(source))

    def _shown(self, sight: VisibleScope) -> list[tuple[str, bool, ResourceSpec]]:
        """The URIs of those that are listed for a requester, and whether each has parameters."""
        seen = self._accounts.seen_by(sight.accounts)
        return [
            (uri_in(name if len(seen) > 1 else None, spec.template), bool(template.variables), spec)
            for name, source in seen.items()
            for template, spec in self._offered(source)
            if sight.scopes is None or is_in_scope(sight.scopes, spec.tool, spec.effect)
        ]

    def templates(self, sight: VisibleScope) -> list[TemplateListing]:
        """Return the resources with parameters that are listed for a requester."""
        return [
            TemplateListing(name=spec.name, title=spec.title, uri_template=uri, description=spec.description)
            for uri, has_parameters, spec in self._shown(sight)
            if has_parameters
        ]

    def listed(self, sight: VisibleScope) -> list[Listing]:
        """Return the resources without parameters that are listed for a requester."""
        return [
            Listing(name=spec.name, title=spec.title, uri=uri, description=spec.description)
            for uri, has_parameters, spec in self._shown(sight)
            if not has_parameters
        ]

    def find(self, uri: str, accounts: frozenset[str] | None) -> ResourceAddress | None:
        """Find the resource that a URI or a template names; None if it is not one of this server.

        Args:
            uri: It names the account where the requester sees several.
            accounts: Those that the requester sees; None for every one.
        """
        location = self._account_of(uri, accounts)
        if location is not None:
            for template, spec in self._specs:
                if (values := template.match(location.uri)) is not None:
                    return ResourceAddress(location.source, spec, values, location.is_one_of_several)
        return None

    def _account_of(self, uri: str, accounts: frozenset[str] | None) -> _Located | None:
        """The account of a URI, and the URI as it is where there is one account."""
        seen = self._accounts.seen_by(accounts)
        several = len(seen) > 1
        name, plain = account_in(uri) if several else (next(iter(seen), ""), uri)
        return _Located(seen[name], plain, several) if name in seen else None

    def begin(self, place: ResourceAddress, requester: Requester) -> Call:
        """The call that reads it, or tells of it.

        Raises:
            Denied: Scopes or policy do not allow it.
        """
        several = place.is_one_of_several
        return begun(place.source, requester, place.spec.act, is_one_of_several=several)

    async def complete(self, template: str, typed: str, requester: Requester) -> Sequence[str]:
        """Values for the parameter of a template; none for what is not ours or has no parameter.

        Args:
            template: As it is listed.
            typed: What was typed of the value.
            requester: Who asks.

        Raises:
            WhatsAppError: They cannot be told to whom asks.
        """
        location = self._account_of(template, requester.accounts)
        for _, spec in self._specs if location else ():
            if location and spec.template == location.uri and spec.complete is not None:
                call = self.begin(
                    ResourceAddress(location.source, spec, {}, location.is_one_of_several), requester
                )
                return await contained(spec.name, partial(call.perform, spec.complete, typed=typed))
        return ()

    async def read(
        self, uri: str, context: Context[Any, Any]
    ) -> list[ReadResourceContents] | InputRequiredResult | None:
        """Read the resource that a URI names; None if it is not one of this server.

        Raises:
            ResourceNotFoundError: There is nothing of that kind.
            ResourceError: Any other error, in our form.
        """
        requester = requester_of(context)
        address = self.find(uri, requester.accounts)
        return None if address is None else await self._answer(address, requester, context)

    async def _answer(
        self, place: ResourceAddress, requester: Requester, context: Context[Any, Any]
    ) -> list[ReadResourceContents] | InputRequiredResult:
        try:
            called = partial(self._called, place, requester, context)
            contents = await contained(place.spec.name, called, place.source.meter)
        except (MessageNotFound, ChatNotFound, ContactNotFound, InvalidArgument) as error:
            raise ResourceNotFoundError(error_text(error)) from error
        except WhatsAppError as error:
            raise ResourceError(error_text(error)) from error
        if isinstance(contents, InputRequiredResult):
            return contents
        return [self._content(each) for each in contents]

    async def _called(
        self, place: ResourceAddress, requester: Requester, context: Context[Any, Any]
    ) -> Sequence[Content] | InputRequiredResult:
        call = self.begin(place, requester)

        async def act(caller: Caller) -> Sequence[Content]:
            return await replace(call, caller=caller).perform(place.spec.function, **place.values)

        return await asking(context, call, act)

    def _content(self, content: Content) -> ReadResourceContents:
        data = content.data
        if isinstance(data, str):
            data = cut(data)
        elif isinstance(data, Text):
            data = data.rendered(self._new_code())
        return ReadResourceContents(content=data, mime_type=content.mime_type)
