"""The Claude Code plugin starts the released version and brings the skills."""

from __future__ import annotations

import io
import json
import zipfile

from tests.releasing.checkout import VERSION

NAME = f"mcp-server-whatsapp-{VERSION}-claude-code-plugin.zip"
SKILLS = {"catch-up", "reply-to", "who-is-waiting", "find-that-thing", "plan-with-group", "weekly-digest"}


def opened(published: dict[str, bytes]) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(published[NAME]))


def test_it_starts_the_version_that_it_belongs_to(published: dict[str, bytes]) -> None:
    with opened(published) as plugin:
        about = json.loads(plugin.read(".claude-plugin/plugin.json"))
        servers = json.loads(plugin.read(".mcp.json"))["mcpServers"]
    assert (about["name"], about["version"]) == ("whatsapp", VERSION)
    assert servers == {"whatsapp": {"command": "uvx", "args": [f"mcp-server-whatsapp@{VERSION}"]}}


def test_each_skill_is_a_file_with_its_name_and_description(published: dict[str, bytes]) -> None:
    with opened(published) as plugin:
        skills = {
            name.split("/")[1]: plugin.read(name).decode()
            for name in plugin.namelist()
            if name.startswith("skills/")
        }
    assert set(skills) == SKILLS
    for name, text in skills.items():
        fields = dict(line.split(": ", 1) for line in text.split("---\n")[1].splitlines())
        assert json.loads(fields["name"]) == name
        assert json.loads(fields["description"])
