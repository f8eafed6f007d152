"""`localai` and `python -m localai`: nothing is imported before Ctrl-C is heeded."""

from __future__ import annotations

import gc
import os
import sys


def main() -> int:
    """Run the command line of this process and return its exit code."""
    gc.disable()  # until the modules are there: a look for garbage among them finds none
    try:
        from localai.later import put_off

        # What click, pathlib and socket import for what few calls need.
        put_off("inspect", "ipaddress", "fnmatch", "ntpath", "selectors")
        from localai.cli import main as run_cli

        return run_cli()
    except KeyboardInterrupt:
        return 130


def run() -> None:
    """Be the command `localai`: all is written and closed when `main` returns.

    So the process ends there and then, without taking the interpreter apart.
    """
    code = main()
    from contextlib import suppress  # which the command has imported

    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or never there
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
