"""Rules of this code that no linter knows, held by reading it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from whatsapp_mcp import errors

ROOT = Path(__file__).parents[1]
PACKAGES = ("whatsapp_fleet", "whatsapp_mcp", "whatsapp_simulator")
MODULES = {
    path.relative_to(ROOT).as_posix().removeprefix("whatsapp_mcp/"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
BOUNDARIES = {
    "whatsapp_fleet/node/account.py",
    "client/__main__.py",
    "device/supervise.py",
    "media/job.py",
    "processes/rpc.py",
    "server/calls/beginning.py",
}
"""Outermost loops of a process, a task, a job and a call: what fails behind them gets no further."""
LINES_OF_A_MODULE = 440
LINES_OF_A_FUNCTION = 44
"""Without signature and docstring. CONTRIBUTING says about 400 and about 40; usual are 150 and 7."""
LONGER = {
    "archive/archive.py": "all that a leader may do with its archive",
    "archive/database/tables.py": "the schema, which is read as one",
    "device/connection/state.py": "one state machine",
    "device/local_device.py": "puts the parts of a device together",
    "archive/read/chat_queries.py:chats": "one query with its filters",
    "archive/read/message_rows.py:_message": "one row, column by column",
    "server/reading/guarded_search.py:search": "one search, page by page",
    "server/render/data.py:message_data": "one message, fact by fact",
}
"""What is longer, and why it is not cut."""


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax of every module; not read by each worker that only collects the tests."""
    return {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}


ERRORS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
}
WORDS_OF_OTHERS = {
    "name", "chat_name", "sender_name", "push_name", "business_name", "saved_name", "file_name", "text",
    "topic", "description", "title", "question", "caption", "about", "emoji", "snippet", "Error", "args",
}  # fmt: skip
"""Attributes in which somebody else, or a library, has written."""
SHOWS_A_NAME = {"called", "titled", "clean_name", "chosen_name", "quoted", "repr"}


OUR_OWN = {"self", "spec", "path", "act"}
"""What holds names of the code, and the files that a person gives to a command."""
FOR_PERSONS = ("cli/", "whatsapp_fleet/node/serving.py", "whatsapp_simulator/", "settings/")
"""Where errors are read at a terminal and never by a model."""


def parsed() -> Iterator[tuple[str, ast.AST]]:
    """Every piece of syntax of the package, with its module."""
    for module, tree in trees().items():
        for node in ast.walk(tree):
            yield module, node


def catches_everything(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in kinds)


def raises_again(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_every_error_is_caught_at_a_boundary_alone() -> None:
    swallowed = [
        f"{module}:{node.lineno}"
        for module, node in parsed()
        if module not in BOUNDARIES
        and isinstance(node, ast.ExceptHandler)
        and catches_everything(node)
        and not raises_again(node)
    ]
    assert swallowed == []


def test_the_command_of_a_child_process_is_made_in_one_place() -> None:
    uses = {
        module for module, node in parsed() if isinstance(node, ast.Attribute) and node.attr == "executable"
    }
    assert uses == {"processes/child_process.py"}


def test_protobufs_of_others_are_parsed_within_bounds() -> None:
    """Those that the simulator parses are of our own tests and demo."""
    parsing = {"FromString", "ParseFromString", "MergeFromString"}
    uses = {module for module, node in parsed() if isinstance(node, ast.Attribute) and node.attr in parsing}
    assert {module for module in uses if not module.startswith("whatsapp_simulator/")} == {
        "protobufs/bounded.py"
    }


def test_no_function_changes_a_global() -> None:
    assert [f"{module}:{node.lineno}" for module, node in parsed() if isinstance(node, ast.Global)] == []


def test_a_module_can_be_read_in_one_sitting() -> None:
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}
    longer = {module for module, lines in lengths.items() if lines > LINES_OF_A_MODULE}
    assert longer == {name for name in LONGER if ":" not in name}


