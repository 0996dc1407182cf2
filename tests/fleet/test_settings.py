"""The settings of `whatsapp-mcp-fleet`, which `whatsapp-mcp` does not know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_settings_page import keys
from whatsapp_fleet.settings import FleetSettings, load
from whatsapp_mcp import settings
from whatsapp_mcp.errors import InvalidArgument

PAGE = (Path(__file__).parents[2] / "docs" / "fleet" / "README.md").read_text(encoding="utf-8")
NEW = keys(FleetSettings(home=Path("/home"))).keys() - keys(settings.Settings(home=Path("/home"))).keys()


def load_text(home: Path, text: str) -> FleetSettings:
    (home / "config.toml").write_text(text, encoding="utf-8")
    return load(home)


@pytest.mark.parametrize(
    "text", ['database = "postgres://db/fleet"', '[node]\nname = "one"', "[server]\nadmin = true"]
)
def test_settings_of_a_fleet_are_those_of_its_program_alone(text: str, tmp_path: Path) -> None:
    load_text(tmp_path, text)
    with pytest.raises(InvalidArgument, match="unknown setting"):
        settings.load(tmp_path)


def test_accounts_are_copies_where_a_database_is_named(tmp_path: Path) -> None:
    assert load_text(tmp_path, 'database = "postgres://db/fleet"').account_folder().in_database
    assert not load_text(tmp_path, "").account_folder().in_database


def test_settings_are_read_again_as_those_of_the_fleet(tmp_path: Path) -> None:
    current = settings.CurrentSettings(load_text(tmp_path, '[node]\nname = "one"'))
    (tmp_path / "config.toml").write_text('[node]\nname = "two"', encoding="utf-8")
    now = current.now()
    assert isinstance(now, FleetSettings)
    assert (now.node.name, current.fault) == ("two", None)


def test_the_page_has_the_settings_of_a_fleet_and_their_defaults() -> None:
    written = dict(re.findall(r"^\| `([a-z_.]+)` \| (.+?) \| .+ \|$", PAGE, re.MULTILINE))
    assert written.keys() == NEW
    assert (written["node.accounts"], written["node.listen"]) == ("`50`", "`127.0.0.1:0`")


@pytest.mark.parametrize("url", ["", "s3://bucket", "s3://bucket/prefix", "file:///srv/objects"])
def test_an_object_store_is_a_bucket_or_a_folder(url: str, tmp_path: Path) -> None:
    assert load_text(tmp_path, f'[node]\nfiles = "{url}"\n').node.files == url


@pytest.mark.parametrize(
    "url",
    [
        "/srv/objects",
        "file://srv/objects",
        "file:///",
        "s3:///prefix",
        "s3://a:hunter2@b/c",
        "gs://b",
        "s3://b?a=1",
    ],
)
def test_what_is_no_object_store_or_has_a_password_is_refused_unquoted(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"node\.files: .*line 2") as refused:
        load_text(tmp_path, f'[node]\nfiles = "{url}"\n')
    assert "hunter2" not in str(refused.value)
