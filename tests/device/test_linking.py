"""What whoever links is shown."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from tests.device.fake_clock import FakeClock
from whatsapp_mcp.device.connection.linking import Linking, LinkPicture
from whatsapp_mcp.models import ConnectionState as S


def linking_in(folder: Path, clock: FakeClock | None = None) -> Linking:
    return Linking(clock or FakeClock(), LinkPicture(folder))


def test_a_code_stays_while_the_link_is_in_the_same_state(tmp_path: Path) -> None:
    linking = linking_in(tmp_path)
    linking.enter(S.LINKING, "no code yet", None)
    linking.show_qr("2@code", 60.0)
    linking.show_code("ABCD-EFGH", 160.0)
    linking.enter(S.LINKING, None, None)
    assert linking.now.qr is not None
    assert (linking.now.code, linking.now.reason) == ("ABCD-EFGH", None)


def test_a_code_is_worthless_in_another_state(tmp_path: Path) -> None:
    linking = linking_in(tmp_path)
    linking.enter(S.LINKING, None, None)
    linking.show_qr("2@code", 60.0)
    linking.enter(S.UNLINKED, "expired", None)
    assert (linking.now.qr, linking.now.reason) == (None, "expired")


def test_why_an_attempt_failed_is_kept_through_the_next_one_and_no_longer(tmp_path: Path) -> None:
    linking = linking_in(tmp_path)
    for state in (S.LINKING, S.UNLINKED, S.LINKING):
        linking.enter(state, "passkey" if state is S.UNLINKED else None, None)
    linking.show_qr("2@code", 60.0)
    assert (linking.now.failed, linking.now.reason) == ("passkey", None)
    linking.enter(S.CONNECTING, None, None)
    linking.enter(S.UNLINKED, "Unlinked here.", None)
    linking.enter(S.LINKING, None, None)
    assert linking.now.failed is None


def test_every_change_has_a_higher_revision_and_no_change_has_none(tmp_path: Path) -> None:
    linking = linking_in(tmp_path)
    revisions = [linking.now.revision]
    for text in ("2@a", "2@b"):
        linking.show_qr(text, 20.0)
        revisions.append(linking.now.revision)
    linking.enter(S.CONNECTING, None, None)
    revisions.append(linking.now.revision)
    assert revisions == sorted(set(revisions))
    linking.enter(S.CONNECTING, None, None)
    assert linking.now.revision == revisions[-1]


def test_the_picture_of_the_qr_is_private_and_exists_while_the_code_is_valid(tmp_path: Path) -> None:
    linking = linking_in(tmp_path)
    linking.enter(S.LINKING, None, None)
    linking.show_qr("2@a", 60.0)
    first = (tmp_path / "link.png").read_bytes()
    linking.show_qr("2@b", 20.0)
    assert linking.now.qr is not None
    assert linking.now.qr.file == str(tmp_path / "link.png")
    assert (tmp_path / "link.png").read_bytes() != first
    assert stat.S_IMODE((tmp_path / "link.png").stat().st_mode) == 0o600
    linking.enter(S.LINKING, None, "+15550001111")
    assert (tmp_path / "link.png").exists()
    linking.enter(S.CONNECTING, None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_written_is_not_named(tmp_path: Path) -> None:
    linking = linking_in(tmp_path / "missing")
    linking.show_qr("2@a", 60.0)
    assert linking.now.qr is not None
    assert linking.now.qr.file is None


def test_what_a_killed_leader_left_of_the_picture_is_removed(tmp_path: Path) -> None:
    for name in ("link.png", "link.png.17.part", "link.json"):
        (tmp_path / name).touch()
    LinkPicture(tmp_path).remove()
    assert [left.name for left in tmp_path.iterdir()] == ["link.json"]


@pytest.mark.anyio
async def test_a_pairing_code_ends_with_the_qrs_it_stands_beside(tmp_path: Path) -> None:
    clock = FakeClock()
    linking = linking_in(tmp_path, clock)
    begun = clock.now()
    linking.show_qr("2@a", 60.0)
    await clock.advance(60)
    linking.show_qr("2@b", 20.0)
    linking.show_code("ABCD-EFGH", 160.0)
    assert linking.now.code_expires_at == begun + timedelta(seconds=160)
