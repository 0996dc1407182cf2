"""Expectations of the policy: the file of `whatsapp-mcp policy test`."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.settings import Verdict


class Expectation(BaseModel):
    """One `[[expect]]` of a person's table.

    Attributes:
        tool: The tool that is called.
        chat: The number, jid or name of the chat that it reaches; None where it reaches none.
        tainted: Whether a stranger's words were handed out to the agent before.
        verdict: What shall come of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str
    chat: str | None = None
    tainted: bool = False
    verdict: Verdict


class _Table(BaseModel):
    """A file of expectations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    expect: tuple[Expectation, ...]


def read(file: Path) -> tuple[Expectation, ...]:
    """Read a person's expectations from a file.

    Raises:
        InvalidArgument: It is not written as it has to be.
    """
    try:
        return _Table.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))).expect
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{file} is not valid TOML: {error}.", "Correct that line.") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidArgument(
            f"{file}: {where}: {first['msg'].lower()}.", "Each [[expect]] needs a tool and a verdict."
        ) from error
