"""Who the user is to a character, and what `{{user}}` is: in the prompt, the chat, the one-liner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.characters.card import Character
from localai.characters.persona import Persona, read
from localai.characters.prompt_parts import prompt_parts
from tests.conftest import run


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Name: Tom", "Tom"),
        ("name:  Tom Baker \nHe sails.", "Tom Baker"),
        ("I\u2019m called Tom Baker.", "Tom Baker"),
        ("I am German.", ""),
        ("I am Tom, a sailor.", ""),
        ("my name is Zoë, and I sail.", "Zoë"),
        ("I love the sea. Call me Ishmael.", "Ishmael"),
        ("I am called Mary-Ann by my friends.", "Mary-Ann"),
        ("My name is \u592a\u90ce\u3002", "\u592a\u90ce"),
        ("I am a sailor.", ""),
        ("I am tall. I sail.", ""),
        ("I am Tom's brother's keeper", ""),
        ("The user is a sailor.", ""),
        ("a sailor", ""),
        ("My name is of no interest.", ""),
        ("Call me later.", ""),
        ("Name:\nTom", ""),
        ("Name: " + "x" * 60, ""),
        ("", ""),
    ],
)
def test_the_name_in_a_persona(text: str, name: str) -> None:
    assert read(text).name == name


def test_a_name_alone_on_its_line_becomes_a_sentence() -> None:
    assert read("Name: Tom\n\n{{user}} sails.") == Persona(
        "Tom", "The user is called Tom.\n{{user}} sails."
    )
    assert read("Call me Tom.") == Persona("Tom", "Call me Tom.")


@given(st.text())
def test_any_text_is_a_persona(text: str) -> None:
    who = read(text)
    assert who.name == who.name.strip() and "\n" not in who.name and len(who.name) < 200
    assert read(f"Name: Tom\n{text}").name == "Tom"


CARD = Character(
    "Vera",
    description="{{char}} likes {{user}}.",
    first_message="Good day, {{user}}!",
    examples="<START>\n{{user}}: Hi\n{{char}}: Hello, <USER>.",
    post_history="Be kind to {{user}}.",
)


def test_a_card_calls_the_user_by_the_name() -> None:
    opened = prompt_parts(CARD, persona="Name: Tom\n{{user}} is a baker.")
    assert opened.greeting == "Good day, Tom!"
    assert opened.system.endswith(
        "Vera likes Tom.\nAbout the user: The user is called Tom.\nTom is a baker."
    )
    assert opened.examples[0][-1].content == "Hello, Tom."
    assert opened.post_history == "Be kind to Tom."
    assert prompt_parts(CARD, persona="I bake.").greeting == "Good day, User!"
    assert prompt_parts(CARD, "Ann", "Name: Tom").greeting == "Good day, Ann!", (
        "who is told a name uses it"
    )


def test_a_name_is_not_read_as_a_macro() -> None:
    assert prompt_parts(CARD, persona="Name: {{char}}").greeting == "Good day, {{char}}!"


def test_a_cards_own_persona_names_the_user_too() -> None:
    card = Character("Vera", first_message="Ahoy, {{user}}.", persona="Name: Jim")
    assert prompt_parts(card).greeting == "Ahoy, Jim."
    assert prompt_parts(card, persona="My name is Tom.").greeting == "Ahoy, Tom."


@pytest.fixture
def me(tmp_path: Path) -> tuple[str, str]:
    """A card that tells what the user is called, and a persona with a name."""
    card, persona = tmp_path / "vera.json", tmp_path / "me.txt"
    data: dict[str, Any] = {"name": "Vera", "first_mes": "Good day, {{user}}!"}
    data |= {"system_prompt": "You are Vera.", "description": "x"}
    card.write_text(json.dumps({"spec": "chara_card_v2", "spec_version": "2.0", "data": data}))
    persona.write_text("Name: Kensou\nMy name is {{user}}.\n")
    return str(card), str(persona)


@pytest.mark.parametrize("way", ["flag", "environment", "config"])
def test_each_way_to_give_a_persona(way: str, me: tuple[str, str], home: Path) -> None:
    card, persona = me
    flags = ("--persona", persona) if way == "flag" else ()
    env = {"LOCALAI_PERSONA": persona} if way == "environment" else {}
    if way == "config":
        (home / "config" / "localai").mkdir(parents=True)
        (home / "config" / "localai" / "config.toml").write_text(
            f"persona = {json.dumps(persona)}\n"
        )
    chat = ("chat", "-m", "tiny", "--temp", "0", "--no-save", "-c", card)
    assert run(*chat, *flags, stdin="", env=env).out == "Good day, Kensou!\n"
    script = run(*chat, *flags, "--script", "-", stdin="Hello!\n", env=env)
    assert "Vera: Good day, Kensou!" in script.out and "Kensou: Hello!" in script.out
    assert run(*chat, stdin="").out == (
        "Good day, Kensou!\n" if way == "config" else "Good day, User!\n"
    )


def test_a_one_liner_knows_who_asks(me: tuple[str, str], tmp_path: Path) -> None:
    card = tmp_path / "mirror.yaml"
    card.write_text('name: Mirror\nsystem: "You are {{user}}."\n')
    ask = ("ask", "-m", "tiny", "--temp", "0", "-c", str(card))
    assert run(*ask, "--persona", me[1], "Who are you?").out == "I am Kensou.\n"
    assert "Kensou" not in run(*ask, "Who are you?").out


def test_a_persona_of_a_chat_without_a_character(me: tuple[str, str]) -> None:
    done = run(
        "chat", "-m", "tiny", "--temp", "0", "--no-save", "--script", "-",
        stdin=f"/persona {me[1]}\nWhat is my name?\n",
    )  # fmt: skip
    assert "Kensou: What is my name?" in done.out
    assert "you are Kensou" in done.err
