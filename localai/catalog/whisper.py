"""Whisper models by their sizes: repositories of the hub whose folders CTranslate2 reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from localai.catalog.hub import cache
from localai.catalog.names import TINY_HEAR, ModelFile, Reference, hub_place, is_path
from localai.catalog.names import resolve as meaning_of
from localai.catalog.source import Entry, Offer, refuse_own
from localai.errors import UnknownModel
from localai.formats.text import closest, shown

if TYPE_CHECKING:
    from localai.catalog.hub.repository import HubFile

SIZES: Final[dict[str, tuple[str, int, str]]] = {
    # name: (repository, bytes of the model about, what it is good for); all MIT
    "tiny.en": ("Systran/faster-whisper-tiny.en", 75_500_000, "English; drafts, the quickest"),
    "base.en": ("Systran/faster-whisper-base.en", 145_000_000, "English; drafts"),
    "base": ("Systran/faster-whisper-base", 145_000_000, "99 languages; drafts"),
    "small.en": ("Systran/faster-whisper-small.en", 484_000_000, "English; everyday use on a CPU"),
    "small": ("Systran/faster-whisper-small", 484_000_000, "everyday use on a CPU"),
    "distil-small.en": (
        "Systran/faster-distil-whisper-small.en", 332_000_000, "English; quick on a CPU",
    ),
    "medium.en": ("Systran/faster-whisper-medium.en", 1_528_000_000, "English; careful"),
    "medium": ("Systran/faster-whisper-medium", 1_528_000_000, "careful; translates well"),
    "distil-medium.en": (
        "Systran/faster-distil-whisper-medium.en", 789_000_000, "English; careful and quick",
    ),
    "turbo": (
        "mobiuslabsgmbh/faster-whisper-large-v3-turbo", 1_618_000_000,
        "quick and good on a GPU; no --translate",
    ),
    "distil-large-v3": (
        "Systran/faster-distil-whisper-large-v3", 1_513_000_000, "English; long recordings",
    ),
    "distil-large-v3.5": (
        "distil-whisper/distil-large-v3.5-ct2", 1_513_000_000, "English; long recordings",
    ),
    "large-v1": ("Systran/faster-whisper-large-v1", 3_087_000_000, "as it was first"),
    "large-v2": ("Systran/faster-whisper-large-v2", 3_087_000_000, "the most careful but one"),
    "large-v3": ("Systran/faster-whisper-large-v3", 3_087_000_000, "the most careful"),
}  # fmt: skip
_ALIASES: Final = {"large": "large-v3", "large-v3-turbo": "turbo"}
DEFAULT: Final = "small"
_MORE: Final = 1 << 29  # bytes that ten minutes of sound take beside the weights, about
_NEEDED: Final = ("model.bin", "config.json", "tokenizer.json")
_ALSO: Final = ("preprocessor_config.json", "vocabulary.json", "vocabulary.txt")


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_File = TypeVar("_File", bound=_Named)


class WhisperModels:
    """The source of hearing models, with the methods of `source.ModelSource`."""

    def __init__(self, role: str = "hear") -> None:
        self._role = role

    def resolve(self, name: str) -> ModelFile | Reference:
        """Return a model's folder, or the repository that it would be fetched from."""
        if name == "tiny" or is_path(name):
            return meaning_of(name, TINY_HEAR)
        model = reference(name)
        return on_disk(model) or model

    def offered(self) -> str:
        """Return the size that does everyday work on a CPU."""
        return DEFAULT

    def about(self, reference: Reference) -> Offer | None:
        """Return what is known of a size."""
        size = SIZES.get(_ALIASES.get(reference.name.lower(), reference.name.lower()))
        return Offer(reference.name, size[1], size[2], "MIT") if size else None

    def needed(self, files: Sequence[HubFile], reference: Reference) -> Sequence[HubFile]:
        """Return the files of a repository that the engine reads."""
        return needed(files, reference.repo)

    def model(self, reference: Reference, paths: Sequence[Path]) -> ModelFile:
        """Return the folder that the files lie in."""
        return ModelFile(reference.name, paths[0].parent)

    def known(self) -> Iterator[Entry]:
        """Yield the sizes."""
        for name, (_, size, good_for) in SIZES.items():
            model = reference(name)
            files = [*filter(None, (cache.find(model.repo, file) for file in _NEEDED))]
            whole = on_disk(model)
            yield Entry(
                name,
                self._role,
                size,
                size + size // 5 + _MORE,
                good_for,
                whole is not None,
                bool(files) and whole is None,
                licence="MIT",
                path=str(whole.path) if whole else "",
            )

    def remove(self, name: str) -> int:
        """Remove a size's files."""
        if name == "tiny" or is_path(name):
            raise refuse_own(name)
        repo = reference(name).repo
        return cache.remove_present((repo, file) for file in (*_NEEDED, *_ALSO))


def reference(name: str) -> Reference:
    """Return the repository that a size, or `owner/name`, stands for.

    Raises
    ------
    UnknownModel
        It stands for none; with a did-you-mean for a near miss.
    """
    size = _ALIASES.get(name.lower(), name.lower())
    if size in SIZES:
        return Reference(name, SIZES[size][0])
    if "/" in name and (place := hub_place(name)):
        return Reference(name, *place)
    near = closest(name.lower(), (*SIZES, *_ALIASES, "tiny"))
    hint = f"did you mean {near}?" if near else f"tiny, {', '.join(SIZES)}; or a folder"
    raise UnknownModel(f"no hearing model is called {shown(name)}", hint)


def needed(files: Iterable[_File], repo: str) -> Sequence[_File]:
    """Return the files of a repository that make the model.

    Raises
    ------
    UnknownModel
        It holds no whole model of this form.
    """
    found = {each.name: each for each in files if each.name in (*_NEEDED, *_ALSO)}
    if missing := [name for name in _NEEDED if name not in found]:
        raise UnknownModel(
            f"{shown(repo)} holds no whole Whisper model for CTranslate2: {missing[0]} is missing",
            "localai transcribe -m small takes one that is",
        )
    return tuple(found.values())


def on_disk(reference: Reference) -> ModelFile | None:
    """Return a model's folder if the cache has it whole."""
    model = cache.find(reference.repo, "model.bin")
    if model is None or not is_whole(model.parent):
        return None
    return ModelFile(reference.name, model.parent)


def is_whole(folder: Path) -> bool:
    """Whether a folder holds all that the engine needs, so that nothing is looked up elsewhere."""
    return all((folder / name).is_file() for name in _NEEDED) and any(
        (folder / name).is_file() for name in ("vocabulary.json", "vocabulary.txt")
    )
