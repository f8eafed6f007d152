"""One place fills the macros: what is filled in a chat is filled in an answer to one question."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localai.characters import lint
from localai.characters.card import Character, DepthNote, Lorebook, LoreEntry
from localai.characters.formats import yaml_writer
from localai.characters.load import open_card
from localai.characters.macros import NAMES, MacroValues, expand
from localai.characters.prompt_parts import plain_parts, prompt_parts, triggered_lore
from localai.chat.participants import Participants
from localai.generation import build
from localai.types import TextRequest

NOON = datetime(2026, 11, 20, 12, 5, tzinfo=UTC)
TIMES = ("time", "date", "weekday", "isotime", "isodate", "time_UTC+2", "time::UTC-3",
         "datetimeformat DD.MM.YYYY HH:mm", "datetimeformat::ss")  # fmt: skip
FIELDS = ("persona", "description", "charPrompt", "mesExamples", "creatorNotes", "scenario")
MACROS = (*TIMES, "char", "user", "roll:d6", "roll d6", "random:a,b",
          "idle_duration", "newline", "lastMessage", "lastUserMessage", "lastCharMessage", "noop",
          "group", "charVersion", "input", "charIfNotGroup", "isotime", "reverse:ab")  # fmt: skip


def everything(text: str) -> Character:
    """A card that has a text in each place from which it reaches a model."""
    return Character(
        "Vera", description=text, personality=text, scenario=text, system=text, post_history=text,
        first_message=text, examples=f"<START>\n{{{{user}}}}: {text}", note=DepthNote(text, 1),
        persona=text, version="1.2", creator_notes="n",
        lorebook=Lorebook((LoreEntry((), text, constant=True), LoreEntry(("hi",), text))),
    )  # fmt: skip


def asked(card: Character, **given: Any) -> TextRequest:
    return build.request(build.GenerateOptions(**given), "hi", None, card)


@pytest.mark.parametrize("macro", MACROS)
def test_a_macro_is_filled_wherever_a_card_has_it(macro: str) -> None:
    card = everything(f"[{{{{{macro}}}}}]")
    told = "\n".join(message.content for message in asked(card).messages)
    assert "{{" not in told
    opened = prompt_parts(card)
    lore = triggered_lore(card, opened, ["hi"], 0)
    assert "{{" not in str((opened.system, opened.examples, opened.greeting, opened.notes, lore))


@pytest.mark.parametrize("macro", FIELDS)
def test_a_field_is_inserted_wherever_it_is_named(macro: str) -> None:
    text = f"[{{{{{macro}}}}}]"
    card = Character(
        "Vera", "a", "b" + text, "c", text, system="d", post_history=text, note=DepthNote(text, 1),
        examples="<START>\n{{user}}: e", persona="f", creator_notes="g",
        lorebook=Lorebook((LoreEntry((), text, constant=True), LoreEntry(("hi",), text))),
    )  # fmt: skip
    told = "\n".join(message.content for message in asked(card).messages)
    assert "{{" not in told and "[]" not in told
    persona = "{{user}} knows: [{{description}}|{{charVersion}}|{{scenario}}]"
    assert "{{" not in prompt_parts(card, persona=persona).system


@pytest.mark.parametrize("macro", TIMES)
def test_a_chat_without_a_character_and_one_of_an_old_file_tell_the_time(
    macro: str, tmp_path: Path
) -> None:
    text = f"[{{{{{macro}}}}}]"
    for values in ({"persona": text}, {"persona": text, "began": "yesterday"}):
        assert "{{" not in Participants.of(values, "tiny", 4096).prompt_parts.system
    (tmp_path / "v.yaml").write_text(yaml_writer.write(everything(text)))
    values = {"character": str(tmp_path / "v.yaml"), "began": ""}
    assert "{{" not in Participants.of(values, "tiny", 4096).prompt_parts.system


def test_an_answer_to_one_question_knows_the_day() -> None:
    (system, *_) = asked(Character("Clock", "Now it is {{weekday}}, {{isodate}}.")).messages
    now = datetime.now().astimezone()
    assert now.strftime("%A, %Y-%m-") in system.content
    assert re.search(r"\d{4}-\d\d-\d\d", system.content)


def test_both_commands_make_the_same_of_a_card(tmp_path: Path) -> None:
    card = everything("{{char}} {{random:a,b,c}} {{roll:99}}")
    (tmp_path / "v.yaml").write_text(yaml_writer.write(card))
    values = {"character": str(tmp_path / "v.yaml"), "seed": 7}
    chat = Participants.of(values, "tiny", 4096).prompt_parts
    ask = asked(open_card(tmp_path / "v.yaml").character, seed=7)
    assert ask.messages[0].content.startswith(chat.system)
    assert asked(card, seed=8).messages != asked(card, seed=9).messages


def test_chance_is_another_one_each_time_unless_there_is_a_seed() -> None:
    card = Character("Vera", "{{roll:1000000}}")
    assert asked(card).messages != asked(card).messages
    assert asked(card, seed=3).messages == asked(card, seed=3).messages


@pytest.mark.parametrize("text", ["{{roll:1000000}}", "{{time}}", "{{isodate}}", "{{random:a,b}}"])
def test_what_changes_with_each_use_is_not_kept_for_the_next(text: str) -> None:
    assert asked(Character("Vera", "She reads.", first_message="Hi.")).fixed == 3
    assert asked(Character("Vera", f"She reads. {text}", first_message="Hi.")).fixed == 0
    assert asked(Character("Vera", "She reads.", first_message=text)).fixed == 2


@pytest.mark.parametrize(
    ("macro", "told"),
    [
        ("time_UTC+2", "14:05"),
        ("TIME_utc-3", "09:05"),
        ("time::UTC+5:30", "17:35"),
        ("datetimeformat DD.MM.YYYY HH:mm", "20.11.2026 12:05"),
        ("datetimeformat::dddd D MMM [at] h:mm a", "Friday 20 Nov at 12:05 pm"),
        ("time_UTC+99", None),
        ("time_noon", None),
        ("datetimeformat ", None),
    ],
)
def test_times_of_other_zones_and_forms(macro: str, told: str | None) -> None:
    written = f"{{{{{macro}}}}}"
    values = MacroValues("Vera", "Tom", now=NOON)
    assert expand(written, values) == (written if told is None else told)


def test_the_last_messages_are_known_to_what_is_called_for() -> None:
    entry = LoreEntry(("tea",), "{{lastUserMessage}}/{{lastCharMessage}}")
    card = Character("Vera", lorebook=Lorebook((entry,)))
    (note,) = triggered_lore(card, prompt_parts(card), ["Hi.", "Yes?", "Some tea!"], 1)
    assert note.text == "Some tea!/Yes?"


@pytest.mark.parametrize("macro", ["getvar::x", "setvar::x::1", "model", "banned", "outlet::sky"])
def test_macros_that_stay_as_they_are_are_told(macro: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        f"name: X\ndescription: '{{{{char}}}} {{{{user}}}} {{{{{macro}}}}}'"
    )
    (warning,) = lint.check(open_card(tmp_path / "x.yaml"))
    assert macro.partition(":")[0] in warning.text and warning.line == 2


@pytest.mark.parametrize("macro", [*MACROS, *FIELDS])
def test_macros_that_are_filled_are_not(macro: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        f"name: X\ndescription: '{{{{char}}}} {{{{user}}}} {{{{{macro}}}}}'"
    )
    assert not lint.check(open_card(tmp_path / "x.yaml"))


def test_every_name_that_is_filled_is_filled() -> None:
    arguments = {"random": ":a,b", "pick": ":a", "roll": ":6", "reverse": ":a", "comment": ":a",
                 "hidden_key": ":a", "datetimeformat": ":YYYY", "time_utc": "+1"}  # fmt: skip
    values = prompt_parts(Character("Vera"), now=NOON).values
    assert values is not None
    for name in set(NAMES) - {"original"}:
        assert "{{" not in expand("{{" + name + arguments.get(name, "") + "}}", values), name


# The persona: whose words they are


@pytest.mark.parametrize(
    ("persona", "told"),
    [
        ("My name is Tom.", 'About the user: The user says: "My name is Tom."'),
        ("Name: Tom", "About the user: The user is called Tom."),
        (
            "Name: Tom\nI bake.\n\nI sail.",
            'About the user: The user is called Tom.\nThe user says: "I bake.\n\nI sail."',
        ),
        ("Name: Tom\n{{user}} bakes.", "About the user: The user is called Tom.\nTom bakes."),
        ("Tom is a sailor.", "About the user: Tom is a sailor."),
        ("Call me Ishmael.", 'About the user: The user says: "Call me Ishmael."'),
        ("Ich bin B\u00e4cker.", 'About the user: The user says: "Ich bin B\u00e4cker."'),
        ("J\u2019aime la mer.", 'About the user: The user says: "J\u2019aime la mer."'),
        ("\u79c1\u306f\u30d1\u30f3\u5c4b\u3067\u3059", 'About the user: The user says: "\u79c1\u306f\u30d1\u30f3\u5c4b\u3067\u3059"'),
        ("The Iliad is his book.", "About the user: The Iliad is his book."),
        ("", ""),
        (" \n", ""),
    ],
)  # fmt: skip
def test_it_is_said_whose_words_a_persona_is(persona: str, told: str) -> None:
    bare = Character("Vera", "She reads.")
    card = Character("Vera", "She reads.", persona=persona)
    end = f"She reads.\n{told}" if told else "She reads."
    assert prompt_parts(bare, persona=persona).system.endswith(end)
    assert prompt_parts(card).system.endswith(end)
    assert plain_parts("tiny", "Be kind.", persona).system == "\n".join(
        filter(None, ("Be kind.", told))
    )
    assert Participants.of({"persona": persona}, "tiny", 4096).prompt_parts.system == told
    inserted = Character("Vera", "Known of the guest: {{persona}}", persona=persona)
    assert f"Known of the guest: {told}".strip() in prompt_parts(inserted).system


def test_a_persona_file_of_ask_is_told_the_same_way(tmp_path: Path) -> None:
    (tmp_path / "me.txt").write_text("My name is Tom.\nI bake.\n")
    request = asked(Character("Vera"), persona=str(tmp_path / "me.txt"))
    assert (
        'About the user: The user says: "My name is Tom.\nI bake."' in request.messages[0].content
    )
