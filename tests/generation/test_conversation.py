"""Conversations as messages: fitted to a context, stable at their beginning, folded for templates."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.characters.card import DepthNote
from localai.characters.prompt_parts import EXAMPLE, ExampleTurn, PromptParts
from localai.engines.llama.chat_template import ChatTemplate
from localai.errors import BadInput, TooLong
from localai.generation.conversation import (
    FIRST,
    START,
    Conversation,
    FittedMessages,
    Messages,
    fit,
    fold,
)
from localai.types import Message


def letters(messages: Messages) -> int:
    """Counts as a model would: each message has a mark or two of its own."""
    return 3 + sum(len(message.content) + 4 for message in messages)


def strict(messages: Messages) -> Messages:
    return fold(messages, mid_system=False, user_first=True, alternate=True)


def talk(*sizes: int) -> tuple[Message, ...]:
    """Turns of the user and the character in turn, each begins with its number."""
    roles = ("user", "assistant")
    return tuple(Message(roles[at % 2], f"{at}".ljust(size, "x")) for at, size in enumerate(sizes))


def block(name: str, size: int = 20) -> tuple[ExampleTurn, ...]:
    return (
        ExampleTurn("system", EXAMPLE),
        ExampleTurn("user", name),
        ExampleTurn("assistant", name.ljust(size, "e")),
    )


CARD = PromptParts("You are Vera.", (block("one"), block("two")), "Good day!")

openings = st.builds(
    PromptParts,
    system=st.sampled_from(["", "You are Vera.", "s" * 80]),
    examples=st.integers(0, 4).map(lambda n: tuple(block(f"e{at}", 30 * at) for at in range(n))),
    greeting=st.sampled_from(["", "Good day!", "g" * 60]),
)
noted = st.builds(
    DepthNote, st.just("note"), st.integers(0, 6), st.sampled_from(["system", "user", "assistant"])
)
sizes = st.lists(st.integers(3, 90), max_size=30).map(
    lambda each: [*each, 5][: len(each) // 2 * 2 + 1]
)
shapes = st.sampled_from([tuple, strict])
contexts = st.integers(60, 900)


def test_what_fits_stays_whole_and_in_order() -> None:
    fitted = fit(Conversation(CARD, talk(5, 6, 7)), letters, 4096, 100)
    assert fitted == FittedMessages(
        (
            Message("system", "You are Vera."),
            Message("system", EXAMPLE),
            Message("user", "one"),
            Message("assistant", "one".ljust(20, "e")),
            Message("system", EXAMPLE),
            Message("user", "two"),
            Message("assistant", "two".ljust(20, "e")),
            Message("system", START),
            Message("assistant", "Good day!"),
            *talk(5, 6, 7),
        ),
        fixed=7,
    )


def test_without_a_card_there_are_the_turns_alone() -> None:
    assert fit(Conversation(PromptParts(), talk(5)), letters, 100, 10) == FittedMessages(talk(5), 0)
    said = fit(Conversation(PromptParts("Be brief."), talk(5)), letters, 100, 10)
    assert said == FittedMessages((Message("system", "Be brief."), *talk(5)), 1)
    assert fit(Conversation(CARD), letters, 1000, 10).messages[-1].content == "Good day!"


@given(openings, sizes, st.lists(noted, max_size=3), contexts, st.integers(0, 60), shapes)
def test_what_leaves_leaves_in_order_and_the_rest_fits(opening, each, notes, context, reply, shape):
    turns = talk(*each)
    conversation = Conversation(opening, turns, tuple(notes))
    least = Conversation(replace(opening, examples=(), greeting=""), turns[-1:], tuple(notes))
    try:
        fitted = fit(conversation, letters, context, reply, shape=shape)
    except TooLong:
        # Only if nothing could leave any more.
        bare = fit(least, letters, 1 << 20, 0, shape=shape)
        assert letters(bare.messages) > context - reply
        return
    assert letters(fitted.messages) <= context - reply
    kept = Conversation(
        replace(
            opening,
            examples=opening.examples[: len(opening.examples) - fitted.dropped_examples],
            greeting="" if fitted.dropped_greeting else opening.greeting,
        ),
        turns[fitted.dropped_turns :],
        tuple(notes),
    )
    assert fitted.messages == fit(kept, letters, 1 << 20, 0, shape=shape).messages
    assert kept.turns[0].role == "user"  # pairs
    if fitted.dropped_turns or fitted.dropped_greeting:
        assert not kept.opening.examples
    if fitted.dropped_greeting:
        assert len(kept.turns) == 1
    if opening.system:
        assert fitted.messages[0] == Message("system", opening.system)
        assert fitted.fixed >= 1
    assert turns[-1].content in "".join(m.content for m in fitted.messages if m.role == "user")


@given(
    openings,
    sizes,
    contexts,
    st.integers(0, 60),
    st.sampled_from([0.0, 0.1, 0.25, 0.6]),
    st.booleans(),
)
def test_the_beginning_stays_until_a_chunk_leaves(opening, each, context, reply, ratio, remembers):
    turns = talk(*each)
    last: FittedMessages | None = None
    for end in range(1, len(turns) + 1, 2):
        conversation = Conversation(opening, turns[:end])
        try:
            before = last if remembers else None
            now = fit(conversation, letters, context, reply, ratio, before)
        except TooLong:
            return
        # A greeting that had to leave comes back where nobody remembers it.
        if last and (remembers or not last.dropped_greeting):
            gone = (last.dropped_examples, last.dropped_turns, last.dropped_greeting)
            more = (now.dropped_examples, now.dropped_turns, now.dropped_greeting)
            assert all(a <= b for a, b in zip(gone, more, strict=True))
            if gone == more:
                assert now.messages[: len(last.messages)] == last.messages
                assert now.fixed == last.fixed
        last = now


@given(st.lists(noted, min_size=1, max_size=3), st.integers(2, 12), shapes)
def test_notes_move_the_end_alone(notes, exchanges, shape):
    opening = replace(CARD, post_history="Remember.", notes=tuple(notes))
    turns = talk(*[10] * (2 * exchanges + 1))
    before = fit(Conversation(opening, turns[:-2]), letters, 1 << 20, 0, shape=shape)
    after = fit(Conversation(opening, turns), letters, 1 << 20, 0, shape=shape)
    deepest = max(note.depth for note in notes)
    # Two of the turns may have grown together with a note beside them.
    same = min(len(turns) - 2 - deepest, len(turns) - 3) - 2
    kept = shape((*fit(Conversation(CARD, turns[: max(0, same)]), letters, 1 << 20, 0).messages,))
    if same > 0:
        assert before.messages[: len(kept)] == after.messages[: len(kept)] == kept


def long_talk(context: int, ratio: float, exchanges: int = 60) -> list[FittedMessages]:
    """All fits of a talk whose exchanges have 100 tokens, under a system text of 40."""
    opening = replace(CARD, system="s" * 33)
    turns = talk(*[46] * (2 * exchanges + 1))
    return [
        fit(Conversation(opening, turns[: 2 * at + 1]), letters, context, 0, ratio)
        for at in range(exchanges + 1)
    ]


def test_turns_leave_in_chunks_of_a_quarter_of_the_context() -> None:
    gone = [fitted.dropped_turns for fitted in long_talk(2000, 0.25)]
    steps = [b - a for a, b in pairwise(gone) if b > a]
    assert set(steps) == {10}  # five exchanges of 100
    assert len(steps) >= 8
    # A small history leaves by halves, so that one is always left.
    small = long_talk(700, 0.25)
    assert {b.dropped_turns - a.dropped_turns for a, b in pairwise(small)} == {
        0,
        4,
    }
    assert all(len(fitted.messages) > 3 for fitted in small[2:])


def test_examples_leave_before_the_first_turn_does_and_the_last_block_first() -> None:
    opening = replace(CARD, examples=tuple(block(f"e{at}", 400) for at in range(4)))
    gone = [
        fit(Conversation(opening, talk(*[46] * (2 * at + 1))), letters, 2400, 0).dropped_examples
        for at in range(20)
    ]
    assert sorted(set(gone)) == [0, 2, 4]  # two blocks are more than a quarter of the context
    some = fit(Conversation(opening, talk(*[46] * (2 * gone.index(2) + 1))), letters, 2400, 0)
    assert [m.content for m in some.messages if m.content in ("e0", "e1", "e2", "e3")] == [
        "e0",
        "e1",
    ]
    assert some.fixed == 7


def test_a_large_last_block_of_examples_leaves_alone() -> None:
    opening = replace(CARD, examples=(block("small", 50), block("large", 900)))
    fitted = fit(Conversation(opening, talk(5)), letters, 1000, 0)
    assert fitted.dropped_examples == 1
    assert "small" in [message.content for message in fitted.messages]


def test_notes_may_take_the_share_of_the_present_turn() -> None:
    conversation = Conversation(PromptParts("s"), talk(5, 5, 5), (DepthNote("n" * 900, 1),))
    fitted = fit(conversation, letters, 1000, 20)
    assert [message.content[0] for message in fitted.messages] == ["s", "n", "2"]


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.5, 0.75])
def test_the_ratio_is_kept_free_for_the_present_turn(ratio: float) -> None:
    fits = long_talk(2000, ratio)
    assert any(fitted.dropped_turns for fitted in fits)
    histories = [letters(fitted.messages[:-1]) for fitted in fits]
    free = ratio * (2000 - 40)
    assert max(histories) <= 2000 - free + 10
    assert max(histories) > 2000 - free - 520  # and no more than a chunk is given up for it


def test_a_question_larger_than_its_share_takes_what_there_is() -> None:
    turns = (*talk(46, 46, 46, 46), Message("user", "q" * 1500))
    fitted = fit(Conversation(CARD, turns), letters, 2000, 100)
    assert fitted.messages[-1] == turns[-1]
    assert fitted.dropped_turns == 0  # 1,900 hold the rest, too
    larger = (*turns[:-1], Message("user", "q" * 1750))
    assert fit(Conversation(CARD, larger), letters, 2000, 100).dropped_turns > 0


def test_a_large_system_text_leaves_something_for_the_last_turns() -> None:
    opening = PromptParts("s" * 1600)
    turns = talk(*[30] * 41)
    fitted = fit(Conversation(opening, turns), letters, 2000, 20)
    assert 3 <= len(fitted.messages) - 1 < 12
    assert fitted.messages[0].content == "s" * 1600


def test_what_has_left_stays_away_although_there_is_room_again() -> None:
    turns = talk(*[46] * 21)
    book = (DepthNote("k" * 400, 1),)
    crowded = fit(Conversation(CARD, turns, book), letters, 1500, 0)
    roomy = fit(Conversation(CARD, turns), letters, 1500, 0)
    assert crowded.dropped_turns > roomy.dropped_turns
    kept = fit(Conversation(CARD, turns), letters, 1500, 0, before=crowded)
    assert kept.dropped_turns == crowded.dropped_turns
    assert kept.dropped_examples == crowded.dropped_examples == 2
    assert fit(Conversation(CARD, turns), letters, 1 << 20, 0, before=crowded) == kept
    # Turns may have been taken back: what is not there cannot leave.
    assert (
        fit(Conversation(CARD, turns[:1]), letters, 1500, 0, before=crowded).messages[-1]
        == turns[0]
    )


def test_a_greeting_that_has_left_does_not_come_back() -> None:
    opening = PromptParts("s", greeting="g" * 90)
    first = fit(Conversation(opening, talk(60)), letters, 130, 0)
    assert first.dropped_greeting
    later = Conversation(opening, talk(60, 5, 5))
    assert not fit(later, letters, 130, 0).dropped_greeting
    kept = fit(later, letters, 130, 0, before=first)
    assert kept == FittedMessages(
        (Message("system", "s"), *talk(60, 5, 5)), 1, dropped_greeting=True
    )


def test_too_long_says_the_numbers() -> None:
    with pytest.raises(TooLong) as caught:
        fit(Conversation(CARD, talk(46, 46, 500)), letters, 400, 50)
    least = letters((Message("system", "You are Vera."), *talk(500)))
    assert f"have {least} tokens; the model's context holds" in caught.value.what
    assert "context holds 400, and 50 of them are for the answer" in caught.value.what
    assert caught.value.data == {"tokens": least, "limit": 400}
    assert caught.value.code == 7
    assert fit(Conversation(CARD, talk(46, 46, 500)), letters, least + 50, 50).dropped_greeting


def test_unanswered_questions_leave_one_by_one() -> None:
    turns = tuple(Message("user", f"{at}".ljust(96, "x")) for at in range(40))
    fitted = fit(Conversation(PromptParts("s"), turns), letters, 1000, 0)
    assert fitted.messages[-1] == turns[-1]
    assert 0 < fitted.dropped_turns < 39


@pytest.mark.parametrize(
    ("depth", "place"), [(0, 5), (1, 4), (2, 3), (4, 1), (5, 0), (99, 0), (-3, 5)]
)
def test_a_note_stands_at_its_depth(depth: int, place: int) -> None:
    opening = PromptParts(
        greeting="Hi", notes=(DepthNote("n", depth, "user"),), post_history="post"
    )
    history = [Message("assistant", "Hi"), *talk(2, 2, 2, 2)]
    history.insert(place, Message("user", "n"))
    fitted = fit(Conversation(opening, talk(2, 2, 2, 2)), letters, 1000, 0)
    assert fitted.messages == (*history, Message("system", "post"))


def test_the_cards_note_stands_before_others_and_empty_ones_nowhere() -> None:
    opening = PromptParts(notes=(DepthNote("card", 0), DepthNote("", 0)))
    conversation = Conversation(opening, talk(2), (DepthNote("called", 0),))
    said = [message.content for message in fit(conversation, letters, 1000, 0).messages]
    assert said == ["0x", "card", "called"]


def test_what_was_said_and_how_often_the_character_spoke() -> None:
    conversation = Conversation(CARD, talk(2, 2, 2))
    assert conversation.said == ("Good day!", "0x", "1x", "2x")
    assert conversation.answers == 2
    assert Conversation(PromptParts(), talk(2)).said == ("0x",)
    assert Conversation(PromptParts(), talk(2)).answers == 0


# Folding.

messages = st.lists(
    st.builds(
        Message, st.sampled_from(["system", "user", "assistant"]), st.sampled_from("abcdefg")
    ),
    max_size=12,
).map(tuple)


@given(messages)
def test_folded_all_the_way_any_template_takes_them_and_nothing_is_lost(given_messages):
    folded = strict(given_messages)
    turns = folded[1:] if folded and folded[0].role == "system" else folded
    roles = [message.role for message in turns]
    assert roles == ["user", "assistant", "user", "assistant"] * (len(roles) // 4) + ["user", "assistant", "user"][: len(roles) % 4]  # fmt: skip
    texts = [message.content for message in folded if message.content != FIRST]
    assert "\n\n".join(texts) == "\n\n".join(message.content for message in given_messages)
    assert strict(folded) == folded


@given(messages)
def test_without_demands_nothing_is_folded(given_messages):
    assert fold(given_messages) == given_messages


@given(messages)
def test_each_demand_alone(given_messages):
    unsystemed = fold(given_messages, mid_system=False)
    assert all(message.role != "system" for message in unsystemed[1:])
    assert all((a.role, b.role) != ("user", "user") for a, b in pairwise(unsystemed))
    alternating = fold(given_messages, alternate=True)
    assert all(a.role != b.role for a, b in pairwise(alternating))
    first = [m for m in fold(given_messages, user_first=True) if m.role != "system"]
    assert not first or first[0].role == "user"


def test_folding_in_words() -> None:
    opening = replace(
        CARD, examples=CARD.examples[:1], notes=(DepthNote("note", 1),), post_history="post"
    )
    fitted = fit(Conversation(opening, talk(2, 2, 2)), letters, 1000, 0, shape=strict)
    assert [(message.role, message.content) for message in fitted.messages] == [
        ("system", "You are Vera."),
        ("user", f"{EXAMPLE}\n\none"),
        ("assistant", "one".ljust(20, "e")),
        ("user", START),
        ("assistant", "Good day!"),
        ("user", "0x"),
        ("assistant", "1x"),
        ("user", "note\n\n2x\n\npost"),
    ]
    assert fitted.fixed == 3
    greeting = fit(Conversation(PromptParts("s", greeting="Hi")), letters, 1000, 0, shape=strict)
    assert [m.content for m in greeting.messages] == ["s", FIRST, "Hi"]


def test_a_token_does_not_arise_of_two_halves() -> None:
    halves = (Message("user", "<|im_"), Message("system", "end|>"), Message("user", "<|im_end|>"))
    joined = strict((Message("system", "s"), *halves))[1].content
    assert joined == "<|im_\n\nend|>\n\n<|im_end|>"
    assert joined.count("<|im_end|>") == 1  # what was typed stays what was typed


GEMMA = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
)


@pytest.mark.parametrize("opening", [CARD, replace(CARD, examples=()), replace(CARD, system="")])
def test_a_template_that_refuses_takes_what_is_folded(opening: PromptParts) -> None:
    vocab: Any = SimpleNamespace(text=lambda token: "", bos=0, eos=0)
    template = ChatTemplate(GEMMA, vocab)
    conversation = Conversation(replace(opening, post_history="post"), talk(2, 2, 2))
    with pytest.raises(BadInput, match="roles must alternate"):
        template.render(fit(conversation, letters, 1000, 0).messages, answer=True, think=None)
    folded = fit(conversation, letters, 1000, 0, shape=strict).messages
    rendered = template.render(folded, answer=True, think=None)
    assert rendered.endswith("<user>0x<assistant>1x<user>2x\n\npost")
    assert opening.system in rendered
