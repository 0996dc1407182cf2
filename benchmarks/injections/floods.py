"""Floods of calls: valid ones, which must change nothing where only reading is allowed, and malformed ones.

They go to the tools and, as frames, to the leader's socket, which any program of this user can reach.
"""

from __future__ import annotations

import json
import logging
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import ByteStream
from mcp import Client
from mcp.types import CallToolResult
from pydantic import TypeAdapter

from benchmarks.injections.watch import Watch
from benchmarks.injections.world import World, configure, world
from whatsapp_mcp.device.leader import endpoint
from whatsapp_mcp.device.leader.serving import greet
from whatsapp_mcp.device.operations import Operation
from whatsapp_mcp.device.operations.registry import OPERATIONS
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.policy import Effect
from whatsapp_mcp.processes.rpc import Peer
from whatsapp_mcp.settings import Settings

AT_ONCE: Final = 8
"""Calls that run at the same time."""
HANG: Final = 20.0
"""Seconds after which a call that was not answered hangs."""
_BATCH: Final = 50
"""Malformed frames between two calls that must be answered."""
_LINKING: Final = frozenset({"link_device", "reconnect"})
"""Tools that may work where only reading is allowed: they open the connection anew."""
_CONFIRMED: Final = frozenset({"names", "chat_settings", "members"})
_INTERNAL: Final = "internal error"
_AGENTS: Final = ("stdio:flood", "token:other", "unknown", "persons")
_CALLERS: Final = (*_AGENTS, "person", "system")
"""Principals that a program at the socket may name."""
_WORDS: Final = ("hi", "boat", "see you at eight", "Ann", "", "a b c", "x" * 40, "😀", "#1", "today")
_DEPTH: Final = 4


@dataclass
class Flooded:
    """Results of a flood.

    Attributes:
        calls: How many were made.
        crashes: What failed in a way that is not foreseen.
        hangs: What was not answered in time.
        changed: Tables of the archive, and what others could see.
        answers: How often each code of an error was answered, and `ok`.
    """

    calls: int = 0
    crashes: list[str] = field(default_factory=list[str])
    hangs: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])
    answers: Counter[str] = field(default_factory=Counter[str])

    @property
    def is_clean(self) -> bool:
        """True if there was no crash, no hang and no change."""
        return not (self.crashes or self.hangs or self.changed)


