"""An entry that is put into a file of TOML or YAML and taken out again leaves the file as it was."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume
from hypothesis import strategies as st

from tests.cli.hosts.test_texts import (
    NAMES,
    OURS,
    TEXTS,
    Reader,
    check_kept,
    check_made_and_gone,
    check_renewed,
    check_restored,
    folder,
    put,
    take,
)
from tests.tables import for_each
from whatsapp_mcp.cli.hosts import entry_of
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.features.hosts import OTHER_HOSTS, yaml_text

__all__ = ["folder"]

BY_NAME = {host.name: host for host in OTHER_HOSTS}


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


def read_toml(content: bytes) -> Any:
    return tomllib.loads(content.decode())


def read_yaml(content: bytes) -> Any:
    return yaml.safe_load(content) or {}


KINDS = [
    pytest.param("codex", toml_files(), read_toml, id="toml"),
    pytest.param("goose", yaml_files(), read_yaml, id="yaml"),
]


@pytest.mark.parametrize(("name", "files", "read"), KINDS)
def test_an_entry_is_added_and_the_file_is_restored_to_the_byte(
    name: str, files: st.SearchStrategy[bytes], read: Reader, folder: Path
) -> None:
    check_restored(BY_NAME[name], files, read, folder)


@pytest.mark.parametrize(("name", "files", "read"), KINDS)
def test_what_changed_since_stays_when_the_entry_is_taken_out(
    name: str, files: st.SearchStrategy[bytes], read: Reader, folder: Path
) -> None:
    check_kept(BY_NAME[name], files, read, folder)


@pytest.mark.parametrize(("name", "files", "read"), KINDS)
def test_an_installation_that_moved_is_found_again_and_undone(
    name: str, files: st.SearchStrategy[bytes], read: Reader, folder: Path
) -> None:
    check_renewed(BY_NAME[name], files, read, folder)


@for_each("name", ["codex", "goose"])
def test_a_file_that_was_not_there_is_gone_again(name: str, tmp_path: Path) -> None:
    check_made_and_gone(BY_NAME[name], tmp_path / "configuration")


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
