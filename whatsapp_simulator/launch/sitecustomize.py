"""Makes a client built on neonize trust the simulated WhatsApp; Python runs it at start-up from `PYTHONPATH`.

The Noise root key that whatsmeow trusts is 32 bytes in the writable data of its shared library. When that
library is loaded into this process, they are overwritten in memory with the simulator's key; no file is
changed. The module does nothing without `WHATSAPP_SIMULATOR_NOISE_ROOT`, 64 hexadecimal digits.
"""

import ctypes
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

_TRUSTED = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")
_HERE = str(Path(__file__).resolve().parent)


def _writable_mappings(library: str) -> list[tuple[int, int]]:
    lines = (line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text().splitlines())
    ranges = [
        fields[0].split("-")
        for fields in lines
        if len(fields) == 6 and fields[5] == library and "w" in fields[1]
    ]
    return [(int(start, 16), int(end, 16)) for start, end in ranges]


def _trust(library: str, key: bytes) -> None:
    for start, end in _writable_mappings(os.path.realpath(library)):
        offset = ctypes.string_at(start, end - start).find(_TRUSTED)
        if offset >= 0:
            ctypes.memmove(start + offset, key, len(key))
            return
    raise RuntimeError(f"{library} does not contain the Noise root key at its expected place")


def _watch_libraries(key: bytes) -> None:
    load = ctypes.CDLL.__init__  # neonize loads its library with ctypes, after this module has run

    def load_and_trust(self: ctypes.CDLL, name: Any, *args: Any, **kwargs: Any) -> None:
        load(self, name, *args, **kwargs)
        if os.path.basename(str(name)).startswith("neonize-"):
            _trust(str(name), key)

    ctypes.CDLL.__init__ = load_and_trust


def _run_the_other_sitecustomize() -> None:
    """Run the `sitecustomize` that this one shadows, if there is one."""
    path = [entry for entry in sys.path if os.path.realpath(entry) != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if "WHATSAPP_SIMULATOR_NOISE_ROOT" in os.environ:
    _watch_libraries(bytes.fromhex(os.environ["WHATSAPP_SIMULATOR_NOISE_ROOT"]))
_run_the_other_sitecustomize()
