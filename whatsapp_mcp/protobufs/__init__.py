"""WhatsApp's protobuf modules, as the neonize wheel ships them, without loading its Go library.

``from whatsapp_mcp.protobufs import E2E`` gives the generated module; ``E2E.Message`` is a class.
Importing ``neonize`` itself would load a Go shared library into this process, so the wheel's
``proto`` folder is put on ``sys.path`` instead, under the names that the generated modules use
among themselves. Where neonize is imported as well, both see the same descriptors and classes.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neonize.proto import Neonize_pb2 as Neonize
    from neonize.proto.waAdv import WAAdv_pb2 as Adv
    from neonize.proto.waCert import WACert_pb2 as Cert
    from neonize.proto.waCommon import WACommon_pb2 as Common
    from neonize.proto.waCompanionReg import WAWebProtobufsCompanionReg_pb2 as CompanionReg
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as E2E
    from neonize.proto.waHistorySync import WAWebProtobufsHistorySync_pb2 as HistorySync
    from neonize.proto.waLidMigrationSyncPayload import (
        WAWebProtobufLidMigrationSyncPayload_pb2 as LidMigration,
    )
    from neonize.proto.waMmsRetry import WAMmsRetry_pb2 as MmsRetry
    from neonize.proto.waServerSync import WAWebProtobufsServerSync_pb2 as ServerSync
    from neonize.proto.waSyncAction import WAWebProtobufSyncAction_pb2 as SyncAction
    from neonize.proto.waVnameCert import WAWebProtobufsVnameCert_pb2 as VnameCert
    from neonize.proto.waWa6 import WAWebProtobufsWa6_pb2 as Wa6
    from neonize.proto.waWeb import WAWebProtobufsWeb_pb2 as Web

__all__ = [
    "E2E",
    "Adv",
    "Cert",
    "Common",
    "CompanionReg",
    "HistorySync",
    "LidMigration",
    "MmsRetry",
    "Neonize",
    "ServerSync",
    "SyncAction",
    "VnameCert",
    "Wa6",
    "Web",
]

_MODULES = {
    "Adv": "waAdv.WAAdv_pb2",
    "Cert": "waCert.WACert_pb2",
    "Common": "waCommon.WACommon_pb2",
    "CompanionReg": "waCompanionReg.WAWebProtobufsCompanionReg_pb2",
    "E2E": "waE2E.WAWebProtobufsE2E_pb2",
    "LidMigration": "waLidMigrationSyncPayload.WAWebProtobufLidMigrationSyncPayload_pb2",
    "HistorySync": "waHistorySync.WAWebProtobufsHistorySync_pb2",
    "MmsRetry": "waMmsRetry.WAMmsRetry_pb2",
    "Neonize": "Neonize_pb2",
    "ServerSync": "waServerSync.WAWebProtobufsServerSync_pb2",
    "SyncAction": "waSyncAction.WAWebProtobufSyncAction_pb2",
    "VnameCert": "waVnameCert.WAWebProtobufsVnameCert_pb2",
    "Wa6": "waWa6.WAWebProtobufsWa6_pb2",
    "Web": "waWeb.WAWebProtobufsWeb_pb2",
}


def _proto_folder() -> str:
    spec = importlib.util.find_spec("neonize")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("the neonize package is not installed")
    return str(Path(next(iter(spec.submodule_search_locations))) / "proto")


def __getattr__(name: str) -> ModuleType:
    """Import the protobuf module called `name` at its first use (some take tens of milliseconds)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    folder = _proto_folder()
    if folder not in sys.path:
        sys.path.append(folder)
    module = importlib.import_module(_MODULES[name])
    globals()[name] = module
    return module
