"""Let an LLM agent use a person's WhatsApp through the Model Context Protocol."""

__version__ = "0.1.0"
