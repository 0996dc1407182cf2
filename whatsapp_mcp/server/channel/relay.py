"""Questions of the host about its tools, asked on the owner's phone in the chat with oneself.

Claude Code asks in its own dialog at the same time, and takes the answer that comes first. It does not say
when it has got one: so of the questions of a session the newest `OPEN` stay open, and older ones are
withdrawn.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from whatsapp_mcp.errors import ApprovalRequired, WhatsAppError
from whatsapp_mcp.models import ApprovalState, Permit
from whatsapp_mcp.server.calls import contained

if TYPE_CHECKING:
    from whatsapp_mcp.server.calls import Services

OPEN: Final = 2
"""Questions of a session that wait at the same time; the account has room for three."""
_WAIT: Final = 45.0
_ID: Final = re.compile(r"[a-km-z]{5}")
_LONGEST: Final = 2_000
"""Characters of what a host says of a call; Claude Code cuts arguments at 200."""

logger = logging.getLogger(__name__)


class PermissionRequest(NamedTuple):
    """A host's question: whether its agent may use a tool.

    Attributes:
        id: Five letters, by which the host knows its question.
        tool: Name of the tool.
        description: What the call does.
        preview: Its arguments, cut by the host.
    """

    id: str
    tool: str
    description: str
    preview: str

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> PermissionRequest | None:
        """The question in a notification's parameters; None if it is none."""
        names = ("request_id", "tool_name", "description", "input_preview")
        values = [params.get(name, "") for name in names]
        if not all(isinstance(value, str) for value in values) or _ID.fullmatch(str(values[0])) is None:
            return None
        return cls(*(str(value)[:_LONGEST] for value in values))

    def permit(self) -> Permit:
        """What the leader is asked for; the id makes each question one of its own."""
        # In one piece, which a question shows as words that the agent chose.
        words = "\n".join(filter(None, (f"{self.tool}: {self.description}", self.preview)))
        return Permit("host_tool", details=(words, f"question {self.id}"))


class PermissionRelay:
    """Asks the person what the host asks.

    Args:
        services: The account, for the host's agent.
        tell: Tells the host what the person has decided about a question.
    """

    def __init__(
        self,
        services: Callable[[], Awaitable[Services]],
        tell: Callable[[str, bool], Awaitable[None]],
    ) -> None:
        self._services = services
        self._tell = tell
        self._open: deque[str] = deque()

    async def ask(self, request: PermissionRequest) -> None:
        """Ask, and tell the host the answer; nothing is told if there is none."""
        try:
            approved = await contained("channel", partial(self._decided, request))
        except WhatsAppError as error:
            logger.warning("channel: a question of the host is not relayed: %s", error)
            return
        if approved is not None:
            await self._tell(request.id, approved)

    async def _decided(self, request: PermissionRequest) -> bool | None:
        services, wanted = await self._services(), request.permit()
        number = await self._asked(services, wanted)
        if number is None:
            return None
        self._open.append(number)
        try:
            while len(self._open) > OPEN:
                await _withdraw(services, self._open.popleft())
            state = await _waited_for(services, number)
        finally:
            if number in self._open:
                self._open.remove(number)
        if state is ApprovalState.APPROVED:
            # The yes is used up, and noted in the audit.
            return await self._asked(services, wanted) is None
        return False if state is ApprovalState.DENIED else None

    async def _asked(self, services: Services, wanted: Permit) -> str | None:
        """The id of the question that waits; None if the person has said yes to it."""
        try:
            async with services.device() as device:
                await device.permit(wanted)
        except ApprovalRequired as error:
            return error.approval
        return None


async def _waited_for(services: Services, number: str) -> ApprovalState:
    """What became of a question, once it is decided."""
    while True:
        async with services.device() as device:
            state = (await device.approval(number, _WAIT)).state
        if state is not ApprovalState.OPEN:
            return state


async def _withdraw(services: Services, number: str) -> None:
    async with services.device() as device:
        await device.withdraw(number)
