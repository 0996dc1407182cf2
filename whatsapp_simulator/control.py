"""The simulated WhatsApp as methods with JSON arguments, for a program in another process.

People, groups and accounts are identified by name or number; `me` is the first account. Unknown arguments are
errors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable, ismethod
from pathlib import Path
from typing import Any

from anyio import to_thread
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from whatsapp_mcp.errors import DeadlineExceeded, InvalidArgument, Rejected
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator.adv import LinkingError
from whatsapp_simulator.envelope import Received
from whatsapp_simulator.fault_injection import FaultInjection
from whatsapp_simulator.groups import Group
from whatsapp_simulator.people import Person
from whatsapp_simulator.phone import Phone
from whatsapp_simulator.user import User
from whatsapp_simulator.whatsapp import WhatsApp

_FAULTS = frozenset(name for name in vars(FaultInjection) if not name.startswith("_")) - {"send", "send_raw"}
"""The names that `fault` accepts."""

_PARTS = {"app_state", "history"}
"""The attributes of a person or account whose methods `act` can call."""

Method = Callable[[dict[str, Any]], Awaitable[Any]]


class Control:
    """The methods; each takes a dictionary of arguments and returns a JSON value."""

    def __init__(self, whatsapp: WhatsApp) -> None:
        self._whatsapp = whatsapp
        self._named: dict[str, User | Group] = {}

    @property
    def methods(self) -> dict[str, Method]:
        """Every method by its name."""
        plain: dict[str, Callable[..., Awaitable[Any]]] = {
            "account": self.account,
            "person": self.person,
            "group": self.group,
            "scan": self.scan,
            "enter_code": self.enter_code,
            "online": self.online,
            "offline": self.offline,
            "says": self.says,
            "receives": self.receives,
            "received": self.received,
            "reads": self.reads,
            "receipt": self.receipt,
            "inbox": self.inbox,
            "act": self.act,
            "trusting": self.trusting,
            "fault": self.fault,
            "log": self.log,
        }
        return {name: _checked(name, method) for name, method in plain.items()}

    async def account(self, number: str, name: str = "Me") -> dict[str, str]:
        """An account that clients can be linked to."""
        return self._entered(name, self._whatsapp.account(number, name))

    async def person(self, name: str, number: str | None = None) -> dict[str, str]:
        """Create a person on WhatsApp; return number and addresses."""
        return self._entered(name, self._whatsapp.person(name, number))

    async def group(self, name: str, members: list[str]) -> dict[str, str]:
        """Create a group of the first account and others; return its address."""
        group = self._whatsapp.group(name, [self._user(each) for each in members])
        self._named[name] = group
        return {"name": name, "jid": str(group.jid)}

    async def scan(self, text: str, account: str = "me") -> int:
        """Let an account's phone scan a QR text; return the companion's number."""
        return (await self._phone(account).scan(text)).number

    async def enter_code(self, code: str, account: str = "me", timeout: float = 20.0) -> int:
        """Enter a pairing code on an account's phone; return the companion's number."""
        return (await self._phone(account).enter_code(code, timeout)).number

    async def online(self, account: str = "me", timeout: float = 20.0) -> None:
        """Wait until a companion of the account is logged in."""
        await self._phone(account).online(timeout)

    async def offline(self, account: str = "me", timeout: float = 20.0) -> None:
        """Wait until no companion of the account is logged in."""
        await self._phone(account).offline(timeout)

    async def says(
        self,
        who: str,
        text: str = "",
        to: str = "me",
        at: int | None = None,
        message: dict[str, Any] | None = None,
    ) -> str:
        """Let somebody, or an account's phone, write to somebody or to a group; return the message id.

        Instead of a text it accepts any `message` (`E2E.Message` in the JSON form of protobuf).
        """
        sender, target = self._user(who), self._chat(to)
        content = text if message is None else _parsed(message)
        if isinstance(sender, Phone):
            return await sender.says(target, content, at=at)
        assert isinstance(sender, Person)
        return await sender.says(content, target, at=at)

    async def receives(self, who: str, timeout: float = 10.0) -> dict[str, Any]:
        """Wait for the next message that somebody receives; return it decrypted."""
        return _as_json(await self._user(who).receives(timeout))

    async def received(self, who: str, id: str) -> None:
        """Send a delivery receipt from somebody's phone."""
        await self._person(who).received(id)

    async def reads(self, who: str, id: str) -> None:
        """Send a read receipt from somebody's phone."""
        await self._person(who).reads(id)

    async def receipt(self, who: str, id: str, kind: str, timeout: float = 10.0) -> None:
        """Wait for a receipt of that kind for somebody's message."""
        await self._user(who).receipt(id, kind, timeout)

    async def inbox(self, who: str) -> list[dict[str, Any]]:
        """Every message that somebody received, decrypted."""
        return [_as_json(each) for each in self._user(who).inbox]

    async def act(self, who: str, what: str, arguments: Sequence[Any] = ()) -> Any:
        """Call a method of a person, group or account by its name (`reacts`, `rename`, `app_state.pin` ...).

        An argument that begins with `@` is the person or group of that name. The result is returned if JSON
        can express it.
        """
        *path, name = what.split(".")
        target: Any = self._chat(who)
        for each in path:
            target = getattr(target, each, None) if each in _PARTS else None
        method = getattr(target, name, None)
        if name.startswith("_") or not ismethod(method):
            raise InvalidArgument(f"{who} cannot {what!r}.", "See docs/simulator.md.")
        try:
            result = method(*(self._meant(each) for each in arguments))
            answer = await result if isawaitable(result) else result
        except (TypeError, LookupError, ValueError) as error:
            raise InvalidArgument(f"{what}: {error!r}.", "See docs/simulator.md.") from error
        return answer if isinstance(answer, str | int | float | list) else None

    async def trusting(self, program: str) -> str:
        """Make a copy of a Go program built on whatsmeow that trusts this WhatsApp; return its path."""
        return str(await to_thread.run_sync(self._whatsapp.trusting, Path(program)))

    async def fault(self, name: str, **arguments: Any) -> None:
        """Call the fault of that name with these arguments."""
        if name not in _FAULTS:
            raise InvalidArgument(f"{name!r} is not a fault.", f"One of: {', '.join(sorted(_FAULTS))}.")
        try:
            result = getattr(self._whatsapp, name)(**arguments)
        except TypeError as error:
            raise InvalidArgument(f"{name}: {error}.", "See the method of WhatsApp.") from error
        if result is not None:
            await result

    async def log(self) -> list[dict[str, str]]:
        """The logged client errors."""
        return [{"kind": each.kind, "detail": each.detail} for each in self._whatsapp.log]

    def _meant(self, argument: Any) -> Any:
        named = isinstance(argument, str) and argument.startswith("@")
        return self._chat(argument.removeprefix("@")) if named else argument

    def _entered(self, name: str, user: User) -> dict[str, str]:
        self._named[name] = self._named[user.number] = user
        return {"name": name, "number": user.number, "pn": str(user.pn), "lid": str(user.lid)}

    def _chat(self, name: str) -> User | Group:
        if name == "me":
            return self._whatsapp.me
        if name not in self._named:
            raise InvalidArgument(f"There is no {name!r}.", "Make it with account, person or group.")
        return self._named[name]

    def _user(self, name: str) -> User:
        chat = self._chat(name)
        if not isinstance(chat, User):
            raise InvalidArgument(f"{name!r} is a group.", "Name a person or an account.")
        return chat

    def _person(self, name: str) -> Person:
        user = self._user(name)
        if not isinstance(user, Person):
            raise InvalidArgument(f"{name!r} is an account.", "Name a person.")
        return user

    def _phone(self, name: str) -> Phone:
        user = self._user(name)
        if not isinstance(user, Phone):
            raise InvalidArgument(f"{name!r} is not an account.", "Make one with account.")
        return user


def _as_json(received: Received) -> dict[str, Any]:
    return {
        "id": received.id,
        "text": received.text,
        "sender": str(received.sender),
        "chat": str(received.chat),
        "timestamp": received.timestamp,
        "message": MessageToDict(received.message),
    }


def _parsed(message: dict[str, Any]) -> E2E.Message:
    try:
        return ParseDict(message, E2E.Message())
    except ParseError as error:
        raise InvalidArgument(f"Invalid message: {error}.", "Give E2E.Message in JSON.") from error


def _checked(name: str, method: Callable[..., Awaitable[Any]]) -> Method:
    """`method` with its arguments in a dictionary, and its failures as errors of this package."""

    async def call(params: dict[str, Any]) -> Any:
        try:
            pending = method(**params)
        except TypeError as error:
            raise InvalidArgument(f"{name}: {error}.", "See whatsapp_simulator/control.py.") from error
        try:
            return await pending
        except KeyError as error:
            raise InvalidArgument(f"{name}: there is no {error}.", "See inbox.") from error
        except TimeoutError as error:
            raise DeadlineExceeded(f"{name}: timed out.") from error
        except LinkingError as error:
            raise Rejected(f"{name}: {error}.") from error

    return call
