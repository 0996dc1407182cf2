"""The one holder of a device or a client."""

from __future__ import annotations

import ast
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

import whatsapp_mcp
from tests.tables import for_each
from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.errors import Busy, DeadlineExceeded

pytestmark = pytest.mark.anyio


class Thing:
    """Something to hold."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.ended = False
        self.calls = 0

    async def call(self, wait: anyio.Event | None = None) -> int:
        assert not self.ended, "an ended thing was called"
        self.calls += 1
        if wait is not None:
            await wait.wait()
        return self.generation

    def end(self) -> None:
        self.ended = True


def accessor() -> Accessor[Thing]:
    return Accessor(lambda: Busy("Nothing is here."), end=Thing.end)


async def test_an_empty_accessor_says_why() -> None:
    with pytest.raises(Busy, match="Nothing is here"):
        async with accessor().use():
            pass


async def test_the_body_borrows_the_current_thing() -> None:
    things = accessor()
    assert await things.replace(Thing) == 1
    async with things.use(deadline=1) as thing:
        assert await thing.call() == 1


async def test_a_call_past_its_deadline_is_ended() -> None:
    things = accessor()
    await things.replace(Thing)
    with pytest.raises(DeadlineExceeded):
        async with things.use(deadline=0.01) as thing:
            await thing.call(anyio.Event())


async def test_replacing_ends_a_call_that_hangs_and_never_waits_for_it() -> None:
    things = accessor()
    await things.replace(Thing)
    begun = anyio.Event()
    errors: list[Exception] = []
    old: list[Thing] = []

    async def hang() -> None:
        try:
            async with things.use() as thing:
                old.append(thing)
                begun.set()
                with anyio.CancelScope(shield=True), anyio.move_on_after(0.2):
                    await thing.call(anyio.Event())
                await anyio.sleep_forever()
        except Busy as error:
            errors.append(error)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hang)
            await begun.wait()
            assert await things.replace(Thing) == 2
            assert old[0].ended
            async with things.use() as thing:
                assert thing.generation == 2
            assert errors == [], "the hanging call has not even noticed yet"
    assert len(errors) == 1


async def test_a_result_that_came_before_the_swap_is_kept() -> None:
    things = accessor()
    await things.replace(Thing)
    async with things.use() as thing:
        result = await thing.call()
    await things.replace(None)
    assert result == 1


async def test_cancelling_from_outside_is_no_error_of_the_call() -> None:
    things = accessor()
    await things.replace(Thing)
    with anyio.move_on_after(0.01) as scope:
        async with things.use(deadline=5) as thing:
            await thing.call(anyio.Event())
    assert scope.cancelled_caught


async def test_swaps_at_once_under_load_never_lend_an_ended_thing() -> None:
    things = accessor()
    await things.replace(Thing)
    done = anyio.Event()
    served = 0

    async def user() -> None:
        nonlocal served
        while not done.is_set():
            try:
                async with things.use(deadline=1) as thing:
                    await thing.call()
                    await anyio.lowlevel.checkpoint()
                    served += 1
            except Busy:
                pass
            await anyio.lowlevel.checkpoint()

    async def swap() -> None:
        generations = [await things.replace(Thing) for _ in range(50)]
        assert generations == sorted(set(generations))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(user)
            async with anyio.create_task_group() as swaps:
                for _ in range(4):
                    swaps.start_soon(swap)
            done.set()
    assert things.generation == 201
    assert served > 0


HELD = {"Client", "Device", "LocalDevice", "RemoteDevice", "OfflineDevice"}


def _annotation_names(node: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _stored(tree: ast.Module) -> list[str]:
    """Attributes and globals that hold a device or a client, by annotation or by construction."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            names = _annotation_names(node.annotation)
            holder = "Accessor" in names or "Callable" in names
            if names & HELD and not holder and isinstance(node.target, ast.Attribute | ast.Name):
                found.append(ast.unparse(node.target))
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            called = ast.unparse(node.value.func).rpartition(".")[2]
            if called in HELD and any(isinstance(target, ast.Attribute) for target in node.targets):
                found.append(ast.unparse(node.targets[0]))
        elif (
            isinstance(node, ast.withitem)
            and isinstance(node.optional_vars, ast.Attribute)
            and ".use(" in ast.unparse(node.context_expr)
        ):
            found.append(ast.unparse(node.optional_vars))
    return found


def _parameters_kept(tree: ast.Module) -> list[str]:
    """Parameters annotated as a device or a client that a method stores in its object."""
    found: list[str] = []
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        given = {
            argument.arg
            for argument in [*function.args.args, *function.args.kwonlyargs]
            if argument.annotation is not None
            and (names := _annotation_names(argument.annotation)) & HELD
            and not names & {"Accessor", "Callable"}
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in given:
                found += [ast.unparse(t) for t in node.targets if isinstance(t, ast.Attribute)]
    return found


def test_nothing_but_the_accessor_stores_a_device_or_a_client() -> None:
    package = Path(whatsapp_mcp.__file__).parent
    rooms = ("device", "server", "web", "cli")
    stored = {
        f"{path.relative_to(package)}: {name}"
        for room in rooms
        for path in (package / room).rglob("*.py")
        if room == "device" or "whatsapp_mcp.device" in path.read_text(encoding="utf-8")
        for tree in [ast.parse(path.read_text(encoding="utf-8"))]
        for name in [*_stored(tree), *_parameters_kept(tree)]
    }
    # The questions on the phone live in the same tenure of a leader as its device, and end with it.
    assert stored == {"device/guard/phone_questions.py: self._device"}


@for_each(
    "source",
    [
        "class A:\n    def __init__(self, device: Device) -> None:\n        self.device = device",
        "class A:\n    client: Client | None = None",
        "class A:\n    def f(self):\n        self._client = Client(1)",
        "class A:\n    async def f(self):\n        async with self.use() as self.device:\n            pass",
    ],
)
def test_the_check_finds_what_stores_a_device(source: str) -> None:
    tree = ast.parse(source)
    assert [*_stored(tree), *_parameters_kept(tree)]
