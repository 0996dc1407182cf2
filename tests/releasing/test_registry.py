"""The entry in the MCP registry keeps to what the registry asks."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from release.checks import load
from release.offers import server_json, server_name
from tests.releasing.checkout import ROOT, VERSION
from tests.releasing.test_checks import PROJECT

RULES: Any = json.loads(Path(__file__).with_name("server_rules.json").read_text(encoding="utf-8"))
BUNDLE = f"mcp-server-whatsapp-{VERSION}.mcpb"


def test_the_entry_of_a_release_keeps_the_rules(published: dict[str, bytes]) -> None:
    jsonschema.validate(json.loads(published["server.json"]), RULES)


def test_the_entry_of_a_rehearsal_keeps_the_rules_and_names_nobodys_domain() -> None:
    entry = server_json(load(ROOT), BUNDLE, "0" * 64)
    jsonschema.validate(entry, RULES)
    assert entry["name"] == "invalid.unpublished/mcp-server-whatsapp"
    assert "repository" not in entry


def test_the_bundle_is_named_with_its_address_and_digest(published: dict[str, bytes]) -> None:
    [pypi, bundle] = json.loads(published["server.json"])["packages"]
    assert (pypi["identifier"], pypi["version"]) == ("mcp-server-whatsapp", VERSION)
    assert bundle["fileSha256"] == sha256(published[BUNDLE]).hexdigest()
    assert bundle["identifier"].endswith(f"/example/whatsapp/releases/download/v{VERSION}/{BUNDLE}")


@pytest.mark.parametrize(
    ("repository", "name"),
    [
        ("https://github.com/someone/thing/", "io.github.someone/thing"),
        ("https://codeberg.org/someone/thing", "org.codeberg.someone/thing"),
    ],
)
def test_the_namespace_follows_from_the_repository(repository: str, name: str) -> None:
    assert server_name(replace(PROJECT, urls={})) == "invalid.unpublished/thing"
    assert server_name(replace(PROJECT, urls={"Repository": repository})) == name
