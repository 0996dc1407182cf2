"""A link carries the command, as the application reads it."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from release.links import Linked, install_link

COMMAND = "/home/Ana María/.local/bin/whatsapp-mcp"
ARGUMENTS = ("serve", "--account", "a&b=c", "ü#")


def test_vs_code_is_given_the_server_as_json_in_the_query() -> None:
    link = install_link(Linked.VSCODE, COMMAND, ARGUMENTS)
    parts = urlsplit(link)
    assert (parts.scheme, parts.path, parts.fragment) == ("vscode", "mcp/install", "")
    assert json.loads(unquote(parts.query)) == {
        "name": "whatsapp",
        "type": "stdio",
        "command": COMMAND,
        "args": list(ARGUMENTS),
    }


def test_cursor_is_given_the_server_as_base64() -> None:
    parts = urlsplit(install_link(Linked.CURSOR, COMMAND, ARGUMENTS))
    query = parse_qs(parts.query, strict_parsing=True)
    assert (parts.scheme, parts.netloc, parts.path) == ("cursor", "anysphere.cursor-deeplink", "/mcp/install")
    assert query["name"] == ["whatsapp"]
    assert json.loads(base64.b64decode(query["config"][0])) == {"command": COMMAND, "args": list(ARGUMENTS)}


@pytest.mark.parametrize("application", Linked)
def test_a_link_is_plain_ascii_without_spaces(application: Linked) -> None:
    link = install_link(application, COMMAND, ARGUMENTS)
    assert link.isascii()
    assert " " not in link
