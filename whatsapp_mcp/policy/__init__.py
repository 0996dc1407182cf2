"""The policy: what an agent may do, and to whom. Pure rules over plain values."""

from whatsapp_mcp.models import ChatFacts
from whatsapp_mcp.policy.acts import Act, Situation
from whatsapp_mcp.policy.agent_chats import agent_of
from whatsapp_mcp.policy.budgets import check_budgets, check_pauses, check_quiet, gap
from whatsapp_mcp.policy.chosen_names import cut_name, words_in_name
from whatsapp_mcp.policy.cleaning import TAG, clean, clean_line, one_line, without_tags
from whatsapp_mcp.policy.codes import MASK, has_code, mask_codes, mask_parts, may_hold_code
from whatsapp_mcp.policy.decisions import Decision, decide, denied, is_offered, require
from whatsapp_mcp.policy.declarations import Declared, declared_of, has_effect
from whatsapp_mcp.policy.digest import digest_of
from whatsapp_mcp.policy.effects import SEEN, Audience, Effect
from whatsapp_mcp.policy.hidden_characters import (
    INVISIBLE,
    LINE_BREAKS,
    LINE_MARK,
    UNSEEN,
    is_shown,
    visible,
)
from whatsapp_mcp.policy.quotations import BAR, barred, quoted, whole
from whatsapp_mcp.policy.rules import Policy, Ruling
from whatsapp_mcp.policy.scopes import (
    check_scope,
    is_in_scope,
    parse_scopes,
    scope_of,
)
from whatsapp_mcp.policy.secrets import SCANNED_BYTES, find_secret, text_of_file

__all__ = [
    "BAR",
    "INVISIBLE",
    "LINE_BREAKS",
    "LINE_MARK",
    "MASK",
    "SCANNED_BYTES",
    "SEEN",
    "TAG",
    "UNSEEN",
    "Act",
    "Audience",
    "ChatFacts",
    "Decision",
    "Declared",
    "Effect",
    "Policy",
    "Ruling",
    "Situation",
    "agent_of",
    "barred",
    "check_budgets",
    "check_pauses",
    "check_quiet",
    "check_scope",
    "clean",
    "clean_line",
    "cut_name",
    "decide",
    "declared_of",
    "denied",
    "digest_of",
    "find_secret",
    "gap",
    "has_code",
    "has_effect",
    "is_in_scope",
    "is_offered",
    "is_shown",
    "mask_codes",
    "mask_parts",
    "may_hold_code",
    "one_line",
    "parse_scopes",
    "quoted",
    "require",
    "scope_of",
    "text_of_file",
    "visible",
    "whole",
    "without_tags",
    "words_in_name",
]
