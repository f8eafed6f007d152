"""The commands that install an engine's library, built for a GPU where there is one.

None of them is run here: they are shown to the user, quoted for a shell.
"""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from localai.engines.registry import engines
from localai.system.gpus import Gpu

NEEDED = "llama-cpp-python>=0.3.36,<0.4"  # as in pyproject.toml

_CUDA, _ROCM = "/usr/local/cuda/bin", "/opt/rocm/bin"  # where installers put them, often off PATH


@dataclass(frozen=True)
class InstallSteps:
    """How to install a library."""

    first: tuple[str, ...] = ()  # what has to be done before, for people
    words: tuple[str, ...] = ()  # of the command, quoted for a shell

    @property
    def command(self) -> str:
        """The command as one line."""
        return " ".join(self.words)


def backend_for(gpu: Gpu | None) -> str:
    """Return the backend to build for a GPU; empty if there is none to advise."""
    if gpu is None or gpu.access != "yes":
        return ""
    if gpu.vendor == "AMD":  # Vulkan needs but a few packages, ROCm many gigabytes
        return "hip" if _tool("hipconfig", _ROCM) else "vulkan"
    return {"NVIDIA": "cuda", "Intel": "vulkan", "Apple": "metal"}.get(gpu.vendor, "")


def install_steps(kind: str, backend: str = "", version: str | None = None) -> InstallSteps:
    """Return how to install the library of a kind of engine.

    Parameters
    ----------
    kind : str
        A key of `engines.registry.ENGINES`.
    backend : str
        What to build it for; empty: what it takes by itself.
    version : str or None
        Of the one that is installed and is to be built anew, all others left as they are.
    """
    row = engines()[kind]
    name, flag = row.package, row.build_flags.get(backend, "")
    options: list[str] = []
    if version is not None:
        options += ["--force-reinstall", "--no-deps"]
    if (flag or version is not None) and row.compiled:
        # Else pip would take the library that it has built, for whatever device, an earlier time.
        options += ["--no-cache-dir", "--no-binary", name]
    wanted = f"{name}=={version}" if version else NEEDED if kind == "text" else name
    pip = [sys.executable, "-m", "pip", "install", *options, wanted]
    variables = [*_variables(backend), shlex.quote(f"CMAKE_ARGS={flag}")] if flag else []
    return InstallSteps(
        first=tuple(_first(kind, backend if flag else "")),
        words=(*variables, *map(shlex.quote, pip)),
    )


def _variables(backend: str) -> Iterator[str]:
    """Yield what tells CMake where a compiler is; it finds those on the PATH by itself."""
    if backend == "cuda" and not shutil.which("nvcc") and (nvcc := _tool("nvcc", _CUDA)):
        yield f"CUDACXX={shlex.quote(nvcc)}"
    if backend == "hip":
        tool = shlex.quote(_tool("hipconfig", _ROCM) or "hipconfig")
        yield f'HIPCXX="$({tool} -l)/clang"'
        yield f'HIP_PATH="$({tool} -R)"'


def _first(kind: str, backend: str) -> Iterator[str]:
    """Yield what is not there yet and has to be."""
    if importlib.util.find_spec("pip") is None:
        yield f"{shlex.quote(sys.executable)} -m ensurepip"
    if engines()[kind].compiled and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        yield _compiler()
    if backend == "cuda" and not _tool("nvcc", _CUDA):
        yield "install the CUDA toolkit, for nvcc: https://developer.nvidia.com/cuda-downloads"
    if backend == "hip" and not _tool("hipconfig", _ROCM):
        yield "install ROCm, for hipconfig: https://rocm.docs.amd.com"
    if backend == "vulkan" and not shutil.which("glslc"):
        apt = "sudo apt-get install libvulkan-dev glslc spirv-headers"
        yield apt if shutil.which("apt-get") else "install Vulkan's and SPIR-V's headers, and glslc"


def _compiler() -> str:
    if sys.platform == "darwin":
        return "xcode-select --install"
    apt = shutil.which("apt-get")
    return "sudo apt-get install build-essential" if apt else "install a C++ compiler"


def _tool(name: str, folder: str) -> str | None:
    """Return the path of a program, on the PATH or where its installer puts it."""
    return shutil.which(name) or shutil.which(name, path=folder)
