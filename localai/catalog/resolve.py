"""A model's name to its file, where this machine has it; nothing is fetched, nobody is asked."""

from __future__ import annotations

from localai.catalog.name_cache import recall, remember
from localai.catalog.names import ModelFile, Reference, is_path
from localai.catalog.names import resolve as meaning_of
from localai.errors import UnknownModel


def resolve(name: str, kind: str = "text") -> ModelFile | Reference:
    """Return a model's file, or the place on the hub that it would be fetched from.

    Parameters
    ----------
    name : str
        As given with `-m`.
    kind : str
        Of engine that is to load it.

    Raises
    ------
    UnknownModel
        No such file and no such name; with a did-you-mean for a near miss.
    """
    if kind == "hear" and name != "tiny" and not is_path(name):
        from localai.catalog import whisper

        model = whisper.reference(name)
        return whisper.on_disk(model) or model
    if kind == "text" and (path := recall(name)):
        return ModelFile(name, path)
    meant = meaning_of(name, kind)
    if isinstance(meant, ModelFile):
        return meant
    if found := on_disk(meant):
        remember(name, found.path)
        return found
    return meant


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


def offer(kind: str) -> str:
    """Return the name of the model to offer where none was named and none is the default.

    Raises
    ------
    UnknownModel
        None fits this machine.
    """
    if kind == "hear":
        from localai.catalog import whisper

        return whisper.DEFAULT
    from localai.catalog import known
    from localai.system.memory import free_memory

    row = known.default_for(kind, free_memory())
    if row is None:
        raise UnknownModel(
            "no model was named, and none of the known ones fits into the free memory",
            "add -m tiny or -m FILE.gguf",
        )
    return row.name
