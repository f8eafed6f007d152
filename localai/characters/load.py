"""Any file to a character: which form it has is seen from its content."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from localai.characters import paths
from localai.characters.card import Character
from localai.characters.formats import foreign, strangers, yaml_reader
from localai.errors import BadInput
from localai.formats import yaml_tree
from localai.formats.text import decode
from localai.resources import NAME
from localai.system.files import read_regular

# The readers of other containers are imported where one is met: a YAML card waits for none of them.
_PNG, _ZIP = b"\x89PNG\r\n\x1a\n", b"PK"
_LONGEST_YAML = 2**20  # characters; the YAML reader takes some seconds for them
_CHAIN = 10  # cards that may extend each other
_IDENTITY = ("nickname", "note", "creator_notes")  # that fall with a new name
_FALLS = "the card has a name of its own, so it does not take over the `{}` of"


@dataclass(frozen=True)
class LoadedCard:
    """A card's file that was read."""

    path: Path
    form: str  # "YAML", "V2 PNG", "V3 CHARX", "Pygmalion JSON" ...
    character: Character
    text: str = ""  # of a YAML or JSON file
    lines: Mapping[str, int] = field(default_factory=dict)  # of the keys of a YAML file
    remarks: tuple[str, ...] = ()  # what a person should know although the card was read
    leans: bool = False  # on files beside it
    base: LoadedCard | None = None  # that it extends

    @property
    def bases(self) -> tuple[LoadedCard, ...]:
        """The card that it extends, the one that this extends, and so on."""
        return (self.base, *self.base.bases) if self.base else ()


def open_card(path: Path, chain: tuple[str, ...] = ()) -> LoadedCard:
    """Return the card in a file.

    Parameters
    ----------
    chain : tuple of str
        The cards that extend this one, by their real paths.

    Raises
    ------
    BadInput
        The file cannot be read, or is damaged; with its name, the reason, and mostly the line.
    """
    return parse(paths.FOLDER.read(path), path, chain)


def parse(data: bytes, path: Path, chain: tuple[str, ...] = ()) -> LoadedCard:
    """Return the card that a file's content holds; `path` names it and finds what lies beside."""
    if data.startswith(_PNG):
        opened = _png(data, path)
    elif data.startswith(_ZIP):
        opened = _charx(data, path)
    else:
        opened = _text(data, path, chain)
    if opened.character.name:
        return opened
    name = path.stem if NAME.fullmatch(path.stem) else "Character"
    remark = f"the card has no name; it is called {name!r} after its file"
    character = replace(opened.character, name=name)
    return replace(opened, character=character, remarks=(*opened.remarks, remark))


def _text(data: bytes, path: Path, chain: tuple[str, ...]) -> LoadedCard:
    strangers.refuse(data, path)
    try:
        if not _is_json(data, path):
            return _yaml(data, path, chain)
        opened = _json(data, path, str(path), "JSON")
    except BadInput as error:
        raise strangers.misnamed(path, error) from None
    return replace(opened, text=decode(data, str(path)))


def _is_json(data: bytes, path: Path) -> bool:
    if path.suffix.lower() in (".yaml", ".yml"):
        return False
    return path.suffix.lower() == ".json" or data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def _png(data: bytes, path: Path) -> LoadedCard:
    from localai.characters.formats import png

    keyword, text = png.card(data, str(path))
    return _json(text, path, f"{path} ({keyword})", "PNG")


def _charx(data: bytes, path: Path) -> LoadedCard:
    from localai.characters.formats import charx

    return _json(charx.card(data, str(path)), path, f"{path} (card.json)", "CHARX")


def _json(text: bytes, path: Path, source: str, container: str) -> LoadedCard:
    from localai.characters.formats import safe_json, tavern

    data = safe_json.load(text, source)
    if foreign.is_pygmalion(data):
        return LoadedCard(path, f"Pygmalion {container}", foreign.pygmalion(data, source))
    number = tavern.version(data, source)
    remarks: tuple[str, ...] = ()
    if newer := tavern.too_new(data):
        remarks = (f"the card is of version {newer}, which is newer than 3.0; read as 3.0",)
    character = tavern.read(data, source)
    return LoadedCard(path, f"V{number} {container}", character, remarks=remarks)


def _yaml(data: bytes, path: Path, chain: tuple[str, ...]) -> LoadedCard:
    text = decode(data, str(path)).replace("\r\n", "\n")
    if len(text) > _LONGEST_YAML:
        what = f"{path} is larger than {_LONGEST_YAML // 2**20} MB, too large for a YAML card"
        raise BadInput(what)
    root = yaml_tree.load(text, str(path))
    if foreign.is_webui(root):
        form = "text-generation-webui YAML"
        return LoadedCard(path, form, foreign.webui(root, str(path)), text)
    given = yaml_reader.read(root)
    values, leans = dict(given.values), given.lore_file is not None
    if given.lore_file is not None:
        values["lorebook"] = _lorebook(given.lore_file, path)
    if given.extends is None:
        who = yaml_reader.build(values)
        return LoadedCard(path, "YAML", who, text, given.lines, leans=leans)
    base, beside = _base(given.extends, path, chain)
    inherited = yaml_reader.values_of(base.character)
    fallen = _fallen(inherited, values)
    kept = {key: value for key, value in inherited.items() if key not in fallen}
    return LoadedCard(
        path,
        "YAML",
        yaml_reader.build(yaml_reader.merged(kept, values)),
        text,
        given.lines,
        tuple(f"{_FALLS.format(key)} {base.character.name!r}" for key in fallen),
        leans or beside,
        base,
    )


def _fallen(inherited: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a card does not take over, as it has a name of its own: what else says who."""
    if values.get("name") in (None, inherited["name"]):
        return ()
    return tuple(key for key in _IDENTITY if inherited[key] and key not in values)


def _lorebook(node: yaml_tree.Node, path: Path) -> dict[str, Any]:
    """Return the values of the book in the file that a card names."""
    from localai.characters.formats import lorebook_json, safe_json

    file = _pointed(paths.FOLDER.beside, path, node)
    content = read_regular(file, safe_json.LIMIT, "a lorebook", paths.FOLDER.hint)
    data = safe_json.load(content, str(file))
    book = Character(name="", lorebook=lorebook_json.read_file(data, str(file)))
    found: dict[str, Any] = yaml_reader.values_of(book)["lorebook"]
    return found


def _base(node: yaml_tree.Node, path: Path, chain: tuple[str, ...]) -> tuple[LoadedCard, bool]:
    """Return the card that a card extends, and whether that is a file beside it."""
    file = _pointed(paths.base, path, node)
    chain = (*chain, os.path.realpath(path))
    if os.path.realpath(file) in chain:
        raise node.error(f"the cards extend each other in a circle: {node.text}")
    if len(chain) > _CHAIN:
        raise node.error(f"more than {_CHAIN} cards extend each other")
    base = open_card(file, chain)
    shelf = paths.FOLDER
    by_name = not shelf.is_path(node.text) and file.parent in shelf.folders().values()
    return base, not by_name


def _pointed(find: Any, path: Path, node: yaml_tree.Node) -> Path:
    try:
        file = find(path, node.text.strip())
    except BadInput as error:
        raise node.error(f"{error.what}: {node.text!r}") from None
    if file is None:
        hint = "give the name of a character, or of a file beside this one"
        raise node.error(f"there is no {node.text!r}", hint)
    assert isinstance(file, Path)
    return file
