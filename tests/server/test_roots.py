"""Files may be sent from the folders that an application on this computer names as its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import ErrorData, ListRootsResult, Root
from pydantic import FileUrl

from tests.server.fakes import FakeDevice, FakeSource
from tests.server.test_core_tools import answer, refusal
from whatsapp_mcp.models import FileContent
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio
Naming = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def naming(source: FakeSource, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Naming:
    """A client that names folders; the person's home is the test's folder `person`."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "person")

    @asynccontextmanager
    async def connected(*folders: Path, **given: Any) -> AsyncIterator[Client]:
        async def roots(context: object) -> ListRootsResult | ErrorData:
            if not folders:
                return ErrorData(code=-32603, message="a secret of the application")
            return ListRootsResult(roots=[Root(uri=FileUrl(folder.as_uri())) for folder in folders])

        async with Client(
            create(source, "all", structured=True), mode="legacy", list_roots_callback=roots
        ) as client:
            yield client

    return connected


async def test_a_file_of_a_named_folder_is_sent(naming: Naming, device: FakeDevice, tmp_path: Path) -> None:
    project = tmp_path / "person" / "my project"
    project.mkdir(parents=True)
    (project / "plan.txt").write_text("the plan")
    async with naming(project) as client:
        await answer(client, "send_file", chat="Bob", path=str(project / "plan.txt"))
    content = device.sends[0].content
    assert isinstance(content, FileContent)
    assert content.file_name == "plan.txt"


async def test_what_lies_beside_a_named_folder_or_behind_a_link_in_it_is_not(
    naming: Naming, device: FakeDevice, tmp_path: Path
) -> None:
    project = tmp_path / "person" / "project"
    project.mkdir(parents=True)
    secret = tmp_path / "person" / "secret.txt"
    secret.write_text("secret")
    (project / "link").symlink_to(secret)
    async with naming(project) as client:
        for path in (secret, project / "link", project / ".." / "secret.txt"):
            error = await refusal(client, "send_file", chat="Bob", path=str(path))
            assert error["code"] == "FILE_NOT_ALLOWED"
    assert device.sends == []


@pytest.mark.parametrize("folder", ["person", ".", "/"])
async def test_a_folder_with_all_of_the_persons_files_in_it_is_not_taken(
    naming: Naming, device: FakeDevice, tmp_path: Path, folder: str
) -> None:
    key = tmp_path / "person" / ".ssh" / "key"
    key.parent.mkdir(parents=True)
    key.write_text("key")
    async with naming((tmp_path / folder).resolve()) as client:
        assert (await refusal(client, "send_file", chat="Bob", path=str(key)))["code"] == "FILE_NOT_ALLOWED"
    assert device.sends == []


async def test_own_files_are_refused_in_a_named_folder_too(
    naming: Naming, device: FakeDevice, tmp_path: Path
) -> None:
    own = tmp_path / "accounts" / "default" / "archive.db"
    async with naming(own.parent) as client:
        assert (await refusal(client, "send_file", chat="Bob", path=str(own)))["code"] == "FILE_NOT_ALLOWED"


async def test_an_application_that_fails_to_name_its_folders_has_none(
    naming: Naming, device: FakeDevice, tmp_path: Path
) -> None:
    (tmp_path / "x.txt").write_text("x")
    async with naming() as client:
        error = await refusal(client, "send_file", chat="Bob", path=str(tmp_path / "x.txt"))
    assert error["code"] == "FILE_NOT_ALLOWED"
    assert "secret" not in str(error)
