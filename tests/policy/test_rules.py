"""What each mode lets through."""

import pytest

from whatsapp_mcp.errors import Denied
from whatsapp_mcp.policy import Effect, Policy
from whatsapp_mcp.settings import PolicyMode


@pytest.mark.parametrize("mode", ["standard", "lockdown", "open"])
@pytest.mark.parametrize("effect", list(Effect))
def test_other_modes_let_everything_pass(mode: PolicyMode, effect: Effect) -> None:
    Policy(mode).check("send_message", effect)


@pytest.mark.parametrize("effect", [Effect.READ, Effect.LINK])
def test_read_only_lets_reading_and_linking_pass(effect: Effect) -> None:
    Policy("read_only").check("list_chats", effect)


def test_read_only_refuses_to_act_and_says_who_can_change_it() -> None:
    with pytest.raises(Denied, match=r"config\.toml"):
        Policy("read_only").check("send_message", Effect.ACT)
