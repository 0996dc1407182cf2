"""`[[webhooks]]` of `config.toml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tables import for_each
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.settings import Settings, load

URL = "https://hooks.example.org/whatsapp?key=hunter2"


def loaded(home: Path, url: str = URL, *lines: str) -> Settings:
    text = f'[[webhooks]]\nname = "n8n"\nurl = "{url}"\nsecrets = ["env:HOOK"]\n' + "\n".join(lines)
    (home / "config.toml").write_text(text, encoding="utf-8")
    return load(home)


def test_a_webhook_needs_a_name_a_url_and_a_secret(tmp_path: Path) -> None:
    [webhook] = loaded(tmp_path).webhooks
    assert (webhook.events, webhook.origin) == (("message",), "https://hooks.example.org")


@for_each(
    ("url", "lines"),
    [
        ("http://hooks.example.org/hunter2", ()),
        ("http://127.0.0.1:5678/hunter2", ()),
        ("https://192.168.1.20/hunter2", ()),
        ("https://[::1]/hunter2", ()),
        ("https://localhost/hunter2", ()),
        ("https://nas.local/hunter2", ()),
        ("https://nas.local./hunter2", ()),
        ("https://192.0.0.192/hunter2", ()),
        ("https://224.0.0.1/hunter2", ()),
        ("https://127.1/hunter2", ()),
        ("https://[64:ff9b::a00:1]/hunter2", ()),
        ("https://[2002:a00:1::]/hunter2", ()),
        ("https://[fd20:ce::254]/hunter2", ()),
        ("https://user:hunter2@example.org/", ()),
        ("ftp://example.org/hunter2", ("private_network = true",)),
        ("hunter2", ("private_network = true",)),
        ("https://example.org/hunter2#x", ()),
    ],
)
def test_a_url_that_is_not_public_needs_to_be_allowed_and_none_is_repeated(
    tmp_path: Path, url: str, lines: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        loaded(tmp_path, url, *lines)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:5678/x", "http://n8n.local/x", "https://192.168.1.20/x"])
def test_a_private_network_can_be_allowed(tmp_path: Path, url: str) -> None:
    assert loaded(tmp_path, url, "private_network = true").webhooks[0].url == url


@for_each(
    "line",
    ['events = ["everything"]', "events = []", 'chat = "x"', 'secrets = ["hunter2"]', "secrets = []",
     'name = "N8N"', 'name = "../x"'],
)  # fmt: skip
def test_an_invalid_value_stops_the_start(tmp_path: Path, line: str) -> None:
    given = {"name": '"n8n"', "url": f'"{URL}"', "secrets": '["env:HOOK"]'}
    key, _, value = line.partition(" = ")
    text = "\n".join(f"{name} = {each}" for name, each in {**given, key: value}.items())
    (tmp_path / "config.toml").write_text(f"[[webhooks]]\n{text}\n", encoding="utf-8")
    with pytest.raises(InvalidArgument) as refused:
        load(tmp_path)
    assert "hunter2" not in str(refused.value)


def test_two_webhooks_have_two_names(tmp_path: Path) -> None:
    again = f'[[webhooks]]\nname = "n8n"\nurl = "{URL}"\nsecrets = ["env:X"]'
    with pytest.raises(InvalidArgument, match="the same name"):
        loaded(tmp_path, URL, again)


def test_webhooks_are_read_from_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHATSAPP_MCP_WEBHOOKS", "[]")
    with pytest.raises(InvalidArgument, match="cannot be set by environment"):
        load(tmp_path)
