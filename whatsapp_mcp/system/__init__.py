"""What differs between operating systems, and nothing else: who calls it need not ask which one this is."""

from whatsapp_mcp.system.end_timer import (
    EndTimer,
    boottime,
)
from whatsapp_mcp.system.locks import (
    holds_lock,
    read_locked,
    try_lock,
    write_locked,
)
from whatsapp_mcp.system.machine import (
    Mount,
    boot,
    has_time_zone,
    mounts_here,
)
from whatsapp_mcp.system.memory import (
    share_arenas,
)
from whatsapp_mcp.system.operating_system import (
    HERE,
    System,
)
from whatsapp_mcp.system.paths import (
    HAS_MODES,
    SHELL_CHARACTERS,
    command_line,
    is_foreign,
    open_to_others,
    own_user,
    program_file,
    runtime_folder,
    runtime_folders,
    working_in,
)
from whatsapp_mcp.system.pipe_output import (
    PipeOutput,
    claimed_output,
)
from whatsapp_mcp.system.private_file import (
    draft_of,
    is_draft,
    make_private_file,
    read_or_make,
    replaced,
    sync_folder,
    write_private,
)
from whatsapp_mcp.system.processes import (
    IDLE_PRIORITY,
    allow_most_open_files,
    is_running,
    kill,
    kill_group,
    leave_terminal,
    lower_priority,
    memory_of,
    most_open_files,
    processor_seconds_of,
    resume,
    suspend,
    took_too_long,
    variables_of_a_command,
)
from whatsapp_mcp.system.signals import (
    END,
    END_OR_HANG_UP,
    INTERRUPT,
    receive_signals,
)
from whatsapp_mcp.system.sockets import (
    SOCKET_PATH_LIMIT,
    LoopbackPort,
    MeetingPlace,
    UnixSocket,
    meeting_place,
    reuse_address,
)

__all__ = [
    "END",
    "END_OR_HANG_UP",
    "HAS_MODES",
    "HERE",
    "IDLE_PRIORITY",
    "INTERRUPT",
    "SHELL_CHARACTERS",
    "SOCKET_PATH_LIMIT",
    "EndTimer",
    "LoopbackPort",
    "MeetingPlace",
    "Mount",
    "PipeOutput",
    "System",
    "UnixSocket",
    "allow_most_open_files",
    "boot",
    "boottime",
    "claimed_output",
    "command_line",
    "draft_of",
    "has_time_zone",
    "holds_lock",
    "is_draft",
    "is_foreign",
    "is_running",
    "kill",
    "kill_group",
    "leave_terminal",
    "lower_priority",
    "make_private_file",
    "meeting_place",
    "memory_of",
    "most_open_files",
    "mounts_here",
    "open_to_others",
    "own_user",
    "processor_seconds_of",
    "program_file",
    "read_locked",
    "read_or_make",
    "receive_signals",
    "replaced",
    "resume",
    "reuse_address",
    "runtime_folder",
    "runtime_folders",
    "share_arenas",
    "suspend",
    "sync_folder",
    "took_too_long",
    "try_lock",
    "variables_of_a_command",
    "working_in",
    "write_locked",
    "write_private",
]
