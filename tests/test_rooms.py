"""Rooms, the folders of the packages: what is used of them from outside, and in which direction."""

from __future__ import annotations

import ast
import graphlib
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("whatsapp_fleet", "whatsapp_mcp", "whatsapp_simulator")
MOST_MODULES = 16
"""In one room, beside its face: then it gets rooms of its own."""
LARGE = {"whatsapp_simulator"}
"""The simulator stays one room."""
ON_THE_SIMULATOR = ("whatsapp_mcp.cli.demo.", "whatsapp_mcp.simulated")
"""What of the server runs on a simulated WhatsApp."""
OF_THE_SERVER = {"errors", "jid", "processes", "protobufs"}
"""What the simulator uses of the server."""
OPERATIONS = "whatsapp_mcp.device.operations"
"""Its modules know the parts of a device that do what they declare, by their types alone."""
OPEN = {
    "whatsapp_mcp.archive": "commands and the device have to do with its files, readers with its answers",
    OPERATIONS: "each module is a topic, and what can be asked stands there under its name",
    "whatsapp_mcp.media": "processes of features decode with what they need of it, and load no more",
    "whatsapp_mcp.models": "what is imported everywhere takes no longer to load than it has to",
    "whatsapp_mcp.protobufs": "its face loads the modules of all messages",
    "whatsapp_mcp.settings": "it lists sections of features, which are made of its parts",
    "whatsapp_simulator": "the demo tells a story in its scenario",
}
"""Rooms that are used beside their face, and modules behind one, and why."""
EXCEPTIONS = {
    "whatsapp_fleet.cli.moving -> whatsapp_fleet.node.moving": "the face loads a whole node",
}
LISTINGS = {
    "whatsapp_mcp.cli.app",
    "whatsapp_mcp.cli.doctor.examination",
    "whatsapp_mcp.cli.hosts.table",
    "whatsapp_mcp.device.guard.facts",
    "whatsapp_mcp.device.leader.leadership",
    "whatsapp_mcp.device.operations.registry",
    "whatsapp_mcp.media.jobs",
    "whatsapp_mcp.server.runtime",
    "whatsapp_mcp.server.tools.toolsets",
    "whatsapp_mcp.settings.sections",
    "whatsapp_mcp.web.pages",
}
"""The modules of the core that list features."""


@cache
def modules() -> dict[str, ast.Module]:
    """The syntax of each module by its name, a room's face under the name of the room."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return {
        name.removesuffix(".__init__"): ast.parse(path.read_text(encoding="utf-8"))
        for name, path in zip(names, paths, strict=True)
    }


@cache
def rooms() -> dict[str, Path]:
    """The folder of each room."""
    faces = [face for package in PACKAGES for face in sorted((ROOT / package).rglob("__init__.py"))]
    return {".".join(face.parent.relative_to(ROOT).parts): face.parent for face in faces}


@cache
def imports() -> set[tuple[str, str]]:
    """Which module imports which, inside functions and for types too."""
    found: set[tuple[str, str]] = set()
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                each = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {(name, one if one in modules() else node.module) for one in each}
            elif isinstance(node, ast.Import):
                found |= {(name, alias.name) for alias in node.names}
    return {(name, other) for name, other in found if other in modules()}


@cache
def offered(room: str) -> frozenset[str]:
    """The names that the face of a room lists, modules among them; none if it has no list."""
    for node in modules()[room].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def test_others_use_of_a_room_what_its_face_offers() -> None:
    closed = [room for room in rooms() if offered(room) and room not in OPEN]
    behind = {
        f"{name} -> {other}"
        for name, other in imports()
        for room in closed
        if other.startswith(f"{room}.") and other not in OPEN
        if not f"{name}.".startswith(f"{room}.") and other.rpartition(".")[2] not in offered(room)
    }
    assert behind == {each for each in EXCEPTIONS if each.partition(" -> ")[0] in modules()}


def test_no_parts_of_a_room_need_each_other() -> None:
    circles: list[object] = []
    for room in rooms():
        parts: dict[str, set[str]] = {}
        inside = [
            (name, other)
            for name, other in imports()
            if name.startswith(f"{room}.") and other.startswith(f"{room}.")
            if name not in LISTINGS or feature(other) is None
            if not name.startswith(OPERATIONS) or other.startswith(OPERATIONS)
        ]
        for name, other in inside:
            user, used = (one.removeprefix(f"{room}.").partition(".")[0] for one in (name, other))
            if user != used:
                parts.setdefault(user, set()).add(used)
        try:
            graphlib.TopologicalSorter(parts).prepare()
        except graphlib.CycleError as error:
            circles.append((room, error.args[1]))
    assert circles == []


def test_a_room_says_what_it_is_and_can_be_looked_over() -> None:
    assert [room for room in rooms() if not ast.get_docstring(modules()[room])] == []
    sizes = {room: len([*folder.glob("*.py")]) - 1 for room, folder in rooms().items() if room not in LARGE}
    assert {room: size for room, size in sizes.items() if size > MOST_MODULES} == {}


def test_the_simulator_stands_apart() -> None:
    simulator, server = (f"{package}." for package in ("whatsapp_simulator", "whatsapp_mcp"))
    users = {name for name, other in imports() if f"{other}.".startswith(simulator)}
    assert {name for name in users if not f"{name}.".startswith((simulator, *ON_THE_SIMULATOR))} == set()
    used = {other for name, other in imports() if f"{name}.".startswith(simulator)}
    rooms_used = {other.removeprefix(server).partition(".")[0] for other in used if other.startswith(server)}
    assert rooms_used == OF_THE_SERVER


def feature(name: str) -> str | None:
    """The feature that a module, of the package or of its tests, belongs to."""
    inside = re.match(r"(?:whatsapp_mcp|tests)\.features\.(\w+)", name)
    return inside and inside[1]


def test_the_core_names_features_where_it_lists_them_and_they_do_not_know_each_other() -> None:
    users = {name for name, other in imports() if feature(other) not in {None, feature(name)}}
    assert {name for name in users if not name.startswith("whatsapp_fleet.")} - LISTINGS == set()


def test_the_tests_of_the_core_do_without_features() -> None:
    found: set[str] = set()
    for path in sorted((ROOT / "tests").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        used = re.findall(r"(?:whatsapp_mcp|tests)\.features\.\w+", path.read_text(encoding="utf-8"))
        found |= {f"{name}: {one}" for one in used if feature(one) != feature(name)}
    assert {one for one in found if not one.startswith(("tests.fleet.", "tests.test_rooms"))} == set()


def test_nothing_of_the_server_uses_the_fleet() -> None:
    users = {name for name, other in imports() if f"{other}.".startswith("whatsapp_fleet.")}
    assert {name for name in users if not f"{name}.".startswith("whatsapp_fleet.")} == set()
