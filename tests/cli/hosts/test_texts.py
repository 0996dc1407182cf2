"""An entry that is put into a host's file and taken out again leaves the file as it was, to the byte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.properties import examples
from tests.tables import for_each
from whatsapp_mcp.cli.hosts import Host, Launch, entry_of, json_text
from whatsapp_mcp.cli.hosts.editing import Change, put_in, taken_out
from whatsapp_mcp.cli.hosts.table import CLAUDE_DESKTOP
from whatsapp_mcp.errors import Unsupported

OURS = Launch("/opt/whatsapp-mcp", ("--account", "wörk"), (("WHATSAPP_MCP_HOME", 'C:\\A "B"\\wa'),))
MOVED = Launch("/usr/bin/whatsapp-mcp")
NAMES = st.text("abcXYZ_-09", min_size=1, max_size=8).filter(lambda name: name[0].isalpha())
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
SERVERS = st.dictionaries(
    NAMES, st.fixed_dictionaries({"command": TEXTS, "args": st.lists(TEXTS)}), max_size=3
)


@st.composite
def json_files(draw: st.DrawFn) -> bytes:
    """A host's JSON as people and programs write it."""
    value: dict[str, Any] = draw(st.dictionaries(TEXTS, VALUES, max_size=4))
    value.pop("mcpServers", None)
    if draw(st.booleans()):
        value["mcpServers"] = draw(SERVERS)
    if draw(st.booleans()):
        value = dict(reversed(value.items()))
    indent = draw(st.sampled_from([None, 0, 1, 2, 4, "\t"]))
    tight = draw(st.booleans())
    text = json.dumps(
        value,
        indent=indent,
        ensure_ascii=draw(st.booleans()),
        separators=(",", ":") if tight else None,
    )
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    around = st.sampled_from(["", "\n", "\r\n", " ", "\n\n"])
    mark = draw(st.sampled_from(["", "\ufeff"]))
    return (mark + draw(around) + text + draw(around)).encode()


BLANKS = st.sampled_from(
    [
        "",
        "",
        " ",
        "\n",
        "\r\n  ",
        "\n    ",
        "\t",
        " // c\n",
        '// "x": {},\r\n\t',
        "/* , } */",
        " /* a\n b */ ",
    ]
)


@st.composite
def commented_files(draw: st.DrawFn) -> bytes:
    """A host's JSON with comments and trailing commas, as editors accept them."""

    def blank() -> str:
        return draw(BLANKS)

    def written(value: Any) -> str:
        if not value or not isinstance(value, dict | list):
            return json.dumps(value, ensure_ascii=draw(st.booleans()))
        items = (
            [written(each) for each in value]
            if isinstance(value, list)
            else [f"{json.dumps(key)}{blank()}:{blank()}{written(each)}" for key, each in value.items()]
        )
        inside = ",".join(f"{blank()}{item}{blank()}" for item in items)
        trailing = draw(st.sampled_from(["", f",{blank()}"]))
        return f"{'{['[isinstance(value, list)]}{inside}{trailing}{'}]'[isinstance(value, list)]}"

    value: dict[str, Any] = draw(st.dictionaries(TEXTS, VALUES, max_size=3))
    value.pop("mcpServers", None)
    if draw(st.booleans()):
        value["mcpServers"] = draw(SERVERS)
        value = dict(draw(st.permutations(list(value.items()))))
    mark = draw(st.sampled_from(["", "\ufeff"]))
    return (mark + blank() + written(value) + blank()).encode()


def read_commented(content: bytes) -> Any:
    """What such a file says, read in another way than the program does."""
    text = content.decode("utf-8-sig")
    for extra in (r"//[^\r\n]*|/\*.*?\*/", r",(?=\s*[}\]])"):
        pattern = rf'("(?:\\.|[^"\\])*")|(?:{extra})'
        text = re.sub(pattern, lambda found: found[1] or " ", text, flags=re.DOTALL)
    return json.loads(text)


def read_json(content: bytes) -> Any:
    return json.loads(content.decode("utf-8-sig"))


Reader = Callable[[bytes], Any]


def put(host: Host, path: Path, launch: Launch = OURS, name: str = "whatsapp") -> Change | None:
    change = put_in(host, path, name, entry_of(host, launch, name))
    if change is not None:
        change.apply()
    return change


def take(host: Host, path: Path, name: str = "whatsapp") -> None:
    change = taken_out(host, path, name)
    assert change is not None
    change.apply()


