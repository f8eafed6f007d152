"""How processes and threads of ours are started: what they inherit, and how they are scheduled."""

from __future__ import annotations

import contextlib
import os
import sys
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
