"""The projector of a model file: what makes a text model see lies beside it as `mmproj`.

Publishers name it `mmproj-F16.gguf`, `mmproj-model-f16.gguf`, `NAME-mmproj-f16.gguf` and the like.
In the hub's cache a model's name is a link, and its projector another link beside that, so it is
looked for beside the link, not where that leads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.catalog.gguf.parts import link_chain
from localai.errors import UnknownModel
from localai.formats.text import shown

if TYPE_CHECKING:
    from localai.catalog.hub.repository import HubFile
    from localai.catalog.names import Reference

MARK: Final = "mmproj"
_TYPE: Final = r"(^|[-_.])(ud-)?(i?q[0-9]|f16|bf16|f32|mxfp4).*"
_PREFERRED: Final = ("f16", "bf16", "q8_0", "f32")  # small numbers lose what a picture shows


def is_projector(name: str) -> bool:
    """Whether a file's name says that it is a projector."""
    lower = name.lower()
    return MARK in lower and lower.endswith(".gguf")


def beside(path: Path) -> Path | None:
    """Return the projector beside a model's file or beside a link that leads to it, if any."""
    for link in link_chain(path):
        try:
            names = [each.name for each in link.parent.iterdir() if each.name.endswith(".gguf")]
        except OSError:
            continue
        others = [name for name in names if not is_projector(name)]
        own = [name for name in names if is_projector(name) and _belongs(name, link.name, others)]
        if own:
            return link.with_name(best(own, link.name))
    return None


def _belongs(name: str, model: str, others: Iterable[str]) -> bool:
    """Whether no other model of the folder is named more like a projector than this one."""
    return all(_alike(name, other) <= _alike(name, model) for other in others)


def choose(files: Sequence[HubFile], model: str, reference: Reference) -> HubFile:
    """Return the projector of a repository that goes with a model's file.

    Raises
    ------
    UnknownModel
        The repository holds none.
    """
    folder, _, name = model.rpartition("/")
    row = reference.row
    found = {each.name: each for each in files if is_projector(each.name)}
    if row and row.projector in found:
        return found[row.projector]
    near = [each for each in found if each.rpartition("/")[0] == folder] or list(found)
    if not near:
        raise UnknownModel(
            f"{shown(reference.repo)} holds no projector (mmproj*.gguf): it cannot see pictures",
            "take a model that sees: localai models",
        )
    return found[best(near, name)]


def best(names: Iterable[str], model: str) -> str:
    """Return which of some projectors suits a model's file: named most like it, then by type."""
    return min(names, key=lambda name: (-_alike(name, model), _type(name), name))


def _alike(name: str, model: str) -> int:
    """Return how many leading letters a projector's name, without its mark, has of a model's."""
    pairs = zip(_bare(name.rpartition("/")[2]), _bare(model), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _bare(name: str) -> str:
    """Return a file's name without the mark of a projector, its type and its ending."""
    bare = re.sub(rf"[-_.]?{MARK}[-_.]?", "-", name.lower().removesuffix(".gguf"))
    return re.sub(_TYPE, "", bare).strip("-_.")


def _type(name: str) -> int:
    lower = name.lower()
    found = [at for at, kind in enumerate(_PREFERRED) if kind in lower]
    return max(found, default=len(_PREFERRED))
