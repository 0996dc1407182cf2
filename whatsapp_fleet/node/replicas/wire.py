"""JSON-RPC messages between replicas and nodes, and the facts of a tool call that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, NotRequired

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import Caller
from whatsapp_mcp.server.calls import Call

PROTOCOL: Final = 2
"""Number of this protocol. A node answers every replica of the same number, of whichever version it is."""
PING: Final = "ping"
PERFORM: Final = "perform"
"""Runs a procedure of `server/procedures.py` in an account."""
OPERATE: Final = "operate"
"""Does an operation of the account's device."""
PROGRESS: Final = "progress"
"""Notification of the node: how far a call is, by the number that the replica gave it."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """Facts of a `Call` that a node has to know."""

    caller: Caller
    over_http: bool
    draws_cards: bool
    is_one_of_several: bool

    @classmethod
    def of(cls, call: Call) -> CallFacts:
        """Return the facts of a call."""
        return cls(call.caller, call.over_http, call.draws_cards, call.is_one_of_several)

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON."""
        return _FACTS.dump_python(self, mode="json")

    @classmethod
    def from_json(cls, given: object) -> CallFacts:
        """From JSON.

        Raises:
            InvalidArgument: It is not said for whom the call is.
        """
        try:
            return _FACTS.validate_python(given)
        except ValidationError as error:
            raise InvalidArgument("It is not said for whom the call is.") from error


_FACTS: Final = TypeAdapter(CallFacts)


class NodeAnswer(TypedDict):
    """A node's answer.

    Attributes:
        by: `leader`; `copy` where the node holds the account's files without leading it; `nobody` where it
            does neither, or may not do this with its copy: then nothing was done.
        result: As JSON.
    """

    by: Literal["leader", "copy", "nobody"]
    result: NotRequired[Any]
