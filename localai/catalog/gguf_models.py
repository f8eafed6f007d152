"""Models of GGUF files: known names, repositories of the hub, and files on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from localai.catalog import projectors
from localai.catalog.name_cache import recall, remember
from localai.catalog.names import TINY, TINY_VISION, ModelFile, Reference
from localai.catalog.names import resolve as meaning_of
from localai.errors import UnknownModel
from localai.formats.text import shown

if TYPE_CHECKING:
    from localai.catalog.hub.repository import HubFile
    from localai.catalog.source import Entry, Offer


class GgufModels:
    """The source of text models, and of those that see, with the methods of `source.ModelSource`.

    Parameters
    ----------
    role : str
        For what a model is wanted, which decides what is offered.
    """

    def __init__(self, role: str = "text") -> None:
        self._role = role

    def resolve(self, name: str) -> ModelFile | Reference:
        """Return a model's file, or the place on the hub that it would be fetched from."""
        if (path := recall(name)) and self._is_whole(path):
            return self._with_projector(ModelFile(name, path))
        meant = meaning_of(name, TINY_VISION if self._role == "vision" else TINY)
        if isinstance(meant, ModelFile):
            return self._with_projector(meant)
        if (found := on_disk(meant)) and self._is_whole(found.path):
            remember(name, found.path)
            return self._with_projector(found)
        return meant

    def _is_whole(self, path: Path) -> bool:
        """Whether what lies beside a fetched model is there, too, as far as it is wanted."""
        return self._role != "vision" or projectors.beside(path) is not None

    def _with_projector(self, model: ModelFile) -> ModelFile:
        """Return a model with what makes it see, if that is wanted.

        Raises
        ------
        UnknownModel
            There is no projector.
        """
        if self._role != "vision":
            return model
        projector = projectors.beside(model.path)
        if projector is None:
            raise UnknownModel(
                f"{shown(model.name)} cannot see pictures: no projector (mmproj*.gguf) lies beside "
                f"{shown(model.path.name)}",
                "put it there, or take a model that sees: localai models",
            )
        return model._replace(more=(projector,))

    def offered(self) -> str:
        """Return the largest known model that fits into this machine's free memory."""
        from localai.catalog import known
        from localai.system.memory import free_memory

        spirit = self._role == "spirit"  # a base model, of the same kind
        row = known.default_for("text" if spirit else self._role, free_memory(), base=spirit)
        if row is None:
            raise UnknownModel(
                "no model was named, and none of the known ones fits into the free memory",
                "add -m tiny or -m FILE.gguf",
            )
        return row.name

    def about(self, reference: Reference) -> Offer | None:
        """Return what the table of known models says."""
        from localai.catalog.source import Offer

        row = reference.row
        return Offer(row.name, row.download, row.good_for, row.licence) if row else None

    def needed(self, files: Sequence[HubFile], reference: Reference) -> Sequence[HubFile]:
        """Return the file that is wanted, or all its parts, and then its projector."""
        from localai.catalog.hub.select import choose

        model = tuple(choose(files, reference.wanted, reference.repo))
        if self._role == "vision" or (reference.row and reference.row.projector):
            return (*model, projectors.choose(files, model[0].name, reference))
        return model

    def model(self, reference: Reference, paths: Sequence[Path]) -> ModelFile:
        """Return the model, whose name the next call finds at once."""
        remember(reference.name, paths[0])
        return self._with_projector(ModelFile(reference.name, paths[0]))

    def known(self) -> Iterator[Entry]:
        """Yield the models of the table, for all roles, and the other GGUF files on disk."""
        from localai.catalog import inventory

        return inventory.listing()

    def remove(self, name: str) -> int:
        """Remove a fetched model's files, its projector included."""
        from localai.catalog import inventory
        from localai.catalog.source import refuse_own

        meant = meaning_of(name)
        if isinstance(meant, ModelFile):
            raise refuse_own(name)
        return inventory.remove(meant)


def on_disk(reference: Reference) -> ModelFile | None:
    """Return a model's file if the cache has it whole."""
    from localai.catalog.hub import cache  # which names of files need not wait for

    if reference.row:
        path = cache.find(reference.repo, reference.row.file)
        return ModelFile(reference.name, path) if path else None
    from localai.catalog.hub.select import choose

    whole = [each for each in cache.stored(reference.repo) if not each.partial]
    try:
        parts = choose(whole, reference.wanted, reference.repo)
    except UnknownModel:
        return None
    return ModelFile(reference.name, parts[0].path)
