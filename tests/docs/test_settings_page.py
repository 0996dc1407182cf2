"""The settings page lists every setting with its default, but for those on the pages of features."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from tests.docs import feature_pages
from tests.tables import for_each
from whatsapp_mcp import settings
from whatsapp_mcp.device.connection import device_storage
from whatsapp_mcp.settings import Settings, load

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
WRITTEN_ROW = re.compile(r"^\| `([a-z_.]+)` \| (.+?) \| .+ \|$", re.MULTILINE)
WRITTEN = dict(WRITTEN_ROW.findall(feature_pages.text() + PAGE))


def keys(model: BaseModel, prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            found |= keys(value, f"{prefix}{name}.")
        elif name != "home":
            found[f"{prefix}{name}"] = value
    return found


KEYS = keys(Settings(home=Path("/home")))


@for_each("key", sorted(KEYS))
def test_the_page_gives_the_default_of_each_setting(key: str) -> None:
    assert key in WRITTEN
    default = KEYS[key]
    if default in (None, (), {}, "", SecretStr("")):
        assert "`" not in WRITTEN[key]
    else:
        assert WRITTEN[key] == f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_every_setting_of_a_section_is_used() -> None:
    package = Path(settings.__file__).parent
    packages = (package.parent, package.parents[1] / "whatsapp_fleet")
    modules = [path for each in packages for path in each.rglob("*.py") if path.parent != package]
    found = (re.findall(r"\w+(?:\.\w+)+", path.read_text(encoding="utf-8")) for path in modules)
    used = " ".join({each for names in found for each in names})
    unused = [key for key in KEYS if "." in key and not re.search(rf"\b_?{re.escape(key)}\b", used)]
    assert unused == []


def test_the_example_file_is_one_that_loads(tmp_path: Path) -> None:
    blocks: list[str] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    for block in blocks:
        assert tomllib.loads(block)
        (tmp_path / "config.toml").write_text(block, encoding="utf-8")
        assert load(tmp_path).home == tmp_path


def test_the_variables_of_the_page_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in re.findall(r"`(WHATSAPP_MCP_\w+)=(\w+)`", PAGE):
        monkeypatch.setenv(name, value)
    loaded = load(tmp_path)
    assert (loaded.log_level, loaded.server.port) == ("debug", 9000)


def test_the_page_names_every_file_of_the_home_folder(tmp_path: Path) -> None:
    folder = Settings(home=tmp_path).account_folder("NAME")
    files = [
        folder.client_db,
        folder.inbox_db,
        folder.archive_db,
        folder.raw_db,
        folder.reserve,
        folder.media,
        folder.leader_lock,
        folder.client_log,
        folder.path / device_storage.FILE_NAME,
    ]
    for file in files:
        assert f"`{file.relative_to(tmp_path).as_posix()}" in PAGE
