"""`localai` and `python -m localai`: nothing is imported before Ctrl-C is heeded."""

from __future__ import annotations

import gc
import os
import sys


def main() -> int:
    """Run the command line of this process and return its exit code."""
    gc.disable()  # until the modules are there: a look for garbage among them finds none
    try:
        _put_off_what_few_calls_need()
        from localai.cli import main as run_cli

        return run_cli()
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # a library that is not there, no memory: never 1, which is "no"
        if sys.stderr:
            what = f"it cannot start: {type(error).__name__}: {error}"
            sys.stderr.write(f"localai: {what}\n  next: install it anew\n")
        return 3


def _put_off_what_few_calls_need() -> None:
    """Let modules wait that click, pathlib and socket import for a corner of theirs."""
    from localai.system.lazy_imports import put_off

    for name in ("inspect", "ipaddress", "fnmatch", "ntpath", "selectors"):
        put_off(name)
    put_off("gettext", "gettext", "ngettext")  # of click's own texts
    put_off("urllib.parse", "quote_from_bytes")  # of addresses that are made of paths
    put_off("platform", system=lambda: os.uname().sysname)  # uuid asks at once which system it is


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
