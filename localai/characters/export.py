"""Characters to files: exported for other programs, and put into the user's folder."""

from __future__ import annotations

import re

from localai.characters import paths
from localai.characters.card import Character
from localai.characters.formats import safe_json, tavern, yaml_writer
from localai.characters.load import LoadedCard
from localai.errors import BadInput

FORMS = (".json", ".png", ".yaml")


def exported(card: LoadedCard, form: str, spec: int = 3, picture: bytes | None = None) -> bytes:
    """Return a card as a file of another form.

    Parameters
    ----------
    form : str
        One of `FORMS`. JSON and PNG keep everything; YAML leaves out what we do not use.
    spec : int
        The version of the JSON, 2 or 3; a PNG holds both.
    picture : bytes or None
        A PNG for the card; None: its own or that of the card that it extends, else a plain one.
    """
    if form == ".yaml":
        return yaml_writer.write(card.character).encode()
    if form == ".json":
        return safe_json.dump(tavern.write(card.character, spec)).encode()
    if form != ".png":
        raise BadInput(f"a card cannot be written as {form or 'that'}", f"use {', '.join(FORMS)}")
    from localai.characters.formats import png

    texts = {"chara": _compact(card.character, 2), "ccv3": _compact(card.character, 3)}
    return png.embed(_picture(card, picture), texts, str(card.path))


def imported(card: LoadedCard, data: bytes) -> tuple[str, bytes]:
    """Return how a card's file is kept: its suffix and content.

    The file stays as it is, unless it leans on files beside it: then it becomes one that does not.
    """
    if card.leans:
        form = ".png" if _pictured(card) else ".json"
        return form, exported(card, form)
    container = card.form.split()[-1].lower()
    return f".{container}", data


def name_for(character: Character) -> str:
    """Return a character's name as a file's: `Seraphina the Guardian` is seraphina-the-guardian."""
    return re.sub(r"[\W_]+", "-", character.name.lower()).strip("-")[:60] or "character"


def _compact(character: Character, spec: int) -> bytes:
    return safe_json.dump(tavern.write(character, spec)).encode()


def _picture(card: LoadedCard, picture: bytes | None) -> bytes:
    from localai.characters.formats import png

    if picture is not None:
        if not png.is_png(picture):
            raise BadInput("the picture is no PNG file", "convert it first")
        return picture
    if pictured := _pictured(card):
        return paths.FOLDER.read(pictured.path)
    return png.blank(card.character.name)


def _pictured(card: LoadedCard) -> LoadedCard | None:
    """Return the card whose picture is a card's own: itself, or the next that it extends."""
    return next((each for each in (card, *card.bases) if each.form.endswith("PNG")), None)
