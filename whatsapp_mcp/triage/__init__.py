"""Who waits for whom, what was promised, which days were named: recognised in texts, without any model.

Pure: plain values in, plain values out. The vocabulary is English, German, Spanish and Portuguese; in other
languages a question mark still makes a question.
"""

from whatsapp_mcp.triage.dates import NamedDay, named_days
from whatsapp_mcp.triage.speech import LONGEST, Speech, fold, read
from whatsapp_mcp.triage.waiting import READ, Content, Turn, Waiting, waiting

__all__ = [
    "LONGEST",
    "READ",
    "Content",
    "NamedDay",
    "Speech",
    "Turn",
    "Waiting",
    "fold",
    "named_days",
    "read",
    "waiting",
]
