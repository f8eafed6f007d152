"""`localai` and `python -m localai`: nothing is imported before Ctrl-C is heeded."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Run the command line of this process and return its exit code."""
    gc.disable()  # until the modules are there: a look for garbage among them finds none
    try:
        from localai.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