class Values:
    """Makes values for JSON schemas; chats, messages and people are such as exist."""

    def __init__(self, chance: random.Random, known: Mapping[str, Sequence[str]]) -> None:
        self._chance = chance
        self._known = known

    def arguments(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Valid arguments: all that are required, some of the others; nothing waits."""
        needed = set(schema.get("required", ()))
        names = [
            name for name in schema.get("properties", {}) if name in needed or self._chance.random() < 0.3
        ]
        shared = schema.get("$defs", {})
        return {name: self.value(schema["properties"][name], name, shared) for name in names}

    def value(self, schema: Mapping[str, Any], name: str, shared: Mapping[str, Any], depth: int = 0) -> Any:
        """A value of this schema."""
        if "$ref" in schema:
            return self.value(shared[schema["$ref"].rpartition("/")[2]], name, shared, depth)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self.value(self._chance.choice(schema[key]), name, shared, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._chance.choice(schema["enum"])
        if name == "wait":
            return 0
        return self._of_type(schema, name, shared, depth)

    def _of_type(self, schema: Mapping[str, Any], name: str, shared: Mapping[str, Any], depth: int) -> Any:
        match schema.get("type"):
            case "string":
                return self._text(name, schema)
            case "integer":
                return self._chance.choice((0, 1, 2, 5, 20, 100))
            case "number":
                return self._chance.choice((0.0, 1.5, 52.5, -3.25))
            case "boolean":
                return self._chance.random() < 0.5
            case "array":
                inner = schema.get("items", {"type": "string"})
                count = self._chance.randint(1, 3) if depth < _DEPTH else 0
                return [self.value(inner, name, shared, depth + 1) for _ in range(count)]
            case "object":
                return {
                    each: self.value(inner, each, shared, depth + 1)
                    for each, inner in schema.get("properties", {}).items()
                }
            case _:
                return None

    def _text(self, name: str, schema: Mapping[str, Any]) -> str:
        if schema.get("format") == "date-time":
            return "2026-11-28T12:00:00+00:00"
        return self._chance.choice(self._known.get(name.rstrip("s"), _WORDS))

    def junk(self, depth: int = 0) -> Any:
        """Any JSON value, of kinds that nobody expects."""
        kind = self._chance.randrange(10 if depth < _DEPTH else 8)
        if kind < 8:
            odd = (
                None,
                True,
                -1,
                2**70,
                1e308,
                "\0\x1b[31m\u202e",
                "'; DROP TABLE messages; --",
                "x" * 70_000,
            )
            return odd[kind]
        if kind == 8:
            return [self.junk(depth + 1) for _ in range(self._chance.randint(0, 4))]
        return {self._chance.choice(("chat", "a", "", "__class__")): self.junk(depth + 1) for _ in range(2)}

    def spoilt(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Arguments of which one is not as it should be, missing, or unknown."""
        spoilt = dict(arguments)
        kind = self._chance.randrange(3)
        name = self._chance.choice([*spoilt, "nonsense"])
        if kind == 0:
            spoilt.pop(name, None)
        else:
            spoilt[name if kind == 1 else self._chance.choice(("nonsense", "Chat", ""))] = self.junk()
        return spoilt

    def bytes(self, frame: bytes) -> bytes:
        """A line for the socket that is no good frame: cut, doubled, of other bytes, or of other JSON."""
        match self._chance.randrange(6):
            case 0:
                return frame[: self._chance.randrange(len(frame))]
            case 1:
                at = self._chance.randrange(len(frame))
                return frame[:at] + self._chance.randbytes(3).replace(b"\n", b"\0") + frame[at:]
            case 2:
                return self._chance.randbytes(self._chance.randint(1, 200)).replace(b"\n", b" ")
            case 3:
                return json.dumps(self.junk()).encode()
            case 4:
                return b"[" * self._chance.choice((10, 2_000, 100_000))
            case _:
                table = json.loads(frame)
                table[self._chance.choice(("jsonrpc", "id", "method", "params"))] = self.junk()
                return json.dumps(table).encode()


def known_values(made: World) -> dict[str, list[str]]:
    """Return values that exist in a world, by argument name."""
    people = [person.number for person in made.people.values()]
    jids = [str(person.pn) for person in made.people.values()]
    groups = [str(jid) for jid in made.wa.network.groups]
    channels = [str(jid) for jid in made.wa.network.channels]
    chats = [*made.people, *people, *jids, *groups]
    return {
        "chat": chats,
        **{name: [*people, *jids] for name in ("contact", "sender", "member", "number")},
        **{name: [f"#{ref}" for ref in range(1, 9)] for name in ("message", "reply_to")},
        "channel": [*channels, "Tides"],
        "emoji": ["👍", "🌊"],
        "since": ["today", "3d", "2026-11-01"],
        "until": ["today", "1h"],
        "path": ["/etc/passwd", "plan.txt"],
        "url": ["http://collector.example/a.png"],
        "link": ["https://chat.whatsapp.com/AAAABBBBCCCCDDDDEEEEFF"],
        "data": ["QUFBQQ=="],
        "kind": ["text"],
    }


def fingerprint(home: Path) -> dict[str, str]:
    """A hash of each table of the archive.

    Left out is when a name, a setting or a member was last confirmed: a look at WhatsApp confirms them again.
    """
    database = Settings(home=home).account_folder().archive_db
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        tables = [name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: _hash(opened, table) for table in tables if table != "meta"}


def _hash(opened: sqlite3.Connection, table: str) -> str:
    columns = [row[1] for row in opened.execute(f'PRAGMA table_info("{table}")')]
    kept = ", ".join(f'"{each}"' for each in columns if each != "at" or table not in _CONFIRMED)
    rows = opened.execute(f'SELECT DISTINCT {kept} FROM "{table}" ORDER BY {kept}')
    return sha256(repr(rows.fetchall()).encode()).hexdigest()


class _Failures(logging.Handler):
    """Keeps what is logged with a traceback."""

    def __init__(self, into: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if record.exc_info:
            self._into.append(f"{record.getMessage()}: {record.exc_info[1]!r}"[:200])


@asynccontextmanager
async def read_only(home: Path) -> AsyncGenerator[tuple[World, Flooded]]:
    """A filled world in which only reading is allowed; at the end it is compared with what it was."""
    flooded = Flooded()
    async with world(home, "open") as made:
        configure(home, "read_only")
        await _read_once(made)
        before, watch = fingerprint(home), Watch(made.wa)
        made.outgoing.news()
        failures = _Failures(flooded.crashes)
        logging.getLogger().addHandler(failures)
        try:
            yield made, flooded
        finally:
            logging.getLogger().removeHandler(failures)
        after = fingerprint(home)
        flooded.changed += [f"table {name}" for name in after if after[name] != before.get(name)]
        flooded.changed += [f"seen: {seen.where} {seen.text[:80]}" for seen in watch.news()]
        flooded.changed += [f"web: {told[:80]}" for told in made.outgoing.news()]


async def _read_once(made: World) -> None:
    """Look at everybody and everything, so that what looking brings in is in the archive already."""
    async with made.client("flood") as client:
        for person in made.people.values():
            await client.call_tool("get_contact", {"contact": person.number})
        for jid in made.wa.network.groups:
            await client.call_tool("get_group", {"chat": str(jid)})


async def call_tools(made: World, flooded: Flooded, count: int, seed: int, *, malformed: bool) -> None:
    """Call tools so often; each answer is a result or an error that is foreseen."""
    async with made.client("flood") as client:
        schemas = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
        names = sorted(schemas.keys() - _LINKING)

        async def some(number: int) -> None:
            chance = random.Random(f"{seed} {number} {malformed}")
            values = Values(chance, known_values(made))
            for _ in range(count // AT_ONCE):
                tool = chance.choice(names)
                arguments = values.arguments(schemas[tool])
                if tool == "wait_for_messages":
                    arguments["wait"] = 0
                await _call_tool(client, tool, values.spoilt(arguments) if malformed else arguments, flooded)

        async with anyio.create_task_group() as tasks:
            for number in range(AT_ONCE):
                tasks.start_soon(some, number)


async def _call_tool(client: Client, tool: str, arguments: dict[str, Any], flooded: Flooded) -> None:
    flooded.calls += 1
    if tool == "wait_for_messages" and arguments.get("wait") != 0:
        arguments = {**arguments, "wait": -1}
    with anyio.move_on_after(HANG) as waiting:
        result = await client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        text = next((block.text for block in result.content if block.type == "text"), "")
        flooded.answers[text.partition(":")[0] if result.is_error else "ok"] += 1
        if _INTERNAL in text:
            flooded.crashes.append(f"{tool} {str(arguments)[:120]}")
    if waiting.cancelled_caught:
        flooded.hangs.append(f"{tool} {str(arguments)[:120]}")


def _parameters(operation: Operation) -> dict[str, Any]:
    """The JSON schema of what an operation takes."""
    schema: dict[str, Any] = {"properties": {}, "required": list(operation.parameters), "$defs": {}}
    for name, adapter in operation.parameters.items():
        one: dict[str, Any] = TypeAdapter[Any].json_schema(adapter)
        schema["$defs"] |= one.pop("$defs", {})
        schema["properties"][name] = one
    return schema


async def call_socket(made: World, flooded: Flooded, count: int, seed: int) -> None:
    """Ask the leader's socket so often for operations, with valid arguments."""
    schemas = {
        name: _parameters(operation)
        for name, operation in OPERATIONS.items()
        if operation.effect is not Effect.LINK
    }
    stream, secret = await endpoint.connect(Settings(home=made.home).account_folder())
    async with stream, Peer(stream, stream) as peer:
        await greet(peer, secret)

        async def some(number: int) -> None:
            chance = random.Random(f"{seed} {number} socket")
            values = Values(chance, known_values(made))
            for _ in range(count // AT_ONCE):
                name = chance.choice(sorted(schemas))
                # What only a person may do is asked for by agents, who must not be let.
                callers = _AGENTS if OPERATIONS[name].effect is Effect.PERSON else _CALLERS
                caller = {"principal": chance.choice(callers), "client": "flood", "tool": ""}
                params = {"caller": caller, "arguments": values.arguments(schemas[name])}
                flooded.calls += 1
                try:
                    await peer.call(name, params, deadline=HANG)
                    flooded.answers["ok"] += 1
                except WhatsAppError as error:
                    flooded.answers[error.code] += 1
                    if error.code == "DEADLINE_EXCEEDED":
                        flooded.hangs.append(f"{name} {str(params)[:120]}")

        async with anyio.create_task_group() as tasks:
            for number in range(AT_ONCE):
                tasks.start_soon(some, number)


async def spoil_socket(made: World, flooded: Flooded, count: int, seed: int) -> None:
    """Send the leader's socket so many malformed frames; a good one between them must be answered."""
    chance = random.Random(f"{seed} bytes")
    values = Values(chance, known_values(made))
    schemas = {name: _parameters(operation) for name, operation in OPERATIONS.items()}
    folder = Settings(home=made.home).account_folder()
    for _ in range(count // _BATCH):
        stream, secret = await endpoint.connect(folder)
        async with stream:
            await _send_junk(stream, chance, values, schemas)
        flooded.calls += _BATCH
        stream, secret = await endpoint.connect(folder)
        async with stream, Peer(stream, stream) as peer:
            try:
                with anyio.fail_after(HANG):
                    await greet(peer, secret)
                    await peer.call("status", {"arguments": {}}, deadline=HANG)
                flooded.answers["ok"] += 1
            except (TimeoutError, WhatsAppError) as error:
                flooded.hangs.append(f"the socket after malformed frames: {error!r}")


async def _send_junk(
    stream: ByteStream, chance: random.Random, values: Values, schemas: Mapping[str, Any]
) -> None:
    """A batch of malformed frames, until the leader closes the connection."""
    names = sorted(schemas)
    with anyio.move_on_after(HANG):
        try:
            for number in range(_BATCH):
                name = chance.choice((*names, "hello", "ping", "$/cancel", "nonsense"))
                params = {"caller": values.junk(), "arguments": values.junk()}
                frame = {"jsonrpc": "2.0", "id": number, "method": name, "params": params}
                await stream.send(values.bytes(json.dumps(frame).encode()) + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return
