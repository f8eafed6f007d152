"""A card that extends another is somebody of its own, and keeps the other's picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localai.characters import export, index, lint
from localai.characters.card import Character
from localai.characters.formats import png, safe_json, tavern
from localai.characters.load import open_card, parse
from tests.conftest import run

MARA = """\
name: Mara Holm
nickname: Mar
description: "{{char}} keeps a lighthouse and knows {{user}}."
first_message: Hello, stranger.
note: "{{char}} whispers."
creator_notes: Mara is for evenings.
"""


def cards(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)


def told(folder: Path, name: str) -> list[str]:
    return [warning.text for warning in lint.check(open_card(folder / f"{name}.yaml"))]


@pytest.mark.parametrize(
    ("patch", "nickname", "note", "notes"),
    [
        ("name: Nora\n", "", None, ""),
        ("name: Mara Holm\n", "Mar", "{{char}} whispers.", "Mara is for evenings."),
        ("scenario: here\n", "Mar", "{{char}} whispers.", "Mara is for evenings."),
        ("name: Nora\nnickname: No\n", "No", None, ""),
        ("name: Nora\nnote: Nora sings.\n", "", "Nora sings.", ""),
        ("name: Nora\nnote: {depth: 2}\n", "", "{{char}} whispers.", ""),
        ("name: Nora\ncreator_notes: mine\n", "", None, "mine"),
    ],
)
def test_what_says_who_it_is_falls_with_a_new_name(
    patch: str, nickname: str, note: str | None, notes: str, tmp_path: Path
) -> None:
    cards(tmp_path, mara=MARA, nora=f"extends: ./mara.yaml\n{patch}")
    who = open_card(tmp_path / "nora.yaml").character
    assert (who.nickname, who.note.text if who.note else None) == (nickname, note)
    assert who.creator_notes == notes
    assert who.called == (nickname or who.name)
    assert who.description == "{{char}} keeps a lighthouse and knows {{user}}."


def test_it_is_told_what_falls(tmp_path: Path) -> None:
    cards(tmp_path, mara=MARA, nora="extends: ./mara.yaml\nname: Nora\n")
    texts = told(tmp_path, "nora")
    assert [key for key in ("nickname", "note", "creator_notes") if any(f"`{key}`" in t for t in texts)] == [
        "nickname", "note", "creator_notes",
    ]  # fmt: skip
    cards(tmp_path, sole="extends: ./mara.yaml\nscenario: here\n")
    assert told(tmp_path, "sole") == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("first_message", "I am Mara."),
        ("description", "{{char}}, or Mara Holm, knows {{user}}."),
        ("personality", "as dry as Mar can be"),
        ("scenario", "Mara's lighthouse"),
        ("system", "You are Mara."),
        ("post_history", "(Mara, stay calm!)"),
        ("persona", "a friend of Mara"),
        ("alternate_greetings", ["Hi.", "Mara waves."]),
        ("examples", "<START>\n{{user}}: a\nMara: b"),
        ("lorebook", {"entries": [{"keys": ["sea"], "content": "Mara fears it."}]}),
        ("picture", {"prompt": "Mara at a window"}),
        ("tags", ["Mara"]),
    ],
)
def test_inherited_texts_that_name_the_parent_are_told(
    key: str, value: Any, tmp_path: Path
) -> None:
    parent = safe_json.dump({"name": "Mara Holm", "nickname": "Mar", key: value})
    cards(tmp_path, mara=parent, nora="name: Nora\nextends: ./mara.yaml\n")
    cards(tmp_path, kid="name: Kid\nextends: ./nora.yaml\nversion: '2'\n")
    for card in ("nora", "kid"):
        named = [
            w
            for w in lint.check(open_card(tmp_path / f"{card}.yaml"))
            if f"`{key}` says 'Mar" in w.text
        ]
        assert named and {warning.line for warning in named} == {2}, card
    own = safe_json.dump({"extends": "./mara.yaml", "name": "Nora", key: value})
    if key not in ("lorebook", "picture"):
        cards(tmp_path, own=own.replace("Mara", "Mara_").replace("Mar ", "Mar_ "))
        assert not any("says 'Mar" in text for text in told(tmp_path, "own"))


def test_a_word_is_no_name_and_an_own_name_is_none_of_another(tmp_path: Path) -> None:
    cards(
        tmp_path,
        mara="name: Mar\ndescription: 'Marble and mar for {{char}} and {{user}}, The End'",
        nora="extends: ./mara.yaml\nname: Nora\n",
        the="name: The Keeper\ndescription: 'The end of {{char}} and {{user}}'",
        tim="extends: ./the.yaml\nname: Tim\n",
        mina="name: Mina Holm\ndescription: 'Mina, {{char}}, {{user}}'",
        mina2="extends: ./mina.yaml\nname: Mina Berg\n",
    )
    for card in ("nora", "tim", "mina2"):
        assert told(tmp_path, card) == []


def test_shipped_cards_that_are_extended_under_another_name(home: Path) -> None:
    folder = home / "data" / "localai" / "characters"
    folder.mkdir(parents=True)
    cards(folder, mine="extends: librarian\nname: Zoe\n")
    who = index.load("mine")
    base = index.load("librarian")
    assert who.called == "Zoe" and base.called not in (who.note.text if who.note else "")


# Pictures

PICTURE = png.blank("Eva", 3, 2)


def with_card(**data: Any) -> bytes:
    card = {"spec": "chara_card_v2", "data": {"name": "Eva", "description": "d", **data}}
    return png.embed(PICTURE, {"chara": json.dumps(card).encode()}, "x")


def image_data(data: bytes) -> bytes:
    return b"".join(bytes(c.body) for c in png.chunks(data, "x") if c.kind == b"IDAT")


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """A card in a picture, and cards that extend it: directly, over another, by another kind."""
    (tmp_path / "eva.png").write_bytes(with_card())
    cards(
        tmp_path,
        child="extends: ./eva.png\nname: Nora\n",
        grandchild="extends: ./child.yaml\nscenario: here\n",
        none="name: Nora\ndescription: d\n",
    )
    return tmp_path


@pytest.mark.parametrize("name", ["eva.png", "child.yaml", "grandchild.yaml"])
def test_an_export_keeps_the_picture_of_the_card_that_is_extended(name: str, family: Path) -> None:
    card = open_card(family / name)
    data = export.exported(card, ".png")
    assert image_data(data) == image_data(PICTURE)
    assert parse(data, Path("x.png")).character.name == card.character.name
    other = png.blank("Other", 3, 2)
    assert image_data(export.exported(card, ".png", picture=other)) == image_data(other)
    plain = export.exported(open_card(family / "none.yaml"), ".png")
    assert image_data(plain) != image_data(PICTURE)


def test_the_nearest_picture_counts(family: Path) -> None:
    nora = Character("Nora")
    nearer = png.embed(
        png.blank("Nora", 3, 2), {"chara": safe_json.dump(tavern.write(nora)).encode()}, "x"
    )
    (family / "nora.png").write_bytes(nearer)
    cards(family, kid="extends: ./nora.png\nname: Kid\n")
    data = export.exported(open_card(family / "kid.yaml"), ".png")
    assert image_data(data) == image_data(nearer)


def test_an_import_of_a_card_beside_its_picture_keeps_it(family: Path, home: Path) -> None:
    done = run("characters", "import", str(family / "grandchild.yaml"))
    assert done.out.endswith("nora.png\n"), done.err
    (family / "eva.png").unlink()
    card = index.opened("nora")
    assert (card.character.name, card.character.scenario) == ("Nora", "here")
    assert image_data(Path(done.out.strip()).read_bytes()) == image_data(PICTURE)
