"""What this machine's memory is doing, without any native library."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Any


def inheritable_fds(*kept: int) -> list[int]:
    """Return the descriptors that a process of ours would inherit, but the usual three and `kept`.

    What a shell has opened for a command, a lock or a pipe, is to be closed with the command, and
    the processes that it starts live longer.
    """
    found: list[int] = []
    try:
        names = os.listdir("/dev/fd" if os.path.isdir("/dev/fd") else "/proc/self/fd")
    except OSError:
        return found
    for name in names:
        with contextlib.suppress(OSError):  # the folder's own has been closed
            if (number := int(name)) > 2 and number not in kept and os.get_inheritable(number):
                found.append(number)
    return found


def free_memory() -> int:
    """Return the bytes of memory that can be had without swapping."""
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":", 1) for line in file)
        return min(int(lines["MemAvailable"].split()[0]) * 1024, _group_free())
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def total_memory() -> int:
    """Return the bytes of memory that the machine, or the container that we are in, has."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no limit, or no such groups here
        return total


def _group_free() -> int:
    """Return what the control group of this process may still take: containers have less."""
    try:
        most = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        statistics = dict(
            line.split() for line in Path("/sys/fs/cgroup/memory.stat").read_text().splitlines()
        )
        cached = int(statistics["inactive_file"]) + int(statistics["active_file"])
        return max(0, int(most) - used + cached)
    except (OSError, KeyError, ValueError):  # no limit, or no such groups here
        return sys.maxsize


def resident(process: int) -> tuple[int, int]:
    """Return what a process has in memory: bytes of its own, and bytes of files it maps."""
    try:
        with open(f"/proc/{process}/status") as file:
            lines = dict(line.split(":", 1) for line in file)
        own, files = (int(lines[name].split()[0]) * 1024 for name in ("RssAnon", "RssFile"))
        return own, files
    except (OSError, KeyError, ValueError):
        return _asked(process), 0


def _asked(process: int) -> int:
    """Ask the system's own program, where there is no `/proc`."""
    if sys.platform == "linux":
        return 0  # it has ended
    import subprocess

    command = ["ps", "-o", "rss=", "-p", str(process)]
    said = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return int(said) * 1024 if said.isdecimal() else 0


def use_batch_scheduling() -> None:
    """Let this thread wait its turn when it wakes, instead of pushing another one aside.

    An engine computes on all cores. Each piece of an answer wakes a client, and on a Linux of its
    usual policy it would take the core of a thread that all the others wait for: a tenth of the
    speed of a small model. With the batch policy it runs where a core has nothing to do.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def default_scheduling() -> dict[str, Any]:
    """Return what `os.posix_spawn` needs so that a new process does not inherit that."""
    if sys.platform == "linux":
        return {"scheduler": (os.SCHED_OTHER, os.sched_param(0))}
    return {}
