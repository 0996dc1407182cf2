"""Traffic on both sides; each text has a number of its own that tells it from all others."""

from __future__ import annotations

import itertools
import random
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import anyio

from benchmarks.soak import words
from benchmarks.soak.fleet import Answer, Fleet
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.groups import Group
from whatsapp_simulator.people import Person

_TRIES: Final = 4
"""Number of attempts of a send with a key before the agent gives up."""
_RETRY_PAUSE: Final = 1.0
_READ_ONE_IN: Final = 3
_DOWNLOAD_PAUSE: Final = 1.0
_FILE_BYTES: Final = (200, 20_000)
_FRESH: Final = 200
"""Number of latest messages among which a message to change is chosen."""

Kind = Literal["text", "file", "edit", "revoke", "reaction"]
KINDS: Final[tuple[Kind, ...]] = ("text", "file", "edit", "revoke", "reaction")
_WEIGHTS: Final = (70, 10, 7, 5, 8)


@dataclass
class Spoken:
    """A message that somebody wrote to the account.

    Attributes:
        text: Its text or caption; of an edit the new text, of a reaction the emoji.
        keeper: The companion for which WhatsApp keeps it; None when none was linked.
        target: What it changes.
        change: What changes it; nothing is changed twice.
        liked: Whether an agent has reacted to it.
        acknowledged_at: When the client had acknowledged it to WhatsApp; None until then.
        orphan: Its companion was unlinked before that: only the phone's history can bring it.
    """

    id: str
    kind: Kind
    text: str
    chat: str
    author: Person
    at: float
    keeper: Companion | None
    file: bytes | None = None
    target: Spoken | None = None
    change: Spoken | None = None
    liked: bool = False
    acknowledged_at: float | None = None
    orphan: bool = False


@dataclass
class Sent:
    """A send that an agent asked for, and every answer it got; None is none at all.

    Attributes:
        words: What it says, as `benchmarks.soak.words` puts it.
        readers: Who is to get it.
        target: The own message that it changes.
        change: What changes it; nothing is changed twice.
    """

    kind: Kind
    words: str
    tool: str
    arguments: dict[str, Any]
    readers: tuple[Person, ...]
    at: float
    file: bytes | None = None
    target: Sent | None = None
    change: Sent | None = None
    answers: list[Answer | None] = field(default_factory=list[Answer | None])

    @property
    def keyed(self) -> bool:
        """True if the send has an idempotency key, so that it may be repeated."""
        return "idempotency_key" in self.arguments

    @property
    def message_id(self) -> str | None:
        """WhatsApp's id, once an answer told it."""
        told = (answer.data.get("message_id") for answer in self.answers if answer and not answer.error)
        return next((str(each) for each in told if each), None)


