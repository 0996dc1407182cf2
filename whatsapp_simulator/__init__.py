"""A simulated WhatsApp on loopback, which speaks the real wire protocol to the real client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whatsapp_simulator.whatsapp import WhatsApp

__all__ = ["WhatsApp"]


def __getattr__(name: str) -> Any:
    """`WhatsApp`, imported when it is asked for: a server that is started by `launcher` needs none of it."""
    if name != "WhatsApp":
        raise AttributeError(name)
    from whatsapp_simulator.whatsapp import WhatsApp

    return WhatsApp
