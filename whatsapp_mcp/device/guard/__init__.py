"""The leader's check: every operation passes the policy here, from whichever server or program it comes."""

from whatsapp_mcp.device.guard.approvals import Approvals, Asker
from whatsapp_mcp.device.guard.due_sends import LATE, DueSends, Leaving
from whatsapp_mcp.device.guard.enforced import EnforcedDevice
from whatsapp_mcp.device.guard.facts import words_of
from whatsapp_mcp.device.guard.gate import Gate
from whatsapp_mcp.device.guard.phone_answers import phone_message_in
from whatsapp_mcp.device.guard.phone_questions import PhoneQuestions
from whatsapp_mcp.device.guard.questions import Asked
from whatsapp_mcp.device.guard.sends import Sends
from whatsapp_mcp.device.guard.upkeep import Upkeep

__all__ = [
    "LATE",
    "Approvals",
    "Asked",
    "Asker",
    "DueSends",
    "EnforcedDevice",
    "Gate",
    "Leaving",
    "PhoneQuestions",
    "Sends",
    "Upkeep",
    "phone_message_in",
    "words_of",
]
