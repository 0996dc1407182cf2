"""Guarded view of the archive for tools: strangers' words are withheld until somebody opens them.

Tools get a `GuardedArchive` and nothing else. What it hands out is written down before it leaves.
"""

from whatsapp_mcp.policy import cut_name
from whatsapp_mcp.server.reading.amounts import WHOLE, of_new, of_refs
from whatsapp_mcp.server.reading.guarded_archive import GuardedArchive, ShownSend
from whatsapp_mcp.server.reading.masking import Masker
from whatsapp_mcp.server.reading.withholding import collapsed

__all__ = ["WHOLE", "GuardedArchive", "Masker", "ShownSend", "collapsed", "cut_name", "of_new", "of_refs"]
