"""`python -m whatsapp_mcp.client.load`: load the client library as a client does, and end.

The exit code is 0 when that works, and the line on standard output is the version of Landlock that confines a
client, 0 where nothing does; else the last line of standard error says why not.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from whatsapp_mcp.client.confinement import confine
from whatsapp_mcp.client.import_blocker import keep_out

if __name__ == "__main__":
    version = confine(Path.cwd())
    keep_out()
    # The library prints to fd 1, which is for the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    importlib.import_module("whatsapp_mcp.client.library")
    os.write(answer, f"{version}\n".encode())
    sys.exit()
