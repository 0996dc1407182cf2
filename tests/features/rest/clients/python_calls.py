"""Calls each operation by a client that openapi-python-client has made; see `generated.py`.

`python python_calls.py FOLDER BASE TOKEN` takes the package `whatsapp_client` from the folder, and the calls,
as JSON, from stdin. It prints what it has called.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any, get_args, get_type_hints


def body_of(function: Any, arguments: dict[str, Any]) -> Any:
    """The arguments as the class that the function takes."""
    hint = get_type_hints(function)["body"]
    model = next(each for each in (hint, *get_args(hint)) if hasattr(each, "from_dict"))
    return model.from_dict(arguments)


def called(module: Any, client: Any, call: dict[str, Any]) -> Any:
    """What an operation answers: of the class that the client has for it, and with nothing lost in it."""
    if "ref" in call:
        answer = module.sync_detailed(call["ref"], client=client)
        return answer.parsed.payload.read()
    answer = module.sync_detailed(client=client, body=body_of(module.sync_detailed, call["body"]))
    told = json.loads(answer.content)
    assert answer.status_code == 200, told
    assert answer.parsed.to_dict() == told
    return told


def main() -> None:
    """Call all of them in turn."""
    folder, base, token = sys.argv[1:]
    sys.path.insert(0, folder)
    client: Any = importlib.import_module("whatsapp_client").AuthenticatedClient(base, token, timeout=30.0)
    for call in json.load(sys.stdin):
        module = importlib.import_module(f"whatsapp_client.api.{call['tag']}.{call['name']}")
        if call["name"] == "events":  # the functions of the module wait for the end, which it does not have
            with client.get_httpx_client().stream(**module._get_kwargs()) as stream:
                assert stream.status_code == 200
                assert next(stream.iter_text())
        else:
            assert called(module, client, call)
        if call["name"] == "reconnect":
            status = importlib.import_module("whatsapp_client.api.core.connection_status")
            while called(status, client, {"body": {}})["state"] != "online":
                time.sleep(0.05)
        print(call["name"], flush=True)


if __name__ == "__main__":
    main()
