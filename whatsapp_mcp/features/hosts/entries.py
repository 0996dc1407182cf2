"""Entries that start a program in other forms than command, args and env."""

from __future__ import annotations

from typing import Any

from whatsapp_mcp.cli.hosts import Launch, plain_entry


def listed_entry(launch: Launch, name: str) -> dict[str, Any]:
    """An entry of type local, whose command is a list."""
    variables = {"environment": dict(launch.env)} if launch.env else {}
    return {"type": "local", "command": [launch.command, *launch.args], **variables}


def local_entry(launch: Launch, name: str) -> dict[str, Any]:
    """An entry of type local, with all tools."""
    return {"type": "local", **plain_entry(launch, name), "tools": ["*"]}


def extension(launch: Launch, name: str) -> dict[str, Any]:
    """An extension of Goose."""
    common = {"type": "stdio", "name": name, "enabled": True, "cmd": launch.command}
    return {**common, "args": list(launch.args), "envs": dict(launch.env), "timeout": 300}


def named_entry(launch: Launch, name: str) -> dict[str, Any]:
    """An entry that says its own name."""
    return {"name": name, **plain_entry(launch, name)}
