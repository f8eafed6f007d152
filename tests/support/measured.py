"""Run a command to the end of all its processes and write its peak memory: `measured.py FILE COMMAND...`.

A worker outlives its client for a moment; as the subreaper of both, this process sees the last of
them end. FILE gets the largest resident set of any of them, in kB.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def main() -> int:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    code = subprocess.run(sys.argv[2:]).returncode
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    Path(sys.argv[1]).write_text(str(peak))
    return code


if __name__ == "__main__":
    sys.exit(main())
