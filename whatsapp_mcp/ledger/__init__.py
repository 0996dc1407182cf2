"""The ledger of an account (`ledger.db`): words given to agents, questions to a person, acts done."""

from whatsapp_mcp.ledger.approvals import Approvals, HeldAct, Question, no_such_question
from whatsapp_mcp.ledger.audit import Audit, AuditEntry, AuditPage, AuditRow
from whatsapp_mcp.ledger.audit_chain import Fault
from whatsapp_mcp.ledger.exposures import Exposure, Taint, stays_back, taint_in, taint_of
from whatsapp_mcp.ledger.handed_on import HandedOnRecord, Incoming, PhoneMessage
from whatsapp_mcp.ledger.ledger import (
    Ledger,
    dump_ledger,
    follow_ledger,
    open_ledger,
    restore_ledger,
    set_aside,
)
from whatsapp_mcp.ledger.pairings import Pairings
from whatsapp_mcp.ledger.pauses import PauseRecord
from whatsapp_mcp.ledger.replication import begin_log
from whatsapp_mcp.ledger.webhooks import FailedDelivery, WebhookProgress, WebhookRecord

__all__ = [
    "Approvals",
    "Audit",
    "AuditEntry",
    "AuditPage",
    "AuditRow",
    "Exposure",
    "FailedDelivery",
    "Fault",
    "HandedOnRecord",
    "HeldAct",
    "Incoming",
    "Ledger",
    "Pairings",
    "PauseRecord",
    "PhoneMessage",
    "Question",
    "Taint",
    "WebhookProgress",
    "WebhookRecord",
    "begin_log",
    "dump_ledger",
    "follow_ledger",
    "no_such_question",
    "open_ledger",
    "restore_ledger",
    "set_aside",
    "stays_back",
    "taint_in",
    "taint_of",
]
