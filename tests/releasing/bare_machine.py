"""Views of this machine's files in which a script may change everything, and of which nothing remains.

One is a machine without tools and libraries, the other is what a container image starts from.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

_ABSENT = "file ffmpeg ffprobe make cmake gcc cc c++ g++ clang clang++ ld as rustc cargo go node npm"
_LIBRARIES = "libmagic* libavcodec* libavformat* libavutil* libswscale* libsqlcipher*"
_VIEW = """
set -e
mount -t tmpfs none /mnt
mkdir /mnt/new /mnt/work /mnt/root
mount -t overlay none -o lowerdir=/,upperdir=/mnt/new,workdir=/mnt/work /mnt/root
for each in proc dev sys; do mount --rbind /$each /mnt/root/$each; done
"""
_BARE = f"""
for name in {_ABSENT}; do rm -f /usr/bin/$name /usr/bin/$name-[0-9]* /usr/local/bin/$name; done
for name in {_LIBRARIES}; do rm -f /usr/lib/$name /usr/lib/*-linux-gnu/$name /usr/local/lib/$name; done
rm -rf /usr/share/misc/magic* /usr/share/file /usr/include
/sbin/ldconfig
exec env -i HOME="$HOME" LANG=C.UTF-8 PATH=/usr/bin:/bin "$@"
"""


def view(script: str, *arguments: str | Path, after: str = "", network: bool = False) -> list[str]:
    """The command that runs a bash script on a copy of this machine's files that is held in memory.

    Args:
        script: What runs as root of the copy.
        arguments: The arguments of the script.
        after: What runs next, on the same copy; of it, only `/tmp` and `/data` can then be written to.
        network: Whether it has this machine's network; else it has loopback alone.
    """
    outside = _VIEW + ("" if network else "ip link set lo up\n") + 'chroot /mnt/root bash -ec "$0" "$@"\n'
    if after:
        outside += (
            "mount -o remount,bind,ro /mnt/root\n"
            "mount -t tmpfs none /mnt/root/tmp -o mode=1777\n"
            "mount -t tmpfs none /mnt/root/data -o mode=0700,uid=10001,gid=10001\n"
            f"exec chroot /mnt/root bash -ec {shlex.quote(after)}\n"
        )
    namespaces = ["--mount"] if network else ["--mount", "--net"]
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", *namespaces, *mapped, "bash", "-c", outside, script, *map(str, arguments)]


def bare(command: list[str | Path]) -> list[str]:
    """The command that runs another one without network, compilers, ffmpeg and libmagic.

    Of all variables, `HOME` alone is kept.
    """
    return view(_BARE.replace('"$@"', '"$0" "$@"'), *command)


@cache
def possible() -> bool:
    """Whether this user may make such views here."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    return subprocess.run(bare(["true"]), capture_output=True, check=False, timeout=60).returncode == 0
