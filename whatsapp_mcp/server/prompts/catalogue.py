"""The workflows as prompts of MCP, and the completion of their arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.prompts.base import PromptArgument

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.jid import number_of
from whatsapp_mcp.policy import Act, Audience, Effect
from whatsapp_mcp.server.calls import Call, begun, contained
from whatsapp_mcp.server.prompts.workflows import WORKFLOWS, Workflow

if TYPE_CHECKING:
    from whatsapp_mcp.models import Chat
    from whatsapp_mcp.server.calls import Accounts, Requester

_COMPLETED: Final = 50
_LISTS: Final = Act("list_chats", Effect.READ, Audience.NOBODY)
"""What completing a chat does, under the name of the tool that does the same."""


def prompts(offers: Callable[[str], bool]) -> list[Prompt]:
    """The prompts for the tools that are offered.

    Args:
        offers: Whether there is a tool of this name.
    """
    return [_prompt(one, offers) for one in WORKFLOWS]


def _prompt(workflow: Workflow, offers: Callable[[str], bool]) -> Prompt:
    def told(**given: Any) -> str:
        steps = workflow.text({name: str(value) for name, value in given.items()}, offers)
        return f"{workflow.description}\n\n{steps}"

    return Prompt(
        name=workflow.name,
        title=workflow.title,
        description=workflow.description,
        arguments=[
            PromptArgument(name=each.name, description=each.told, required=each.required)
            for each in workflow.arguments
        ],
        fn=told,
        context_kwarg=None,
    )


async def completed(
    accounts: Accounts, requester: Requester, prompt: str, argument: str, typed: str
) -> Sequence[str]:
    """Chats for an argument of a prompt that names one, as `list_chats` would list them to whom asks.

    What a person picks here speaks with their authority. So a stranger is completed by number, and a group
    whose name could hold a sentence by jid.

    Args:
        accounts: Where chats are listed: in those that the requester sees, one after the other.
        requester: Who asks.
        prompt: Its name.
        argument: The argument's.
        typed: What stands there already.

    Raises:
        WhatsAppError: No account can list them to whom asks.
    """
    workflow = next((one for one in WORKFLOWS if one.name == prompt), None)
    kinds = {each.name: each.completes for each in workflow.arguments} if workflow else {}
    if (wanted := kinds.get(argument)) is None:
        return ()
    found, errors = list[str](), list[WhatsAppError]()
    seen = accounts.seen_by(requester.accounts)
    # Where it is offered nowhere, the policy of the first says why.
    names = accounts.offering(_LISTS, requester.accounts) or [*seen][:1]
    for name in names:
        call = begun(seen[name], requester, _LISTS)
        ask = partial(call.perform, chat_names, typed=typed, only_groups=wanted == "group")
        try:
            found += await contained("completion", ask)
        except WhatsAppError as error:
            errors.append(error)
    if errors and len(errors) == len(names):
        raise errors[0]
    return list(dict.fromkeys(found))


async def chat_names(call: Call, typed: str, only_groups: bool) -> Sequence[str]:
    """Chats, as a person picks one, whose name or number is like what was typed."""
    from whatsapp_mcp.models import ChatKind

    archive = (await call.services()).archive
    kind = ChatKind.GROUP if only_groups else None
    page = await archive.chats(query=typed.strip() or None, kind=kind, limit=_COMPLETED)
    return [_named(chat) for chat in page.items if chat.kind in (ChatKind.DIRECT, ChatKind.GROUP)]


def _named(chat: Chat) -> str:
    from whatsapp_mcp.models import ChatKind
    from whatsapp_mcp.server.reading import cut_name

    is_plain = not chat.stranger if chat.kind is ChatKind.DIRECT else cut_name(chat.name) == chat.name
    return chat.name if is_plain and "…" not in chat.name else number_of(chat.jid) or chat.jid
