"""Where the models of a kind come from: what each kind of engine says of its models' names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from localai.catalog.names import ModelFile, Reference

if TYPE_CHECKING:
    from localai.catalog.hub.repository import HubFile


class Offer(NamedTuple):
    """What a person should know of a model before it is fetched."""

    name: str
    bytes: int  # to fetch; 0: not known before the hub is asked
    good_for: str
    licence: str


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
