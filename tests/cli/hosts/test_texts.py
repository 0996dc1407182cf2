"""An entry that is put into a host's file and taken out again leaves the file as it was, to the byte."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.properties import examples
from tests.tables import for_each
from whatsapp_mcp.cli.hosts import HOSTS, Host, Launch, entry_of, json_text, yaml_text
from whatsapp_mcp.cli.hosts.editing import Change, put_in, taken_out
from whatsapp_mcp.errors import Unsupported

BY_NAME = {host.name: host for host in HOSTS}
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


def toml_value(draw: st.DrawFn) -> str:
    """A value, also over several lines, of which some look like headers."""
    return draw(
        st.sampled_from(
            [
                '"a"',
                "1",
                "true",
                "[1, 2]",
                "[\n  [1],\n  [2], # c\n]",
                '"""\n[mcp_servers.x]\n"""',
                "{ a = 1 }",
            ]
        )
        | TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f"))
    )


@st.composite
def toml_files(draw: st.DrawFn) -> bytes:
    """A configuration of Codex with comments."""
    lines: list[str] = []
    comments = st.sampled_from(["", "# mine", "   # [mcp_servers.no]"])

    def pairs() -> None:
        for name in draw(st.lists(NAMES, max_size=3, unique=True)):
            lines.append(f"{name} = {toml_value(draw)}")
            lines.extend(draw(st.lists(comments, max_size=2)))

    pairs()
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        header = draw(st.sampled_from(["[t.{0}]", "[mcp_servers.{0}]", '[mcp_servers."{0} b"]', "[[{0}]]"]))
        lines.append(header.format(name))
        pairs()
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text = "\n".join(lines).replace("\n", newline)
    content = (text + draw(st.sampled_from(["", newline, newline * 2]))).encode()
    assume(is_toml(content))
    return content


def is_toml(content: bytes) -> bool:
    """Whether names that were drawn do not clash."""
    try:
        tomllib.loads(content.decode())
    except tomllib.TOMLDecodeError:
        return False
    return True


@st.composite
def yaml_files(draw: st.DrawFn) -> bytes:
    """A configuration of Goose in block style."""
    margin = draw(st.sampled_from(["  ", "    "]))
    blocks = [
        "GOOSE_MODE: smart_approve\n",
        "# mine\n",
        "paths:\n  - /a\n  - /b\n",
        "text: |\n  extensions:\n",
    ]
    parts = draw(st.lists(st.sampled_from(blocks), unique=True))
    others = draw(st.lists(NAMES, max_size=2, unique=True))
    children = "".join(
        f"{margin}{name}:\n{margin * 2}enabled: true\n{margin * 2}args:\n{margin * 2}- a: b\n"
        for name in others
    )
    section = draw(st.sampled_from(["", "extensions: {}\n", "extensions:\n", "extensions: # all\n"]))
    if section:
        is_block = "{}" not in section
        parts.insert(draw(st.integers(0, len(parts))), section + (children if is_block else ""))
    text = "".join(parts)
    return (text if "|" in text or draw(st.booleans()) else text.rstrip("\n")).encode()


def read_json(content: bytes) -> Any:
    return json.loads(content.decode("utf-8-sig"))


def read_toml(content: bytes) -> Any:
    return tomllib.loads(content.decode())


def read_yaml(content: bytes) -> Any:
    return yaml.safe_load(content) or {}


KINDS = [
    pytest.param("cursor", json_files(), read_json, id="json"),
    pytest.param("cursor", commented_files(), read_commented, id="json-with-comments"),
    pytest.param("codex", toml_files(), read_toml, id="toml"),
    pytest.param("goose", yaml_files(), read_yaml, id="yaml"),
]
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


@pytest.mark.parametrize(("name", "files", "read"), KINDS)
def test_an_entry_is_added_and_the_file_is_restored_to_the_byte(
    name: str, files: st.SearchStrategy[bytes], read: Reader, folder: Path
) -> None:
    host, path = BY_NAME[name], folder / "configuration"

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


@pytest.mark.parametrize(("name", "files", "read"), KINDS)
def test_what_changed_since_stays_when_the_entry_is_taken_out(
    name: str, files: st.SearchStrategy[bytes], read: Reader, folder: Path
) -> None:
    host, path = BY_NAME[name], folder / "configuration"

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


@pytest.mark.parametrize(("name", "files", "read"), KINDS)
def test_an_installation_that_moved_is_found_again_and_undone(
    name: str, files: st.SearchStrategy[bytes], read: Reader, folder: Path
) -> None:
    host, path = BY_NAME[name], folder / "configuration"

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


ZED = """// Zed settings
//
// To see all of Zed's default settings, run `zed: open default settings`
{
  "ui_font_size": 16, // of menus
  "theme": {
    "mode": "system",
    "light": "One Light", /* by day */
  },
  // "vim_mode": true,
}
"""


def test_an_entry_goes_into_stock_settings_of_zed_below_the_last_one_and_above_what_is_commented_out(
    tmp_path: Path,
) -> None:
    path = tmp_path / "settings.json"
    path.write_text(ZED)

    put(BY_NAME["zed"], path, MOVED)

    entry = """  "context_servers": {
    "whatsapp": {
      "command": "/usr/bin/whatsapp-mcp",
      "args": []
    }
  },
