"""Point a client in another process at the simulator.

A Python client built on neonize needs environment variables only. A Go program contains the Noise root key
that it trusts, so it runs from a copy in which that key is replaced.
"""

import os
import shutil
import sys
from pathlib import Path

from whatsapp_mcp.errors import InvalidArgument, Unsupported

_LAUNCH = Path(__file__).with_name("launch")
_TRUSTED = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")


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
    return {
        "HTTPS_PROXY": proxy_url,
        "https_proxy": proxy_url,
        "NO_PROXY": "",
        "no_proxy": "",
        "SSL_CERT_FILE": str(ca_file),
        "PYTHONPATH": os.pathsep.join([str(_LAUNCH), *([inherited] if inherited else [])]),
        "WHATSAPP_SIMULATOR_NOISE_ROOT": noise_root.hex(),
    }


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
    if content.count(_TRUSTED) != 1:
        raise InvalidArgument(f"{program.name} is not built on whatsmeow.", "Name the executable itself.")
    copy = folder / program.name
    copy.write_bytes(content.replace(_TRUSTED, noise_root))
    shutil.copymode(program, copy)
    return copy
