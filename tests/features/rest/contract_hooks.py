"""What schemathesis is told of this server; it loads this by the name in `SCHEMATHESIS_HOOKS`.

Names that nobody has and waits of a minute would show little of a server: about half of the requests name a
chat and a message that there are, and none waits.
"""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.core import NOT_SET

THERE = {"chat": "Ann", "contact": "Ann", "message": "#1", "reply_to": "#1", "sender": "Ann"}
"""Arguments, with something that there is."""


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    """Change the arguments of a call of a tool."""
    waits = case.operation.path.endswith(("/wait_for_messages", "/await_approval", "/link_device"))
    if waits and case.body is NOT_SET:
        case.body, case.media_type = {}, "application/json"
    body = case.body
    if not isinstance(body, dict):
        return
    if waits:
        body["wait"] = 0
    for name, known in THERE.items():
        value = body.get(name)
        if isinstance(value, str) and len(value) % 2:
            body[name] = known


@schemathesis.check
def no_internal_error(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """A phone that is not ready, or a busy leader, is an answer (503); a failure of our code is none."""
    assert response.status_code < 500 or response.json()["error"]["code"]
    assert b"internal error" not in response.content
