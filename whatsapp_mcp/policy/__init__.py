"""The policy: which tools and operations an account allows. Pure rules over plain values."""

from whatsapp_mcp.policy.codes import has_code, mask_codes
from whatsapp_mcp.policy.rules import Effect, Policy

__all__ = ["Effect", "Policy", "has_code", "mask_codes"]
