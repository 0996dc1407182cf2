"""The real neonize in a process of its own: events out, expressions in, one JSON object per line.

Started by `neonize_client.py`. Go prints to fd 1, so the pipe is taken aside before it is loaded.
"""

import asyncio
import base64
import inspect
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_THREADS = 64  # each connect occupies a thread, some of them forever

_pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
_lock = threading.Lock()


def tell(**fields: Any) -> None:
    with _lock:
        _pipe.write(json.dumps(fields) + "\n")
        _pipe.flush()


def plain(value: Any) -> Any:
    """A result as JSON; a protobuf as its name and base64."""
    if hasattr(value, "SerializeToString"):
        return {
            "proto": value.DESCRIPTOR.full_name,
            "data": base64.b64encode(value.SerializeToString()).decode(),
        }
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, tuple | list) or hasattr(value, "__len__"):
        return [plain(each) for each in value]
    return repr(value)


def main(database: str, level: str) -> None:
    import ctypes
    import logging

    logging.basicConfig(level=level, stream=sys.stderr)
    import neonize
    from neonize.aioze.client import NewAClient
    from neonize.events import INT_TO_EVENT
    from neonize.utils import jid as jid_utils
    from neonize.utils import log
    from neonize.utils.log import _log_queue

    from whatsapp_mcp import protobufs

    log.setLevel(level)
    client = NewAClient(database)

    def on_event(uuid: int, binary: int, size: int, code: int) -> None:
        data = ctypes.string_at(binary, size)
        kind = INT_TO_EVENT[code]
        tell(event=kind.DESCRIPTOR.name, code=code, data=base64.b64encode(data).decode())

    def on_qr(uuid: int, text: int) -> None:
        tell(event="qr", text=ctypes.string_at(text).decode())

    async def ignore(*_: Any) -> None: ...

    client.event.execute = on_event
    client.event.list_func = dict.fromkeys(INT_TO_EVENT, ignore)
    setattr(client, "_NewAClient__onQr", on_qr)  # noqa: B010 the callback that every connect registers
    scope = {
        "asyncio": asyncio,
        "log_queue": _log_queue,
        "client": client,
        "jid": jid_utils.build_jid,
        "neonize": neonize,
    }
    scope |= {name: getattr(protobufs, name) for name in protobufs.__all__}

    async def evaluate(number: int, source: str) -> None:
        try:
            value = eval(source, dict(scope))
            tell(answer=number, value=plain(await value if inspect.isawaitable(value) else value))
        except Exception as error:  # noqa: BLE001 the caller judges
            tell(answer=number, error=f"{type(error).__name__}: {error}")

    async def connect() -> None:
        try:
            task = await client.connect()
            tell(event="connecting")
            await task
            tell(event="ended", error=None)
        except Exception as error:  # noqa: BLE001 the caller judges
            tell(event="ended", error=f"{type(error).__name__}: {error}")

    async def run() -> None:
        reader = asyncio.StreamReader(limit=1 << 24)
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(_THREADS))
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        tasks: set[asyncio.Task[None]] = set()
        tell(event="ready")
        while line := await reader.readline():
            request = json.loads(line)
            what = connect() if request.get("connect") else evaluate(request["call"], request["source"])
            tasks.add(task := asyncio.create_task(what))
            task.add_done_callback(tasks.discard)
        os._exit(0)

    asyncio.run(run())


if __name__ == "__main__":
    main(*sys.argv[1:])
