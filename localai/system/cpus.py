"""The cores of this machine, and how threads wait on them."""

from __future__ import annotations

import os


def physical_cores() -> int:
    """Return the cores of this machine that we may use, hyper-threads counted once."""
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # not on macOS
        return max(1, (os.cpu_count() or 2) // 2)
    cores = set()
    for cpu in allowed:
        try:
            with open(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") as file:
                cores.add(file.read().strip())
        except OSError:
            cores.add(str(cpu))
    return max(1, len(cores))


def sleep_while_waiting(spins: int | None = None) -> None:
    """Let OpenMP's threads sleep where they wait for each other, unless the user says else.

    OpenMP reads its variables when it is loaded: this is for a worker that has not loaded its
    library yet, and for that library alone: no Python code sees it.

    Parameters
    ----------
    spins : int or None
        Rounds that they wait before they sleep; None: as the library likes.
    """
    import ctypes  # which others who ask for cores need not wait for

    wanted = {b"OMP_WAIT_POLICY": b"passive"}
    if spins is not None:
        wanted[b"GOMP_SPINCOUNT"] = str(spins).encode()
    for name, value in wanted.items():
        ctypes.CDLL(None).setenv(name, value, 0)
