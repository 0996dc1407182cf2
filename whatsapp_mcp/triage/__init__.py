"""Who waits for whom, what was promised, which days were named: recognised in texts, without any model.

Pure: plain values in, plain values out. The vocabulary is English, German, Spanish and Portuguese; in other
languages a question mark still makes a question.
"""

from whatsapp_mcp.triage.conversation_end import READ, Content, Side, Turn, Waiting, waiting
from whatsapp_mcp.triage.dates import NamedDay, named_days
from whatsapp_mcp.triage.speech import LONGEST, Speech, fold, read

__all__ = [
    "LONGEST",
    "READ",
    "Content",
    "NamedDay",
    "Side",
    "Speech",
    "Turn",
    "Waiting",
    "fold",
    "named_days",
    "read",
    "waiting",
]
