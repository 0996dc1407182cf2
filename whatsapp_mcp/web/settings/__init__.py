"""Settings and policy as a person sees them: what is in force and why, and changes that are confirmed."""

from whatsapp_mcp.web.settings.pages import settings_routes

__all__ = ["settings_routes"]
