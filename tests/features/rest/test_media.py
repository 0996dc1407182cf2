"""The file of a message comes as it is, under the policy of the tool that gives the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.media.footage import RED, png
from tests.server.fakes import FakeDevice, FakeSource, ledger_in
from tests.server.over_http import api
from tests.server.test_resources import fetches, received
from tests.server.test_withholding import ruled, tainted
from tests.tables import for_each
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import ApprovalRequired
from whatsapp_mcp.policy import Policy

pytestmark = pytest.mark.anyio


@pytest.fixture
def device(tmp_path: Path) -> FakeDevice:
    """A device that fetches a PDF."""
    (tmp_path / "plan.pdf").write_bytes(b"%PDF-1.7 words")
    return FakeDevice(file=str(tmp_path / "plan.pdf"))


async def test_a_file_comes_with_the_type_of_its_content(
    source: FakeSource, archive: Archive, device: FakeDevice, tmp_path: Path
) -> None:
    fetches(device, tmp_path / "plan.png", png(8, 8, RED))
    ref = await received(archive)
    async with api(source, token="read") as http:
        answer = await http.get(f"/api/v1/media/{ref}")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content == png(8, 8, RED)


async def test_a_browser_that_is_pointed_there_runs_nothing(source: FakeSource, archive: Archive) -> None:
    ref = await received(archive)
    async with api(source) as http:
        answer = await http.get(f"/api/v1/media/{ref}")

    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


async def test_a_part_of_a_file_can_be_asked_for(source: FakeSource, archive: Archive) -> None:
    ref = await received(archive)
    async with api(source) as http:
        part = await http.get(f"/api/v1/media/{ref}", headers={"Range": "bytes=5-7"})
        none = await http.get(f"/api/v1/media/{ref}", headers={"Range": "bytes=99-"})

    assert (part.status_code, part.content) == (206, b"1.7")
    assert (none.status_code, none.json()["error"]["code"]) == (416, "INVALID_ARGUMENT")


async def test_a_file_that_is_too_large_for_a_resource_comes_whole(
    source: FakeSource, archive: Archive, device: FakeDevice, tmp_path: Path
) -> None:
    content = b"%PDF" + bytes(10_000_001)
    fetches(device, tmp_path / "plan.pdf", content)
    ref = await received(archive, size=len(content))
    async with api(source) as http:
        answer = await http.get(f"/api/v1/media/{ref}")

    assert answer.content == content


@for_each("ref", ["99999", "nonsense", "-1", "..%2F..%2Fetc%2Fpasswd", "%00"])
async def test_what_is_not_there_is_not_found(source: FakeSource, ref: str) -> None:
    async with api(source) as http:
        answer = await http.get(f"/api/v1/media/{ref}")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] in {"MESSAGE_NOT_FOUND", "INVALID_ARGUMENT"}


async def test_the_words_of_a_document_are_written_down_as_anybodys(
    source: FakeSource, archive: Archive, tmp_path: Path
) -> None:
    source.policy = Policy.in_mode("standard")
    ref = await received(archive)
    async with api(source) as http:
        await http.get(f"/api/v1/media/{ref}")

    assert tainted(tmp_path) == {"stranger"}
    assert set(ledger_in(tmp_path).tainted()) == {"token:test"}


async def test_a_person_is_asked_before_a_file_leaves_a_chat_that_is_asked_about(
    source: FakeSource, archive: Archive, device: FakeDevice
) -> None:
    source.policy = ruled(name="Bob", read="ask")
    device.fails = ApprovalRequired("Asked.", approval="abc")
    ref = await received(archive)
    async with api(source) as http:
        answer = await http.get(f"/api/v1/media/{ref}")

    assert (answer.status_code, answer.json()["error"]["approval"]) == (409, "abc")


async def test_a_file_of_a_chat_that_may_not_be_read_is_refused(
    source: FakeSource, archive: Archive, device: FakeDevice
) -> None:
    source.policy = ruled(name="Bob", read="deny")
    ref = await received(archive)
    async with api(source) as http:
        answer = await http.get(f"/api/v1/media/{ref}")

    assert (answer.status_code, device.asked) == (403, [])


@pytest.mark.parametrize("token", ["send", "admin"])
async def test_files_need_the_scope_to_read(source: FakeSource, archive: Archive, token: str) -> None:
    ref = await received(archive)
    async with api(source, token=token) as http:
        answer = await http.get(f"/api/v1/media/{ref}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "DENIED")