"""
    assert path.read_text() == ZED.replace('  // "vim', entry + '  // "vim')
    path.write_text(path.read_text().replace("16", "18"))
    take(BY_NAME["zed"], path)
    assert path.read_text() == ZED.replace("16", "18")


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
        put(BY_NAME["cursor"], path)

    assert refused.value.action == "Correct that line, then run this again."
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("mcp.json", text)]


@pytest.mark.parametrize("name", ["cursor", "codex", "goose"])
def test_a_file_that_was_not_there_is_gone_again(name: str, tmp_path: Path) -> None:
    path = tmp_path / "configuration"

    put(BY_NAME[name], path)
    assert path.stat().st_mode & 0o777 == 0o600
    take(BY_NAME[name], path)

    assert list(tmp_path.iterdir()) == []


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


def goose(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def test_a_yaml_file_without_a_newline_at_its_end_keeps_its_last_value(tmp_path: Path) -> None:
    for text in ("a: 1", "extensions:", "extensions:\n  o:\n    enabled: true", "extensions: {}"):
        path = goose(tmp_path, text)
        put(BY_NAME["goose"], path)
        before, after = read_yaml(text.encode()), read_yaml(path.read_bytes())
        assert after["extensions"].pop("whatsapp") == entry_of(BY_NAME["goose"], OURS, "whatsapp")
        assert {**after, "extensions": after["extensions"] or None} == {
            **before,
            "extensions": before.get("extensions") or None,
        }
        take(BY_NAME["goose"], path)
        assert path.read_text() == text


def test_a_comment_above_the_next_key_stays_when_an_entry_is_renewed_or_removed(tmp_path: Path) -> None:
    entry = "  whatsapp:\n    cmd: /old/whatsapp-mcp # there\n    args: []\n"
    path = goose(tmp_path, f"extensions:\n{entry}\n  # about o\n  o:\n    enabled: true\n# about a\na: 1\n")

    put(BY_NAME["goose"], path)
    assert path.read_text().endswith("\n\n  # about o\n  o:\n    enabled: true\n# about a\na: 1\n")
    take(BY_NAME["goose"], path)
    assert path.read_text() == "extensions:\n\n  # about o\n  o:\n    enabled: true\n# about a\na: 1\n"


def test_a_container_that_is_emptied_leaves_what_stands_around_it(tmp_path: Path) -> None:
    entry = "  whatsapp:\n    cmd: /old/whatsapp-mcp\n"
    path = goose(tmp_path, f"text: |\n  one\nextensions:\n  # mine\n{entry}\n# about b\nb: 1\n")

    take(BY_NAME["goose"], path)

    assert path.read_text() == "text: |\n  one\n\n# about b\nb: 1\n"


def test_what_a_person_added_to_an_entry_in_yaml_is_kept_as_it_is(tmp_path: Path) -> None:
    added = "    description: 'it''s'\n    bundled: false\n    available_tools:\n    - list_chats\n"
    added += "    env_keys: []\n"
    path = goose(tmp_path, f"extensions:\n  whatsapp:\n    cmd: /old/whatsapp-mcp\n{added}")

    put(BY_NAME["goose"], path)

    entry = read_yaml(path.read_bytes())["extensions"]["whatsapp"]
    assert entry.items() >= entry_of(BY_NAME["goose"], OURS, "whatsapp").items()
    assert (entry["description"], entry["bundled"]) == ("it's", False)
    assert (entry["available_tools"], entry["env_keys"]) == (["list_chats"], [])


@for_each(
    "text",
    [
        "extensions:\n  - a\n",
        "extensions:\n  a\n",
        "extensions:\n  a: 1\nextensions:\n  b: 1\n",
        "a: 1\n---\nb: 1\n",
        "a: 'b\n",
        "extensions: &x\n  a: 1\nb: *x\n",
    ],
)
def test_yaml_that_cannot_be_changed_is_left_as_it_is(text: str, tmp_path: Path) -> None:
    path = goose(tmp_path, text)

    with pytest.raises(Unsupported):
        put(BY_NAME["goose"], path)

    assert path.read_text() == text


def test_yaml_may_be_written_in_any_way_and_keeps_its_values(tmp_path: Path) -> None:
    ours = "extensions:\n  whatsapp:\n    cmd: /old/whatsapp-mcp\n"
    for text in (
        "extensions:\n  {a: 1}\n",
        "extensions: {a: 1}\n",
        "extensions: &x\n  a: 1\n",
        "extensions:\n  'a':\n    b: 1\n",
        f"{ours}    text: >-\n      a\n      b\n",
        f"{ours}    text: 'a\n      b'\n",
        f"{ours}    active: yes\n",
        f"{ours}    since: 2026-01-01\n",
        "extensions:\nb: |\n  a",
        "  a: 1\n",
        'a: "x\u2028extensions: "\n',
    ):
        path = goose(tmp_path, text)
        put(BY_NAME["goose"], path)
        before, after = yaml_text.read(text), yaml_text.read(path.read_text())
        mine, former = after["extensions"].pop("whatsapp"), dict(before.pop("extensions", None) or {})
        wanted = entry_of(BY_NAME["goose"], OURS, "whatsapp")
        assert mine == {**former.pop("whatsapp", {}), **wanted}, text
        assert after.pop("extensions") == former, text
        assert after == before, text
        path.with_name(f"{path.name}.before-whatsapp").unlink(missing_ok=True)


def test_other_entries_in_yaml_keep_their_form(tmp_path: Path) -> None:
    others = "  o:\n    text: >-\n      a\n\n      # b\n    args: [a, b]\n  p: &x\n    q: 'on'\n  r: *x\n"
    path = goose(tmp_path, f"extensions:\n{others}")

    put(BY_NAME["goose"], path)

    assert path.read_text().endswith(others)


def test_a_date_in_an_entry_in_toml_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    dates = "day = 2026-01-02\nmoment = 2026-01-02T03:04:05Z\nat = 03:04:05\n"
    path.write_text(f'[mcp_servers.whatsapp]\ncommand = "/old/whatsapp-mcp"\n{dates}')
    added = tomllib.loads(dates)

    put(BY_NAME["codex"], path)

    assert read_toml(path.read_bytes())["mcp_servers"]["whatsapp"].items() >= added.items()
