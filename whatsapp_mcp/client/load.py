"""`python -m whatsapp_mcp.client.load`: load the client library as a client does, and end.

The exit code is 0 when that works; else the last line of standard error says why not.
"""

from __future__ import annotations

import importlib

from whatsapp_mcp.client.import_blocker import keep_out

if __name__ == "__main__":
    keep_out()
    importlib.import_module("whatsapp_mcp.client.library")
