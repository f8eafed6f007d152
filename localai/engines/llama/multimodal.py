"""llama.cpp's multimodal library (mtmd), loaded where a model sees."""

from __future__ import annotations

import ctypes
import importlib
from functools import cache
from typing import Any

from localai.engines.llama.bindings import log_callback


@cache
def mtmd() -> Any:
    """Return the functions and structs of `mtmd.h` and `mtmd-helper.h`; its log joins llama's.

    Raises
    ------
    ImportError, OSError
        The installed package lacks the library.
    """
    library = importlib.import_module("llama_cpp.mtmd_cpp")
    library.mtmd_helper_log_set(log_callback, ctypes.c_void_p(0))
    return library
