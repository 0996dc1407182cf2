"""`python -m whatsapp_mcp.client.load`: load the client library as a client does, and end.

The exit code is 0 when that works, and the line on standard output says what confines a client: the version
of Landlock, 0 where there is none, and 1 or 0 for seccomp; else the last line of standard error says why not.

For each argument `tables` it also makes the library's tables where a `ClientStorage` on standard input says,
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
    storages = [read_storage(0) for argument in sys.argv[1:] if argument == TABLES]
    certificates = [path for storage in storages for path in storage.certificates]
    unix_sockets = any(storage.unix_sockets for storage in storages)
    confined = confine(Path.cwd(), certificates, unix_sockets=unix_sockets)
    keep_out()
    # The library prints to fd 1, which is for the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    library = importlib.import_module("whatsapp_mcp.client.library")
    for storage in storages:
        library.make_tables(storage.keys)
    os.write(answer, f"{confined.landlock} {confined.seccomp:d}\n".encode())
    sys.exit()
