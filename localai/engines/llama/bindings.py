"""llama.cpp's shared library, its log, and the numbers its headers name.

`llama_cpp`'s package imports its high-level class with everything that class needs; the ctypes
declarations alone load in a quarter of the time. So the package is entered by name without
running its `__init__` (the module found is the installed one; nothing is copied).
"""

from __future__ import annotations

import collections
import ctypes
import functools
import importlib
import importlib.util
import sys
import types
from typing import Any

from localai.errors import EngineMissing

_LOG_LINES = 40
# ggml.h: 0 none, 1 debug, 2 info, 3 warning, 4 error, 5 continues the last. (`llama_cpp._logger`
# has the numbers of older versions.)
_LEVEL_WARNING = 3
_LEVEL_ERROR = 4

FLASH_ATTENTION_AUTO = -1
CACHE_TYPES = {"f32": 0, "f16": 1, "q8_0": 8, "bf16": 30}  # ggml_type numbers


def _declarations() -> Any:
    if "llama_cpp" not in sys.modules:
        spec = importlib.util.find_spec("llama_cpp")
        if spec is None or spec.submodule_search_locations is None:
            raise EngineMissing("llama-cpp-python is not installed", "pip install llama-cpp-python")
        package = types.ModuleType("llama_cpp")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["llama_cpp"] = package
        declarations = importlib.import_module("llama_cpp.llama_cpp")
        # What other libraries ask the package for, they find (PEP 562).
        package.__dict__["__getattr__"] = functools.partial(getattr, declarations)
    return importlib.import_module("llama_cpp.llama_cpp")


native = _declarations()
"""The functions and structs of `llama.h`, as `llama_cpp.llama_cpp` declares them."""

_lines: collections.deque[str] = collections.deque(maxlen=_LOG_LINES)


def _log(level: int, text: bytes, _data: Any) -> None:
    if level in (_LEVEL_WARNING, _LEVEL_ERROR) and (
        line := " ".join(text.decode("utf-8", "replace").split())
    ):
        _lines.append(line)


log_callback = native.llama_log_callback(_log)  # must outlive every call of the library


def start() -> None:
    """Make the library ready; its log is kept in memory instead of printed."""
    native.llama_log_set(log_callback, ctypes.c_void_p(0))
    native.llama_backend_init()


def drain_log() -> str:
    """Return what the library has complained of since the last call, newest last."""
    text = "; ".join(dict.fromkeys(_lines))
    _lines.clear()
    return text


def build() -> str:
    """Return what identifies the library's build, for keys of files made by it."""
    info = native.llama_print_system_info().decode("utf-8", "replace")
    return f"{native.llama_version().decode()} {info}"
