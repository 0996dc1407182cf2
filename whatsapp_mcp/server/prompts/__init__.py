"""What people ask for again and again: prompts and skills, of one text, without a word of any message."""

from whatsapp_mcp.server.prompts.catalogue import chat_names, completed, prompts
from whatsapp_mcp.server.prompts.skills import Skills, skill_files

__all__ = ["Skills", "chat_names", "completed", "prompts", "skill_files"]
