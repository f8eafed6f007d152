"""Where the models of a kind come from: what each kind of engine says of its models' names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from localai.catalog.names import ModelFile, Reference
from localai.errors import BadInput
from localai.formats.text import shown

if TYPE_CHECKING:
    from localai.catalog.hub.repository import HubFile


class Offer(NamedTuple):
    """What a person should know of a model before it is fetched."""

    name: str
    bytes: int  # to fetch; 0: not known before the hub is asked
    good_for: str
    licence: str


@dataclass(frozen=True)
class Entry:
    """A model that can be named."""

    name: str
    kind: str  # the role that it is made for, as `--kind` takes it
    bytes: int  # of its files
    memory: int  # bytes, about
    good_for: str
    on_disk: bool
    partial: bool = False  # a part of it was fetched
    parameters: str = ""
    context: int | None = None  # tokens
    licence: str = ""
    base: bool = False  # continues text, does not answer
    path: str = ""
    fits: bool = True  # into this machine's memory

    @property
    def mark(self) -> str:
        """Return what stands before its name: on disk, or too large for this machine."""
        return "*" if self.on_disk else "" if self.fits else "!"

    def to_json(self) -> dict[str, Any]:
        """Return plain data with stable keys."""
        return asdict(self)


class ModelSource(Protocol):
    """Names of models of one kind to files. Made of the role that a model is wanted for.

    Nothing here fetches, draws or asks: `generation.obtain` does, for all kinds alike.
    """

    def resolve(self, name: str) -> ModelFile | Reference:
        """Return a model's files, or the place on the hub that they would be fetched from.

        Raises
        ------
        UnknownModel
            No such file and no such name; with a did-you-mean for a near miss.
        """

    def offered(self) -> str:
        """Return the name of the model to offer where none was named and none is the default.

        Raises
        ------
        UnknownModel
            None fits this machine.
        """

    def about(self, reference: Reference) -> Offer | None:
        """Return what is known of a model without asking the hub; None: nothing."""

    def needed(self, files: Sequence[HubFile], reference: Reference) -> Sequence[HubFile]:
        """Return the files of a repository that make a model, the first one first.

        Raises
        ------
        UnknownModel
            It holds no such model.
        """

    def model(self, reference: Reference, paths: Sequence[Path]) -> ModelFile | Reference:
        """Return a model of what `needed` named, once it is fetched; what was learnt is kept.

        Of a model whose files lie in several repositories: the place of what is still missing.
        """

    def known(self) -> Iterator[Entry]:
        """Yield the models of this kind that have a name, and what else of it is on disk."""

    def remove(self, name: str) -> int:
        """Remove a fetched model from disk; return the bytes that are free now, 0: it is not there.

        Raises
        ------
        BadInput
            It is a file of the user's own, or ships with the package.
        UnknownModel
            No such name.
        """


def refuse_own(name: str) -> BadInput:
    """Return the error of a model that was never fetched."""
    return BadInput(
        f"{shown(name)} is not a fetched model", "remove a file of your own with: rm FILE"
    )
