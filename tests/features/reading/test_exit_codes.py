"""The exit codes of `whatsapp-mcp voice`."""

from __future__ import annotations

import pytest

from tests.cli.test_exit_codes import code_of, home
from tests.tables import for_each
from whatsapp_mcp.cli.outcome import ExitCode
from whatsapp_mcp.errors import NotConnected

__all__ = ["home"]
INNARDS = {
    "voice install small --yes": "whatsapp_mcp.features.reading.speech.hub.open_hub",
    "voice list": "whatsapp_mcp.features.reading.speech.models.all_installed",
    "voice remove small": "whatsapp_mcp.features.reading.speech.models.remove",
}


@for_each("line", INNARDS)
def test_ctrl_c_ends_with_130_and_a_failure_with_1(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for raised, code in (
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (NotConnected("Down."), ExitCode.FAILED),
    ):

        def fails(*_: object, error: BaseException = raised, **__: object) -> None:
            raise error

        monkeypatch.setattr(INNARDS[line], fails)
        assert code_of(line) == code
