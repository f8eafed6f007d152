"""Modules that others import and we may never use: they are loaded when they are first asked for.

The standard library's `importlib.util.LazyLoader` does not serve here: up to Python 3.11 a second
`import` of such a module loads it.
"""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import Any

_lock = threading.Lock()


class _Later(ModuleType):
    """Stands for a module until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        import importlib

        own = self.__name__
        with _lock:
            if sys.modules.get(own) is self:
                del sys.modules[own]
        return getattr(importlib.import_module(own), name)


def put_off(*names: str) -> None:
    """Let modules be loaded at their first use; those that are loaded stay as they are."""
    for name in names:
        if name not in sys.modules:
            sys.modules[name] = _Later(name)
