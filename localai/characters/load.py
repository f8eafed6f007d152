"""Any file to a character: which form it has is seen from its content."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from localai.characters import paths
from localai.characters.card import Character
from localai.characters.formats import foreign, yaml_reader
from localai.errors import BadInput
from localai.formats import yaml_tree
from localai.formats.text import decode
from localai.resources import NAME
from localai.system.files import read_regular

# The readers of other containers are imported where one is met: a YAML card waits for none of them.
_PNG, _ZIP = b"\x89PNG\r\n\x1a\n", b"PK"
_PICTURES = {b"\xff\xd8\xff": "JPEG", b"RIFF": "WEBP", b"GIF8": "GIF"}
_LONGEST_YAML = 2**20  # characters; the YAML reader takes some seconds for them
_CHAIN = 10  # cards that may extend each other


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
    source = str(path)
    if data.startswith(_PNG):
        opened = _png(data, path)
    elif data.startswith(_ZIP):
        opened = _charx(data, path)
    elif kind := next((kind for head, kind in _PICTURES.items() if data.startswith(head)), ""):
        raise BadInput(f"{source}: a {kind} picture holds no character card; a PNG does")
    elif _is_json(data, path):
        opened = _json(data, path, source, "JSON")
        opened = replace(opened, text=decode(data, source))
    else:
        opened = _yaml(data, path, chain)
    if opened.character.name:
        return opened
    name = path.stem if NAME.fullmatch(path.stem) else "Character"
    remark = f"the card has no name; it is called {name!r} after its file"
    character = replace(opened.character, name=name)
    return replace(opened, character=character, remarks=(*opened.remarks, remark))


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
    if given.extends is not None:
        values, beside = _extended(given.extends, values, path, chain)
        leans = leans or beside
    return LoadedCard(path, "YAML", yaml_reader.build(values), text, given.lines, leans=leans)


def _lorebook(node: yaml_tree.Node, path: Path) -> dict[str, Any]:
    """Return the values of the book in the file that a card names."""
    from localai.characters.formats import lorebook_json, safe_json

    file = _pointed(paths.FOLDER.beside, path, node)
    content = read_regular(file, safe_json.LIMIT, "a lorebook", paths.FOLDER.hint)
    data = safe_json.load(content, str(file))
    book = Character(name="", lorebook=lorebook_json.read_file(data, str(file)))
    found: dict[str, Any] = yaml_reader.values_of(book)["lorebook"]
    return found


def _extended(
    node: yaml_tree.Node, values: dict[str, Any], path: Path, chain: tuple[str, ...]
) -> tuple[dict[str, Any], bool]:
    """Return a card's values over those of the card that it extends, and whether that is a file."""
    file = _pointed(paths.base, path, node)
    chain = (*chain, os.path.realpath(path))
    if os.path.realpath(file) in chain:
        raise node.error(f"the cards extend each other in a circle: {node.text}")
    if len(chain) > _CHAIN:
        raise node.error(f"more than {_CHAIN} cards extend each other")
    base = open_card(file, chain)
    shelf = paths.FOLDER
    by_name = not shelf.is_path(node.text) and file.parent in shelf.folders().values()
    return yaml_reader.merged(yaml_reader.values_of(base.character), values), not by_name


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