def test_a_function_can_be_seen_at_once() -> None:
    functions = [
        (f"{module}:{node.name}", lines_of(node))
        for module, node in parsed()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    longer = {place for place, lines in functions if lines > LINES_OF_A_FUNCTION}
    assert longer == {name for name in LONGER if ":" in name}


def foreign_words(call: ast.Call, caught: frozenset[str]) -> list[str]:
    """What an error's sentences hold of the words of others: names, texts, what an exception says."""
    said = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg in {"message", "action"})]
    parts = [
        part.value for each in said for part in ast.walk(each) if isinstance(part, ast.FormattedValue)
    ] + [each for each in said if not isinstance(each, ast.JoinedStr | ast.Constant)]
    names = [node for part in parts for node in ast.walk(part)]
    return [
        ast.unparse(node)
        for node in names
        if (
            isinstance(node, ast.Attribute)
            and node.attr in WORDS_OF_OTHERS
            and ast.unparse(node.value) not in OUR_OWN
        )
        or (isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in SHOWS_A_NAME)
        or (isinstance(node, ast.Call) and ast.unparse(node) in {f"str({name})" for name in caught})
    ] + [part.id for part in parts if isinstance(part, ast.Name) and part.id in caught]


def error_calls() -> Iterator[tuple[str, ast.Call, frozenset[str]]]:
    """Every error of the tree that is made, with its place and the names of caught exceptions."""
    for module, tree in trees().items():
        if module.startswith(FOR_PERSONS):
            continue
        caught = frozenset(
            node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name
        )
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ERRORS:
                yield f"{module}:{node.lineno}", node, caught


def test_no_sentence_of_an_error_holds_the_words_of_others() -> None:
    assert {
        place: found for place, call, caught in error_calls() if (found := foreign_words(call, caught))
    } == {}


ASKS_WHICH_SYSTEM = {
    "cli/account_changes.py": "Windows renames no folder while a file in it is open",
    "cli/demo/__init__.py": "the demo's clients can be made to trust the simulator on Linux alone",
    "cli/doctor/bundle.py": "names the system to whoever reads the report",
    "cli/doctor/program.py": "pyproject.toml names a package for all systems but Windows",
    "whatsapp_fleet/cli/app.py": "the timer that ends a client with its lease is Linux's",
    "cli/hosts/launch.py": "each host has its files in other places on each system",
    "cli/service.py": "each system has a service manager of its own",
    "client/confinement.py": "Landlock is Linux's",
    "client/import_blocker.py": "on Linux alone the client runs no program",
    "client/library.py": "pyproject.toml names a package for all systems but Windows",
    "media/child.py": "each system has other limits for a process",
    "processes/child_process.py": "the kernel ends a process with its parent on Linux alone",
    "processes/system_calls.py": "every command asks for it first, before `system/` is loaded",
    "processes/seccomp.py": "a filter is made for a processor",
    "whatsapp_simulator/launcher.py": "clients can be made to trust it on Linux alone",
}
"""Modules outside of `system/` that ask which system this is, and why they may."""
SAYS_WHICH_SYSTEM = {"sys.platform", "os.name", "platform.system", "platform.machine"}
OF_ONE_SYSTEM = {"fcntl", "grp", "msvcrt", "pwd", "resource", "termios", "winreg"}


def asks_which_system(node: ast.AST) -> bool:
    """Whether a piece of syntax depends on the operating system, openly or by what that has."""
    match node:
        case ast.Attribute():
            return ast.unparse(node) in SAYS_WHICH_SYSTEM
        case ast.Call(func=ast.Name(id="hasattr"), args=[ast.Name(id="os" | "signal" | "socket"), _]):
            return True
        case ast.Import():
            return any(name.name in OF_ONE_SYSTEM for name in node.names)
        case ast.ImportFrom(module="whatsapp_mcp.system"):
            return any(name.name == "HERE" for name in node.names)
        case ast.ImportFrom():
            return node.module in OF_ONE_SYSTEM
        case _:
            return False


def test_which_system_this_is_is_asked_in_one_room() -> None:
    asking = {
        module for module, node in parsed() if not module.startswith("system/") and asks_which_system(node)
    }
    here = {module for module, _ in parsed()}
    assert asking == {*ASKS_WHICH_SYSTEM} & here
