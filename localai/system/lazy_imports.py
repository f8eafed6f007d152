"""Modules that others import and we may never use: they are loaded when they are first asked for.

The standard library's `importlib.util.LazyLoader` does not serve here: up to Python 3.11 a second
`import` of such a module loads it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

_lock = threading.Lock()


class _Later(ModuleType):
    """Stands for a module until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name == "__path__":  # `from a import b` looks whether `a` is a package, and none is
            raise AttributeError(name)
        import importlib

        own = self.__name__
        with _lock:
            if sys.modules.get(own) is self:
                del sys.modules[own]
        return getattr(importlib.import_module(own), name)


def put_off(name: str, *taken: str, **known: Callable[[], object]) -> None:
    """Let a module be loaded at its first use; one that is loaded stays as it is.

    Parameters
    ----------
    name : str
        Of a module that is not a package.
    taken : str
        Functions that importers take by name: they load the module when they are called.
    known : callables by name
        Functions that importers call at once, and what stands for them from then on.
    """
    if name in sys.modules:
        return
    later = _Later(name)
    vars(later).update(known)
    for function in taken:
        setattr(later, function, partial(_call, later, function))
    package, _, own = name.rpartition(".")
    if package:
        __import__(package)
        setattr(sys.modules[package], own, later)
    sys.modules[name] = later


def _call(later: _Later, function: str, *values: Any, **named: Any) -> Any:
    return later.__getattr__(function)(*values, **named)
