"""What a card says before and around a conversation."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.characters.card import Character, DepthNote, Lorebook, LoreEntry, LoreNote
from localai.characters.prompt_parts import (
    EXAMPLE,
    ExampleTurn,
    PromptParts,
    prompt_parts,
    split_examples,
    triggered_lore,
)
from localai.errors import BadInput
from localai.generation.conversation import Conversation, fit
from localai.types import Message

BOOK = Lorebook(
    (
        LoreEntry(("x",), "{{char}} is old.", constant=True, order=2),
        LoreEntry(("x",), "The town is Ulm.", constant=True, order=1),
        LoreEntry(("x",), "After all.", constant=True, position="after"),
        LoreEntry(("x",), "@@depth 3\nDeep, {{user}}.", constant=True),
        LoreEntry(("dragon",), "Dragons sleep.", position="after"),
        LoreEntry(("dragon",), "Said: {{lastMessage}}"),
        LoreEntry(("dragon",), "@@depth 2\n@@role user\nBeware."),
    )
)
CARD = Character(
    "Vera Holm",
    nickname="Vera",
    description="{{char}} keeps books.",
    personality="kind to {{user}}",
    scenario="A library.",
    first_message="Good day, {{user}}!",
    alternate_greetings=("Yes?",),
    examples="<START>\n{{user}}: Hi\n{{char}}: Hello, {{user}}.",
    system="{{original}} Be brief.",
    post_history="Remember, {{char}}.{{original}}",
    note=DepthNote("{{char}} whispers.", 2, "user"),
    persona="{{user}} reads a lot.",
    creator_notes="secret",
    lorebook=BOOK,
)
OURS = "You are Vera, and you talk with Tom. Stay in character. Do not speak for Tom."


def test_the_order_of_the_system_text() -> None:
    assert prompt_parts(CARD, "Tom").system.split("\n") == [
        f"{OURS} Be brief.",
        "The town is Ulm.",
        "Vera is old.",
        "Vera keeps books.",
        "Vera's personality: kind to Tom",
        "Scenario: A library.",
        "After all.",
        "About the user: Tom reads a lot.",
    ]


def test_what_stands_around_the_conversation() -> None:
    opened = prompt_parts(CARD, "Tom")
    assert opened.greeting == "Good day, Tom!"
    assert opened.examples == (
        (
            ExampleTurn("system", EXAMPLE),
            ExampleTurn("user", "Hi"),
            ExampleTurn("assistant", "Hello, Tom."),
        ),
    )
    assert opened.notes == (DepthNote("Vera whispers.", 2, "user"), LoreNote("Deep, Tom.", 3))
    assert opened.post_history == "Remember, Vera."


def test_what_is_asked_for_beside_the_card_is_told_last() -> None:
    assert prompt_parts(CARD, "Tom", system="Be {{char}}.").system.endswith(
        "\nAbout the user: Tom reads a lot.\nBe {{char}}."
    )
    bare = replace(CARD, system=" ", description="", personality="", scenario="", persona="")
    assert "\n\n" not in prompt_parts(replace(bare, lorebook=None), "Tom", system="Go.").system


def test_an_empty_card_is_its_name_and_our_text() -> None:
    opened = prompt_parts(Character("Bo"))
    assert (
        opened.system
        == "You are Bo, and you talk with User. Stay in character. Do not speak for User."
    )
    assert (opened.examples, opened.greeting, opened.notes, opened.post_history) == ((), "", (), "")


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"system": "Only this."}, "Only this."),
        ({"system": " \n"}, OURS),
        ({"system": "A {{original}} B"}, f"A {OURS} B"),
    ],
)
def test_the_cards_own_system_text(more: dict[str, Any], line: str) -> None:
    assert prompt_parts(replace(CARD, **more), "Tom").system.split("\n")[0] == line


@pytest.mark.parametrize("field", ["description", "personality", "scenario", "persona"])
def test_an_empty_field_leaves_no_line(field: str) -> None:
    whole = prompt_parts(CARD, "Tom").system.split("\n")
    without = prompt_parts(replace(CARD, **{field: " "}), "Tom").system.split("\n")
    gone = [line for line in whole if line not in without]
    assert len(gone) == 1
    assert [line for line in whole if line not in gone] == without


def test_the_users_persona_goes_before_the_cards() -> None:
    assert prompt_parts(CARD, "Tom", "{{user}} is a baker.").system.endswith(
        "\nAbout the user: Tom is a baker."
    )


def test_greetings_are_counted_from_the_cards_own_choice() -> None:
    assert prompt_parts(CARD, "Tom", greeting=1).greeting == "Yes?"
    assert prompt_parts(CARD, "Tom", greeting=None).greeting == ""
    with pytest.raises(BadInput, match="'Vera' has greetings 0 to 1; number 2 was asked for"):
        prompt_parts(CARD, greeting=2)
    with pytest.raises(BadInput, match="number -1"):
        prompt_parts(CARD, greeting=-1)
    with pytest.raises(BadInput, match="'Bo' has no greeting"):
        prompt_parts(Character("Bo"), greeting=1)


def test_a_field_that_names_itself_is_inserted_once() -> None:
    card = Character(
        "Vera", description="I: {{description}}", personality="{{scenario}}", scenario="{{char}}"
    )
    assert prompt_parts(card, "Tom").system.split("\n")[1:] == [
        "I: I: {{description}}",
        "Vera's personality: Vera",
        "Scenario: Vera",
    ]


def test_a_seed_draws_once_for_a_session() -> None:
    card = Character(
        "Vera",
        description="{{random:a,b,c,d}}{{roll:1000}} {{time}}",
        first_message="{{pick:a,b,c}}",
    )
    noon = datetime(2026, 11, 20, 12)
    drawn = [prompt_parts(card, "Tom", seed=seed, now=noon) for seed in range(20)]
    assert drawn == [prompt_parts(card, "Tom", seed=seed, now=noon) for seed in range(20)]
    assert len({opened.system for opened in drawn}) == 20
    assert all(opened.system.endswith(" 12:00") for opened in drawn)


def test_what_the_user_types_is_not_touched() -> None:
    typed = "I am {{char}}, {{roll:6}} <user> <START>"
    fitted = fit(
        Conversation(prompt_parts(CARD, "Tom"), (Message("user", typed),)), lambda m: len(m), 99, 1
    )
    assert typed in [message.content for message in fitted.messages]


def test_what_is_called_for_stands_before_the_question() -> None:
    opened = prompt_parts(CARD, "Tom")
    assert triggered_lore(CARD, opened, ["nothing"], 1) == ()
    assert triggered_lore(CARD, opened, ["a dragon?"], 1) == (
        LoreNote("Said: a dragon?\nDragons sleep.", 1),
        LoreNote("Beware.", 2, "user"),
    )
    conversation = Conversation(prompt_parts(replace(CARD, lorebook=None, note=None), "Tom"))
    turns = (Message("user", "Hi"), Message("assistant", "Yes?"), Message("user", "a dragon?"))
    noted = replace(conversation, turns=turns, notes=triggered_lore(CARD, opened, ["a dragon?"], 1))
    said = [message.content for message in fit(noted, lambda m: len(m), 99, 1).messages]
    assert said[-5:] == [
        "Beware.", "Yes?", "Said: a dragon?\nDragons sleep.", "a dragon?", "Remember, Vera.",
    ]  # fmt: skip
    # The beginning is the same, whatever was called for.
    assert replace(prompt_parts(CARD, "Tom"), values=opened.values) == opened


def test_a_card_without_a_book_knows_nothing_more() -> None:
    bare = replace(CARD, lorebook=None)
    assert triggered_lore(bare, prompt_parts(bare, "Tom"), ["dragon"], 1) == ()
    assert triggered_lore(CARD, PromptParts(), ["dragon"], 1) == ()


def test_standing_and_called_knowledge_share_one_budget() -> None:
    opened = prompt_parts(CARD, "Tom", size=len, context=4 * 70)
    standing = len("Vera is old.") + len("The town is Ulm.") + len("After all.") + len("Deep, Tom.")
    assert opened.lore_room == 70 - standing
    texts = [note.text for note in triggered_lore(CARD, opened, ["dragon"], 1, len)]
    assert texts == ["Dragons sleep."]  # the other two are one letter too long
    tight = replace(CARD, lorebook=replace(BOOK, token_budget=standing - 1))
    assert (
        prompt_parts(tight, "Tom", size=len).system.count("\n")
        == prompt_parts(CARD, "Tom").system.count("\n") - 1
    )


# Example dialogue.


def turns(text: str, user: str = "Tom", *names: str) -> list[list[tuple[str, str]]]:
    """Blocks as (role, text), without the line that every block begins with."""
    blocks = split_examples(text, user, names or ("Vera",))
    assert all(block[0].content.startswith(EXAMPLE) for block in blocks)
    assert all(block[0].role == "system" for block in blocks)
    return [
        [(t.role, t.content.removeprefix(EXAMPLE).strip()) for t in block if t.content != EXAMPLE]
        for block in blocks
    ]


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("", []),
        ("<START>\n\n<START>", []),
        ("{{user}}: a\n{{char}}: b", [[("user", "a"), ("assistant", "b")]]),
        ("<start>\n{{User}}: a\n<Start>\n{{CHAR}}: b", [[("user", "a")], [("assistant", "b")]]),
        ("{{char}}: a\n<START>{{char}}: b", [[("assistant", "a")], [("assistant", "b")]]),
        ("Tom: a\nVera : b", [[("user", "a"), ("assistant", "b")]]),
        (
            "<USER>: a\n<BOT>: b\n<char>: c",
            [[("user", "a"), ("assistant", "b"), ("assistant", "c")]],
        ),
        ("{{char}}: a\n\n  b\nc: d", [[("assistant", "a\n\n  b\nc: d")]]),
        ("  {{char}}:a\r\nb\r\n", [[("assistant", "a\nb")]]),
        ("It rains.\n{{char}}: a", [[("system", "It rains."), ("assistant", "a")]]),
        ("It rains.", [[("system", "It rains.")]]),
        (
            "{{char}} laughs: a\n{{char}}: b",
            [[("system", "{{char}} laughs: a"), ("assistant", "b")]],
        ),
        ("{{user}}:\n{{char}}: b", [[("assistant", "b")]]),
        ("{{user}}: {{char}}: a", [[("user", "{{char}}: a")]]),
        ("Tommy: a", [[("system", "Tommy: a")]]),
    ],
)
def test_example_dialogue(text: str, blocks: list[list[tuple[str, str]]]) -> None:
    assert turns(text) == blocks


def test_the_longer_name_is_meant_and_a_shared_one_is_the_characters() -> None:
    text = "Ann: the second: x\nAnn: y"
    assert turns(text, "Ann: the second", "Ann") == [[("user", "x"), ("assistant", "y")]]
    assert turns("Ann: y\n{{user}}: z", "Ann", "Ann") == [[("assistant", "y"), ("user", "z")]]
    assert turns("Vera: a\nVera Holm: b", "Tom", "Vera", "Vera Holm") == [
        [("assistant", "a"), ("assistant", "b")]
    ]
    assert turns("vera: a\nTOM: b\nİ: c", "Tom", "Vera", "İ") == [
        [("assistant", "a"), ("user", "b"), ("assistant", "c")]
    ]
    assert turns(": a", "", "") == [[("system", ": a")]]


odd = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=8).map(
    str.strip
)


@given(odd.filter(bool), odd.filter(bool), st.lists(st.booleans(), min_size=1, max_size=6))
def test_names_of_odd_characters_begin_turns(user, name, speakers):
    lines = [f"{name if speaks else user}: said {at}" for at, speaks in enumerate(speakers)]
    roles = [
        "assistant" if speaks or user.lower() == name.lower() else "user" for speaks in speakers
    ]
    if f"{user}: s".lower().startswith(f"{name.lower()}:") or f"{name}: s".lower().startswith(
        f"{user.lower()}:"
    ):
        return  # a name that ends in a colon may be the other name
    if "<start>" in "".join(lines).lower():
        return
    found = turns("\n".join(lines), user, name)
    assert found == [[(role, f"said {at}") for at, role in enumerate(roles)]]


@given(st.text(max_size=60), st.text(max_size=5), st.text(max_size=5))
def test_any_examples_split_and_lose_no_word(text, user, name):
    found = turns(text, user, name)
    kept = "".join(t for block in found for _, t in block)
    assert len(kept) <= len(text)
    if ":" not in text and "<" not in text:
        assert kept == text.replace("\r\n", "\n").strip()


def test_many_blocks_and_lines_split_in_no_time() -> None:
    assert len(turns("<START>{{char}}: a\n" * 50_000)) == 50_000
    assert len(turns("{{char}}: a\n" * 100_000, "T" * 100_000)[0]) == 100_000