def reach(container: Any) -> dict[str, Any]:
    return container or {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files of one test are, one after the other."""
    return tmp_path_factory.mktemp("hosts")


def check_restored(host: Host, files: st.SearchStrategy[bytes], read: Reader, folder: Path) -> None:
    """See that an entry is added to each of these files, and that taking it out restores them to the byte."""
    path = folder / "configuration"

    @given(files)
    @settings(max_examples=examples(40))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        put(host, path)
        before, after = read(content), read(path.read_bytes())
        mine = after[host.container].pop("whatsapp")
        assert mine == entry_of(host, OURS, "whatsapp")
        assert {**after, host.container: after[host.container] or None} == {
            **before,
            host.container: before.get(host.container) or None,
        }
        assert put(host, path) is None
        take(host, path)
        assert path.read_bytes() == content
        assert [each.name for each in folder.iterdir()] == ["configuration"]

    check()


def check_kept(host: Host, files: st.SearchStrategy[bytes], read: Reader, folder: Path) -> None:
    """See that what changed since stays when the entry is taken out."""
    path = folder / "configuration"

    @given(files)
    @settings(max_examples=examples(40))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        put(host, path)
        put(host, path, MOVED, "whatsapp-work")
        put(host, path, MOVED)
        take(host, path)
        before, after = read(content), read(path.read_bytes())
        assert after[host.container].pop("whatsapp-work") == entry_of(host, MOVED, "whatsapp-work")
        assert reach(after.pop(host.container)) == reach(before.pop(host.container, None))
        assert after == before
        take(host, path, "whatsapp-work")

    check()


def check_renewed(host: Host, files: st.SearchStrategy[bytes], read: Reader, folder: Path) -> None:
    """See that an installation that moved is found and undone."""
    path = folder / "configuration"

    @given(files)
    @settings(max_examples=examples(40))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        put(host, path)
        put(host, path, MOVED)
        assert read(path.read_bytes())[host.container]["whatsapp"] == entry_of(host, MOVED, "whatsapp")
        take(host, path)
        after, before = read(path.read_bytes()), read(content)
        assert reach(after.pop(host.container, None)) == reach(before.pop(host.container, None))
        assert after == before

    check()


def check_made_and_gone(host: Host, path: Path) -> None:
    """See that a file that was not there is private, and gone after the entry was taken out."""
    put(host, path)
    assert path.stat().st_mode & 0o777 == 0o600
    take(host, path)

    assert [*path.parent.iterdir()] == []


KINDS = [
    pytest.param(json_files(), read_json, id="json"),
    pytest.param(commented_files(), read_commented, id="json-with-comments"),
]


@pytest.mark.parametrize(("files", "read"), KINDS)
def test_an_entry_is_added_and_the_file_is_restored_to_the_byte(
    files: st.SearchStrategy[bytes], read: Reader, folder: Path
) -> None:
    check_restored(CLAUDE_DESKTOP, files, read, folder)


@pytest.mark.parametrize(("files", "read"), KINDS)
def test_what_changed_since_stays_when_the_entry_is_taken_out(
    files: st.SearchStrategy[bytes], read: Reader, folder: Path
) -> None:
    check_kept(CLAUDE_DESKTOP, files, read, folder)


@pytest.mark.parametrize(("files", "read"), KINDS)
def test_an_installation_that_moved_is_found_again_and_undone(
    files: st.SearchStrategy[bytes], read: Reader, folder: Path
) -> None:
    check_renewed(CLAUDE_DESKTOP, files, read, folder)


def test_a_file_that_was_not_there_is_gone_again(tmp_path: Path) -> None:
    check_made_and_gone(CLAUDE_DESKTOP, tmp_path / "configuration")


@given(commented_files())
@settings(max_examples=examples(100))
def test_json_with_comments_is_restored_by_position_where_no_former_content_is_kept(content: bytes) -> None:
    text, container = content.decode().removeprefix("\ufeff"), "mcpServers"
    servers = read_commented(content).get(container)
    assume(servers is None or servers)  # of the blank in an empty object nothing is left
    assume(read_commented(content))

    added = json_text.with_entry(text, container, "whatsapp", {"command": "x", "args": ["y"]})
    former = json_text.without_entry(added, container, "whatsapp", keeps_container=servers is not None)

    assert former == text


STOCK = """// Settings of an editor
{
  "ui_font_size": 16, // of menus
  "theme": {
    "mode": "system",
    "light": "One Light", /* by day */
  },
  // "vim_mode": true,
}
"""


def test_an_entry_goes_into_a_file_with_comments_below_the_last_one_and_above_what_is_commented_out(
    tmp_path: Path,
) -> None:
    path = tmp_path / "settings.json"
    path.write_text(STOCK)

    put(CLAUDE_DESKTOP, path, MOVED)

    entry = """  "mcpServers": {
    "whatsapp": {
      "command": "/usr/bin/whatsapp-mcp",
      "args": []
    }
  },
"""
    assert path.read_text() == STOCK.replace('  // "vim', entry + '  // "vim')
    path.write_text(path.read_text().replace("16", "18"))
    take(CLAUDE_DESKTOP, path)
    assert path.read_text() == STOCK.replace("16", "18")


@for_each(
    ("text", "line"),
    [
        ('{\n  // c\n  "a": 1,,\n}', 3),
        ('{\n  "a": 1 /* does not end\n}', 2),
        ('{\n  "a": [1,\n  ,]\n}', 3),
        ('{\n  /* a\n b */ "a" 1\n}', 3),
        ("{\n,}", 2),
        ('{\n"a": 1\n}\n// c\n{}', 5),
    ],
)
def test_broken_json_is_refused_with_its_line_and_left_as_it_is(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(text)

    with pytest.raises(Unsupported, match=f"its line {line} is not valid JSON") as refused:
        put(CLAUDE_DESKTOP, path)

    assert refused.value.action == "Correct that line, then run this again."
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("mcp.json", text)]


@for_each(
    "ending",
    [
        f"// {'/' * 5_000}\n}}",
        f"{'/* c */' * 3_000}}}",
        f", {'// c' + chr(10)} {'/* c */' * 3_000}}}",
        f"//{'/*' * 5_000}\n}}",
    ],
)
def test_long_comments_are_passed_over_at_once(ending: str) -> None:
    assert json_text.read(f'{{"a": "//, }}" {ending}') == {"a": "//, }"}


@for_each("text", ["{" + "/*" * 50_000, '{"a' + '\\"' * 50_000, '{"a": 1 2}', '{"a": 1,,}', "{} /"])
def test_what_does_not_end_is_not_json(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        json_text.read(text)
