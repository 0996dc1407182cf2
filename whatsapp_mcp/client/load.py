"""`python -m whatsapp_mcp.client.load`: load the client library as a client does, and end.

The exit code is 0 when that works, and the line on standard output is the version of Landlock that confines a
client, 0 where nothing does; else the last line of standard error says why not.

With the argument `tables` it also makes the library's tables where a `ClientStorage` on standard input says,
or brings them to the version of this library. Nothing is connected to WhatsApp for that.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from whatsapp_mcp.client.confinement import confine
from whatsapp_mcp.client.import_blocker import keep_out
from whatsapp_mcp.client.pipes import read_storage

TABLES = "tables"

if __name__ == "__main__":
    storage = read_storage(0) if sys.argv[1:] == [TABLES] else None
    version = confine(Path.cwd(), storage.certificates if storage is not None else ())
    keep_out()
    # The library prints to fd 1, which is for the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    library = importlib.import_module("whatsapp_mcp.client.library")
    if storage is not None:
        library.make_tables(storage.keys)
    os.write(answer, f"{version}\n".encode())
    sys.exit()
