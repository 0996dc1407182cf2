"""What whoever links is shown."""

from __future__ import annotations

from tests.device.fake_clock import FakeClock
from whatsapp_mcp.device.linking import Linking
from whatsapp_mcp.models import ConnectionState as S


def test_a_code_stays_while_the_link_is_in_the_same_state() -> None:
    linking = Linking(FakeClock())
    linking.enter(S.LINKING, "no code yet", None)
    linking.show_qr("2@code", 60.0)
    linking.show_code("ABCD-EFGH", 160.0)
    linking.enter(S.LINKING, None, None)
    assert linking.now.qr is not None
    assert (linking.now.code, linking.now.reason) == ("ABCD-EFGH", None)


def test_a_code_is_worthless_in_another_state() -> None:
    linking = Linking(FakeClock())
    linking.enter(S.LINKING, None, None)
    linking.show_qr("2@code", 60.0)
    linking.enter(S.UNLINKED, "expired", None)
    assert (linking.now.qr, linking.now.reason) == (None, "expired")


def test_every_change_has_a_higher_revision_and_no_change_has_none() -> None:
    linking = Linking(FakeClock())
    revisions = [linking.now.revision]
    for text in ("2@a", "2@b"):
        linking.show_qr(text, 20.0)
        revisions.append(linking.now.revision)
    linking.enter(S.CONNECTING, None, None)
    revisions.append(linking.now.revision)
    assert revisions == sorted(set(revisions))
    linking.enter(S.CONNECTING, None, None)
    assert linking.now.revision == revisions[-1]