class Traffic:
    """People who write to the account, agents who write to them through any server, and receipts.

    Args:
        rate: Messages a second, each way.

    Attributes:
        downloads: Outcomes of fetching files that people sent: `ok`, or the error's code.
        damaged: Files that were fetched and are not what was sent.
    """

    def __init__(self, wa: WhatsApp, fleet: Fleet, chance: random.Random, rate: float) -> None:
        self._wa = wa
        self._fleet = fleet
        self._chance = chance
        self._rate = rate
        self.people = [wa.person(name) for name in ("Ann", "Ben", "Cleo")]
        self.group: Group = wa.group("Boat", self.people)
        self.spoken: list[Spoken] = []
        self.sent: list[Sent] = []
        self.downloads: Counter[str] = Counter()
        self.damaged: list[str] = []
        self._numbers: Iterator[int] = itertools.count(1)
        self._over = anyio.Event()

    async def run(self) -> None:
        """Talk until `stop`; what was begun is brought to its end."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._people)
            tasks.start_soon(self._agents)
            tasks.start_soon(self._downloads)
            async with anyio.create_task_group() as watchers:
                watchers.start_soon(self._receipts)
                watchers.start_soon(self._acknowledgements)
                await self._over.wait()
                watchers.cancel_scope.cancel()

    def stop(self) -> None:
        """Say nothing new; receipts go on until `end`."""
        self._rate = 0

    def end(self) -> None:
        """No more receipts either."""
        self._over.set()

    async def _pause(self) -> None:
        await anyio.sleep(self._chance.expovariate(self._rate) if self._rate else 0)

    def _kind(self) -> Kind:
        return self._chance.choices(KINDS, _WEIGHTS)[0]

    def _bytes(self) -> bytes:
        return self._chance.randbytes(self._chance.randint(*_FILE_BYTES))

    # People.

    async def _people(self) -> None:
        while self._rate:
            await self.says(self._kind())
            await self._pause()

    async def says(self, kind: Kind = "text") -> None:
        """One of them writes, in private or in the group, or changes what was written before."""
        target = self._of_theirs() if kind not in {"text", "file"} else None
        if target is not None:
            await self._changes(kind, target)
            return
        person = self._chance.choice(self.people)
        to = self.group if self._chance.random() < 0.4 else None
        text = f"in-{next(self._numbers)}"
        file = self._bytes() if kind == "file" else None
        message: str | E2E.Message = text
        if file is not None:
            form = self._chance.choice(("image", "document"))
            message = self._wa.media.attach(form, file, caption=text)
        keeper = self._wa.me.companion
        message_id = await person.says(message, to)
        chat = "Boat" if to else person.name
        kind = "text" if file is None else "file"
        self.spoken.append(Spoken(message_id, kind, text, chat, person, time.monotonic(), keeper, file))

    def _of_theirs(self) -> Spoken | None:
        fresh = [
            each
            for each in self.spoken[-_FRESH:]
            if each.kind == "text" and each.change is None and each.keeper is self._wa.me.companion
        ]
        return self._chance.choice(fresh) if fresh else None

    async def _changes(self, kind: Kind, target: Spoken) -> None:
        keeper, author = self._wa.me.companion, target.author
        match kind:
            case "edit":
                text = f"{target.text} again"
                message_id = await author.edits(target.id, text)
            case "revoke":
                text = ""
                message_id = await author.revokes(target.id)
            case _:
                text = self._chance.choice(("👍", "🙏", "❤"))
                message_id = await author.reacts(target.id, text)
        made = Spoken(message_id, kind, text, target.chat, author, time.monotonic(), keeper, target=target)
        target.change = made
        self.spoken.append(made)

    # Agents.

    async def _agents(self) -> None:
        async with anyio.create_task_group() as tasks:
            while self._rate:
                tasks.start_soon(self._sends, self._kind())
                await self._pause()

    async def _sends(self, kind: Kind) -> None:
        """One agent sends; with a key it asks again until it has an answer, without one it never does."""
        sent = self._change(kind) or self._message("file" if kind == "file" else "text")
        self.sent.append(sent)
        for _ in range(_TRIES if sent.keyed else 1):
            slot = self._fleet.any(self._chance)
            if slot is not None:
                answer = await self._fleet.call(slot, sent.tool, **sent.arguments)
                sent.answers.append(answer)
                if answer is not None and answer.error is None:
                    return
            await anyio.sleep(_RETRY_PAUSE)

    def _message(self, kind: Kind) -> Sent:
        number = next(self._numbers)
        text, person = f"out-{number}", self._chance.choice(self.people)
        to_group = self._chance.random() < 0.3
        arguments: dict[str, Any] = {"chat": str(self.group.jid) if to_group else person.number}
        if self._chance.random() < 0.6:
            arguments["idempotency_key"] = f"key-{number}"
        file = self._bytes() if kind == "file" else None
        if file is None:
            tool = "send_message"
            arguments["text"] = text
        else:
            tool = "send_file"
            arguments |= {"data": b64encode(file).decode(), "kind": "document", "caption": text}
        readers = tuple(self.people) if to_group else (person,)
        return Sent(kind, text, tool, arguments, readers, time.monotonic(), file)

    def _change(self, kind: Kind) -> Sent | None:
        """A change of an own message, or a reaction to somebody's; None when there is nothing to change."""
        if kind == "reaction":
            theirs = [
                each
                for each in self.spoken[-_FRESH:]
                if each.kind == "text" and each.acknowledged_at and not each.liked
            ]
            if not theirs:
                return None
            liked, emoji = self._chance.choice(theirs), self._chance.choice(("👍", "🙏", "❤"))
            liked.liked = True
            readers = tuple(self.people) if liked.chat == "Boat" else (liked.author,)
            said = words.reaction(liked.id, emoji)
            return Sent(kind, said, "react", {"message": liked.id, "emoji": emoji}, readers, time.monotonic())
        own = [
            each
            for each in self.sent[-_FRESH:]
            if each.kind == "text" and each.change is None and each.message_id
        ]
        if kind not in {"edit", "revoke"} or not own:
            return None
        target = self._chance.choice(own)
        message_id = target.message_id or ""
        if kind == "edit":
            text = f"{target.words} again"
            said, tool, arguments = words.edit(message_id, text), "edit_message", {"text": text}
        else:
            said, tool, arguments = words.revoke(message_id), "delete_message", {}
        target.change = Sent(
            kind, said, tool, {"message": message_id, **arguments}, target.readers, time.monotonic()
        )
        target.change.target = target
        return target.change

    async def _downloads(self) -> None:
        """Agents fetch files that people sent, and look whether they are what was sent."""
        while self._rate:
            files = [each for each in self.spoken if each.file is not None and each.acknowledged_at]
            slot = self._fleet.any(self._chance)
            if files and slot is not None:
                spoken = self._chance.choice(files)
                answer = await self._fleet.call(slot, "download_media", message=spoken.id)
                outcome = "no answer" if answer is None else answer.error or "ok"
                self.downloads[outcome] += 1
                if answer is not None and answer.error is None:
                    fetched = await anyio.Path(answer.data["path"]).read_bytes()
                    if fetched != spoken.file:
                        self.damaged.append(f"the file of {spoken.text} is not what {spoken.chat} sent")
            await anyio.sleep(_DOWNLOAD_PAUSE)

    # What WhatsApp knows.

    async def _receipts(self) -> None:
        """The people's phones say that messages came, and sometimes that they were read."""
        told = dict.fromkeys(self.people, 0)
        while True:
            for person in self.people:
                for received in person.inbox[told[person] :]:
                    told[person] += 1
                    if received.sender != self._wa.me.lid:
                        continue
                    await person.received(received.id)
                    if self._chance.randrange(_READ_ONE_IN) == 0:
                        await person.reads(received.id)
            await anyio.sleep(0.05)

    async def _acknowledgements(self) -> None:
        """Note when each message is no longer kept for the client: its client has acknowledged it."""
        waiting: list[Spoken] = []
        known = 0
        while True:
            waiting += self.spoken[known:]
            known = len(self.spoken)
            linked = self._wa.me.companion
            kept = pending_ids(linked)
            for spoken in waiting:
                lost = spoken.keeper is not linked and spoken.id in pending_ids(spoken.keeper)
                spoken.orphan = spoken.keeper is None or lost
                if not spoken.orphan and spoken.id not in kept:
                    spoken.acknowledged_at = time.monotonic()
            waiting = [each for each in waiting if each.acknowledged_at is None and not each.orphan]
            await anyio.sleep(0.05)


def pending_ids(companion: Companion | None) -> set[str]:
    """Ids of the messages that WhatsApp keeps for a companion."""
    return {node.get("id") for node in companion.pending if node.tag == "message"} if companion else set()
