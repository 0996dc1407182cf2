"""From JSON to what the library takes, and back.

One rule both ways: a jid is its text, a protobuf (and any bytes) is its base64, a list is a list of these;
text, numbers, booleans and null are themselves. A list that is longer than a frame goes in parts.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from google.protobuf.message import DecodeError, Message

from whatsapp_mcp.client.protocol import PART, PART_BYTES
from whatsapp_mcp.errors import InvalidArgument, Unsupported
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.processes.child_process import RECEIVED, SENDING
from whatsapp_mcp.protobufs import Neonize
from whatsapp_mcp.protobufs.bounded import parsed

T = TypeVar("T")
M = TypeVar("M", bound=Message)

_REQUIRED: Any = object()
_NOWHERE: Final = Path("/nowhere")
"""Stands for the folder where a call takes no file: nothing can be opened there."""
_MOST_LISTS: Final = 16
"""Lists that are kept for a leader that asks for the rest of them."""
_FILE_NAME: Final = re.compile(r"[0-9a-z]{1,64}")
"""Names that the leader gives files on their way; none leads out of their folder."""


class Arguments:
    """The parameters of one call, read by name and kind.

    Every method raises `InvalidArgument` when the parameter is missing and has no default, or is of another
    kind.

    Args:
        params: By name.
        folder: The client's own.
    """

    def __init__(self, params: dict[str, Any], folder: Path = _NOWHERE) -> None:
        self._params = params
        self._folder = folder

    def text(self, name: str, default: str = _REQUIRED) -> str:
        """A string."""
        return self._get(name, str, default)

    def texts(self, name: str) -> list[str]:
        """A list of strings."""
        values = self._get(name, list, _REQUIRED)
        if not all(isinstance(value, str) for value in values):
            raise _not(name, "a list of texts")
        return values

    def flag(self, name: str, default: bool = _REQUIRED) -> bool:
        """True or false."""
        return self._get(name, bool, default)

    def number(self, name: str, default: float = _REQUIRED) -> float:
        """A number."""
        value = self._get(name, (int, float), default)
        # In Python a boolean is an `int`.
        if isinstance(value, bool):
            raise _not(name, "a number")
        return value

    def integer(self, name: str, default: int = _REQUIRED) -> int:
        """A whole number."""
        return int(self.number(name, default))

    def file(self, name: str) -> BinaryIO:
        """A file that the leader has put where this process may read it, opened.

        Raises:
            OSError: There is none of this name.
        """
        return (self._folder.parent / SENDING / self._file_name(name)).open("rb")

    def received(self, name: str) -> Path:
        """Return the path for a file that the leader requests."""
        return self._folder / RECEIVED / self._file_name(name)

    def _file_name(self, name: str) -> str:
        given = self.text(name)
        if _FILE_NAME.fullmatch(given) is None:
            raise _not(name, "the name of a file")
        return given

    def jid(self, name: str) -> Neonize.JID:
        """A jid, as the library's protobuf."""
        return jid_to_proto(self.text(name))

    def jids(self, name: str) -> list[Neonize.JID]:
        """A list of jids."""
        return [jid_to_proto(text) for text in self.texts(name)]

    def proto(self, name: str, kind: type[M]) -> M:
        """A protobuf of this kind, given in base64."""
        try:
            message = parsed(kind, base64.b64decode(self.text(name), validate=True))
        except (binascii.Error, DecodeError):
            raise _not(name, f"a {kind.DESCRIPTOR.full_name} in base64") from None
        if not message.IsInitialized():
            raise _not(name, f"a complete {kind.DESCRIPTOR.full_name}")
        return message

    def _get(self, name: str, kind: type[T] | tuple[type, ...], default: Any) -> Any:
        value = self._params.get(name, default)
        if value is _REQUIRED:
            raise InvalidArgument(f"The parameter {name!r} is missing.")
        if not isinstance(value, kind):
            raise _not(name, "of the right kind")
        return value


def _not(name: str, what: str) -> InvalidArgument:
    return InvalidArgument(f"The parameter {name!r} is not {what}.")


def jid_to_proto(text: str) -> Neonize.JID:
    """The library's protobuf of a jid."""
    jid = Jid.parse(text)
    # neonize's protobuf requires these fields, also those of which WhatsApp makes no use any more.
    return Neonize.JID(
        User=jid.user, RawAgent=0, Device=jid.device, Integrator=0, Server=jid.server, IsEmpty=False
    )


def jid_from_proto(jid: Neonize.JID) -> str:
    """The text of a jid; empty for the library's empty jid."""
    if not jid.User:
        return jid.Server
    return str(Jid(jid.User, jid.Server, jid.Device))


def to_json(value: Any) -> Any:
    """A result of the library as JSON.

    Raises:
        Unsupported: It is of a kind that the rule does not cover.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Neonize.JID):
        return jid_from_proto(value)
    if isinstance(value, Message):
        return base64.b64encode(value.SerializeToString()).decode()
    if isinstance(value, dict):
        return {str(key): to_json(inner) for key, inner in value.items()}
    if isinstance(value, Iterable):
        return [to_json(inner) for inner in value]
    raise Unsupported(f"The client library answered with a {type(value).__name__}.")


class Lists:
    """The rests of lists that were begun."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._rests: dict[int, list[Any]] = {}

    def first(self, answer: Any) -> Any:
        """Return the first part of a long list; return any other answer unchanged."""
        if not isinstance(answer, list) or _fits(answer) == len(answer):
            return answer
        if len(self._rests) >= _MOST_LISTS:  # whoever asked for the oldest has given up
            del self._rests[next(iter(self._rests))]
        number = next(self._numbers)
        self._rests[number] = answer
        return self.following(number)

    def following(self, number: int) -> dict[str, Any]:
        """The next part of the list with this number.

        Raises:
            InvalidArgument: There is nothing more of it.
        """
        if number not in self._rests:
            raise InvalidArgument("There is nothing more of this list.")
        rest = self._rests.pop(number)
        count = _fits(rest)
        if count == len(rest):
            return {PART: rest}
        self._rests[number] = rest[count:]
        return {PART: rest[:count], "number": number}


def _fits(elements: list[Any]) -> int:
    """Return the number of elements that fit into one answer, at least one."""
    size = 0
    for count, element in enumerate(elements):
        size += len(json.dumps(element)) + 1
        # An element that is larger than a part goes alone: without `count` the list would never end.
        if size > PART_BYTES and count:
            return count
    return len(elements)
