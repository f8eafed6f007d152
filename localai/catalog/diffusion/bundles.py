"""Picture models with a short name: a diffusion model with its VAE and text encoders.

    rows() -> (Bundle, ...)             every row of bundles.toml
    find("z-image-turbo") -> Bundle | None

Nothing is read before the first call, and nothing is ever fetched.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

_TABLE: Final = Path(__file__).with_name("bundles.toml")
_ALIASES: Final = {"sd1.5": "sd-1.5", "sd15": "sd-1.5", "klein": "flux2-klein-4b"}
# Words of file names that say that few steps are enough: tensors do not tell a distilled model.
_DISTILLED: Final = ("turbo", "lightning", "lcm", "hyper", "distilled")


class BundleFile(NamedTuple):
    """A file of a bundle on the hub."""

    repo: str
    name: str
    bytes: int  # about


class Bundle(NamedTuple):
    """A picture model with a short name; what is 0 or empty is as its family has it."""

    name: str
    family: str  # a key of `families.FAMILIES`
    files: tuple[BundleFile, ...]
    licence: str
    good_for: str
    side: int = 0
    steps: int = 0
    cfg: float = 0.0
    sampler: str = ""
    quick_steps: int = 0

    @property
    def bytes(self) -> int:
        """Return the bytes of all its files, about."""
        return sum(file.bytes for file in self.files)


class DrawDefaults(NamedTuple):
    """Settings that a model's name asks for; None: as its family has it."""

    side: int | None = None
    steps: int | None = None
    cfg: float | None = None
    sampler: str | None = None
    quick_steps: int | None = None


def _bundle(row: dict[str, Any]) -> Bundle:
    return Bundle(**{**row, "files": tuple(BundleFile(*file) for file in row["files"])})


@cache
def rows() -> tuple[Bundle, ...]:
    """Return every row of the table, in its order."""
    import tomllib  # which the tiny model need not wait for

    return tuple(map(_bundle, tomllib.loads(_TABLE.read_text("utf-8"))["bundle"]))


def names() -> tuple[str, ...]:
    """Return all names, the other spellings too."""
    return (*(row.name for row in rows()), *_ALIASES)


def find(name: str) -> Bundle | None:
    """Return the row of that very name."""
    low = name.lower()
    return next((row for row in rows() if row.name == _ALIASES.get(low, low)), None)


def defaults(name: str) -> DrawDefaults:
    """Return the settings that a model's name asks for, be it a bundle's or a file's."""
    if name == "tiny":
        return DrawDefaults()
    if row := find(name):
        return DrawDefaults(
            row.side or None,
            row.steps or None,
            row.cfg or None,
            row.sampler or None,
            row.quick_steps or None,
        )
    if any(word in Path(name).name.lower() for word in _DISTILLED):
        return DrawDefaults(steps=4, cfg=1.0, quick_steps=2)
    return DrawDefaults()
