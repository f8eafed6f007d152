"""Whether a model can fit this machine at all: what is asked before a byte of it is fetched.

Only the bytes of its files are known then; `memory` knows better once there is a header to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from localai.catalog import known
from localai.errors import NotEnoughMemory
from localai.formats.text import shown
from localai.formats.units import amount
from localai.system import gpus
from localai.system.memory import total_memory

if TYPE_CHECKING:
    from localai.catalog.hub.repository import HubFile

_MORE: Final = 512 << 20  # bytes: the least that a process and a small context take


def whole_memory() -> int:
    """Return the bytes that a model could lie in: those of the machine and of its own GPUs."""
    return total_memory() + sum(gpu.memory or 0 for gpu in gpus.find() if not gpu.integrated)


def fits(size: int) -> bool:
    """Whether a model with so many bytes of weights could run here if nothing else did."""
    return size + size // 20 + _MORE <= whole_memory()


def refuse_too_large(name: str, size: int, repo: str = "", files: Sequence[HubFile] = ()) -> None:
    """Refuse what cannot fit, with what can instead.

    Parameters
    ----------
    size : int
        Bytes of its weights.
    repo, files
        Where it lies, and what else lies there: perhaps a smaller quantisation.

    Raises
    ------
    NotEnoughMemory
        It cannot fit.
    """
    if fits(size):
        return
    ways = [*_smaller(repo, files), *_other(name), "-m tiny"]
    raise NotEnoughMemory(
        f"{shown(name)} has {amount(size)} of weights, and this machine's memory is "
        f"{amount(whole_memory())} in all; nothing was fetched",
        f"use one of these: {'; '.join(ways)}",
    )


def _smaller(repo: str, files: Sequence[HubFile]) -> list[str]:
    """Return the largest file of the repository that fits."""
    sizes = {
        file.name: file.bytes
        for file in files
        if file.name.lower().endswith(".gguf") and "-of-" not in file.name and file.bytes
    }
    fitting = [name for name, size in sizes.items() if fits(size) and "mmproj" not in name.lower()]
    best = max(fitting, key=lambda name: sizes[name], default="")
    return [f"-m hf:{repo}/{shown(best)} ({amount(sizes[best])})"] if best else []


def _other(name: str) -> list[str]:
    """Return the largest known model that fits."""
    rows = [row for row in known.rows() if not row.base and row.name != name and fits(row.download)]
    best = max(rows, key=lambda row: row.download, default=None)
    return [f"-m {best.name} ({amount(best.download)})"] if best else []
