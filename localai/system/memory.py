"""What this machine's memory is doing, without any native library."""

from __future__ import annotations

import os
import sys
from pathlib import Path


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
