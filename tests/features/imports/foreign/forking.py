"""`python -m tests.features.imports.foreign.forking DESCRIPTOR`: becomes the processes of foreign archives.

It has loaded everything, and forks for each: that takes a twentieth of starting a Python. Over the socket
come the arguments of a process with its two pipes; its number and, once it has ended, its status go back.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import traceback

from whatsapp_mcp.features.imports.foreign import __main__ as program
from whatsapp_mcp.features.imports.foreign import address_book, decrypting


def main(control: socket.socket) -> None:
    """Serve until the other end is closed."""
    address_book.rehearse()
    decrypting.rehearse()
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 2)
        if not request:
            return
        child = os.fork()
        if child == 0:
            control.close()
            _become(json.loads(request), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(b"%d" % child)
        _, status = os.waitpid(child, 0)
        control.send(b"%d" % os.waitstatus_to_exitcode(status))


def _become(arguments: list[str], incoming: int, outgoing: int) -> None:
    for descriptor, pipe in enumerate((incoming, outgoing)):
        os.dup2(pipe, descriptor)
        os.close(pipe)
    try:
        program.main(arguments)
    except BaseException:  # noqa: BLE001  as an interpreter ends
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
