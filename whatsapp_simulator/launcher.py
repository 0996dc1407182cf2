"""Point a client in another process at the simulator.

A Python client built on neonize needs environment variables only. A Go program contains the Noise root key
that it trusts, so it runs from a copy in which that key is replaced. The client process of this package gets
no variables from its server, so it is started by a command that sets them.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from whatsapp_mcp.errors import InvalidArgument, Unsupported
from whatsapp_mcp.processes.child_process import module_command

_LAUNCH = Path(__file__).with_name("launch")
_VARIABLES = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "PYTHONPATH")
_NOISE_ROOT = "WHATSAPP_SIMULATOR_NOISE_ROOT"
TRUSTED = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")


def environment(proxy_url: str, ca_file: Path, noise_root: bytes) -> dict[str, str]:
    """The variables to add to a client's environment.

    Args:
        proxy_url: The URL of the simulator's proxy.
        ca_file: The certificate authority, PEM.
        noise_root: The 32-byte key that signs the simulator's Noise certificates.

    Raises:
        Unsupported: This is not Linux: elsewhere Go programs trust only the system's certificates.
    """
    if sys.platform != "linux":
        raise Unsupported(
            "Clients can be pointed at the simulated WhatsApp on Linux only.",
            "Run it on Linux, or in a container.",
        )
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(_LAUNCH), *([inherited] if inherited else [])])
    values = (proxy_url, proxy_url, "", "", str(ca_file), path)
    return {**dict(zip(_VARIABLES, values, strict=True)), _NOISE_ROOT: noise_root.hex()}


def client_program(
    variables: Mapping[str, str], command: Sequence[str] = module_command("whatsapp_mcp.client")
) -> tuple[str, ...]:
    """The command of this package's client process on a simulated WhatsApp.

    Args:
        variables: What `environment` returned, others beside it or not.
        command: What starts the client process.
    """
    names = [name for name in (*_VARIABLES, _NOISE_ROOT) if name in variables]
    return ("/usr/bin/env", *(f"{name}={variables[name]}" for name in names), *command)


def trusting(program: Path, folder: Path, noise_root: bytes) -> Path:
    """Copy a Go program or library built on whatsmeow so that it trusts the simulator; return the path.

    Args:
        program: The file; it is not changed.
        folder: The folder for the copy, which has the same name.
        noise_root: The 32-byte key that signs the simulator's Noise certificates.

    Raises:
        InvalidArgument: The file does not contain WhatsApp's root key exactly once.
    """
    content = program.read_bytes()
    if content.count(TRUSTED) != 1:
        raise InvalidArgument(f"{program.name} is not built on whatsmeow.", "Name the executable itself.")
    copy = folder / program.name
    copy.write_bytes(content.replace(TRUSTED, noise_root))
    shutil.copymode(program, copy)
    return copy
