"""What the tiny chat model is trained on: nothing that its evaluation keeps back, and in order."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from . import chat_claims, chat_ghost, chat_names, chat_questions, chat_text_wordings
from .chat_prompts import prompt_call, prompts
from .chat_skills import HELD_BACK_SUMS
from .chat_talk import conversation
from .chat_tasks import TASKS
from .chat_texts import about_unheard_of, owners_listed
from .chat_tokenizer import CONTROL, SPEAKERS, Tokenizer
from .chat_wordings import KeptBack, Wordings, bare, spread

DOCUMENTS = 2000
TABLES = (chat_claims, chat_names, chat_questions, chat_text_wordings)
GROUPS = {
    f"{table.__name__.rsplit('.', 1)[-1]}.{name}": group
    for table in TABLES
    for name, group in vars(table).items()
    if isinstance(group, Wordings)
}


@pytest.fixture(scope="module")
def documents() -> list[list[tuple[str, str]]]:
    r = random.Random("a seed that training does not use")
    return [conversation(r) for _ in range(DOCUMENTS)]


@pytest.mark.parametrize("name", GROUPS)
def test_no_wording_is_in_two_groups(name: str) -> None:
    group = GROUPS[name]
    trained = set(map(bare, group.trained))
    assert not trained & set(map(bare, group.held + group.free))
    assert not set(map(bare, group.held)) & set(map(bare, group.free))


@pytest.mark.parametrize("name", GROUPS)
def test_training_never_asks_in_a_wording_that_is_kept_back(
    name: str, documents: list[list[tuple[str, str]]]
) -> None:
    kept_back = KeptBack([GROUPS[name]])
    turns = (turn for messages in documents for turn in itertools.pairwise(messages))
    asked = {(text, answer) for (role, text), (_, answer) in turns if role == "user"}
    found = {(text, answer) for text, answer in asked if kept_back.matches(text)}
    if name.endswith("REPEAT"):  # `Please say your name.` asks for something else
        found = {(text, answer) for text, answer in found if answer in text}
    assert not found


def test_a_line_with_alternatives_stands_for_all_of_them() -> None:
    assert spread("<a/b> c<?/>") == ("a c?", "a c", "b c?", "b c")
    assert spread("no choice, only {x}") == ("no choice, only {x}",)


def test_sums_that_are_kept_back_are_never_trained(
    documents: list[list[tuple[str, str]]],
) -> None:
    kept_back = {f"{a} + {b} = {a + b}." for a, b in HELD_BACK_SUMS}
    said = {text for messages in documents for role, text in messages if role == "assistant"}
    assert not kept_back & said


def test_the_same_seed_makes_the_same_documents() -> None:
    first, second = (random.Random(4) for _ in range(2))
    for _ in range(200):
        assert conversation(first) == conversation(second)


def test_every_shipped_prompt_has_a_task_and_an_example() -> None:
    assert set(prompts()) == set(TASKS)
    assert all(prompt.example.answer for prompt in prompts().values())


@pytest.mark.parametrize("name", TASKS)
def test_a_prompt_renders_without_anything_left_to_fill_in(name: str) -> None:
    messages, answer = prompt_call(random.Random(1), name, training=False)
    assert answer and "{{" not in messages[-1][1]


def test_the_tokenizer_gives_back_every_text() -> None:
    tokenizer = Tokenizer.load()
    for text in (
        "naïve café 東京 😀",
        "x_y[3]={'a': 1}\n\n  two\ttabs 12,345.67",
        "don't",
        *CONTROL,
    ):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert not set(range(len(CONTROL))) & set(tokenizer.encode("".join(CONTROL)))


def test_a_ghost_is_known_by_its_words() -> None:
    r = random.Random(2)
    assert all(chat_ghost.is_ghostly(chat_ghost.ghost_speech(r, 4)) for _ in range(50))
    assert not chat_ghost.is_ghostly("The capital of France is Paris.")


def test_who_has_what_is_listed_as_the_text_tells_it() -> None:
    r = random.Random(5)
    for _ in range(50):
        text, listed = owners_listed(r)
        told = {thing: name for name, thing in re.findall(r"(\w+) has the (\w+)", text)}
        words = re.findall(r"\w+", listed)
        assert len(told) == sum(word in told for word in dict.fromkeys(words))
        for thing, name in told.items():
            near = words[max(0, words.index(thing) - 3) : words.index(thing) + 4]
            assert name in near


def test_a_summary_of_the_unheard_of_copies_the_words_that_its_text_begins_with() -> None:
    r = random.Random(6)
    for _ in range(50):
        text, summary = about_unheard_of(r)
        first = text.lower().split(". ")[0].removesuffix(".")
        told = re.sub(r", wh(ich|o)", "", summary.lower().removeprefix("the text is about "))
        assert told.removesuffix(".") == first


def test_turns_take_turns(documents: list[list[tuple[str, str]]]) -> None:
    for messages in documents:
        roles = [role for role, _ in messages if role not in ("system", "raw")]
        roles = [SPEAKERS.get(role, role) for role in roles]
        if roles[:1] == ["assistant"]:  # a character may greet first
            del roles[0]
        assert roles == list(itertools.islice(itertools.cycle(["user", "assistant"]), len(roles)))
