"""One leader for each account: the lock, the socket, and the device that followers use through it."""

from whatsapp_mcp.device.connection import LeaderLease
from whatsapp_mcp.device.leader.leadership import Ability
from whatsapp_mcp.device.leader.led_account import LeaderAccount, LedStorage, lead_account
from whatsapp_mcp.device.leader.lock import LeaderLock, LockFile
from whatsapp_mcp.device.leader.observer import leader_status, observed_status, running_leader
from whatsapp_mcp.device.leader.pausing import pause, resume
from whatsapp_mcp.device.leader.runtime import offered, offline_devices, open_device
from whatsapp_mcp.device.leader.serving import serve
from whatsapp_mcp.device.supervise import background_tasks

__all__ = [
    "Ability",
    "LeaderAccount",
    "LeaderLease",
    "LeaderLock",
    "LedStorage",
    "LockFile",
    "background_tasks",
    "lead_account",
    "leader_status",
    "observed_status",
    "offered",
    "offline_devices",
    "open_device",
    "pause",
    "resume",
    "running_leader",
    "serve",
]
