"""The flow of a seance, step by step, with a model that follows a script."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from localai.errors import TooLong
from localai.formats.sentences import sentences
from localai.seance import opening, prompts
from localai.seance.events import AnswerGiven, QuestionAsked
from localai.seance.session import Seance, SeanceOptions
from tests.support.scripted_model import ScriptedModel

LINE = "It was dark. I waited... by the door. [sighs] Nobody came!"
PARTS = ["It was dark.", "I waited... by the door.", "[sighs] Nobody came!"]


def seance(script: list[str], seed: int = 7, **more: object) -> tuple[Seance, ScriptedModel]:
    model = ScriptedModel(script)
    options = SeanceOptions(seed=seed, language="en", languages=("en", "de"))
    return Seance(model, prompts.load(), options._replace(**more)), model  # type: ignore[arg-type]


def take(events: Iterator[QuestionAsked | AnswerGiven], count: int) -> list[AnswerGiven]:
    asked, *answers = itertools.islice(events, count + 1)
    assert isinstance(asked, QuestionAsked)
    return [each for each in answers if isinstance(each, AnswerGiven)]


def test_the_question_stands_in_a_text_that_ends_where_the_answer_begins() -> None:
    held, model = seance(["I am here."])
    (answer,) = take(held.ask("Who is there?", "en"), 1)
    (request,) = model.requests
    assert request.messages == () and request.raw is not None  # no chat template
    assert request.raw.endswith("Q: Who is there?\nA:")
    assert answer.text == answer.line == "I am here." and answer.turn == 0
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p) == (1.1, 50, 1, 0)
    assert request.max_tokens == 128


def test_an_answer_ends_where_it_is_told_to() -> None:
    held, model = seance(["I am here. Goodbye now."], stop=(" Good",))
    (answer,) = take(held.ask("Who?", "en"), 1)
    assert answer.line == "I am here." and set(model.requests[0].stop) == {" Good", "\n"}


def test_a_german_question_stands_in_a_german_text() -> None:
    held, model = seance(["Ich."])
    take(held.ask("Wer da?", "de"), 1)
    assert model.prompts[0].endswith("F: Wer da?\nA:") and "Stimme" in model.prompts[0]


def test_only_the_first_line_counts_and_what_comes_behind_it_is_not_waited_for() -> None:
    held, model = seance(["\n \n  I am   here.\nQ: And who are you?\nA: " + "x" * 1000])
    (answer,) = take(held.ask("Who?", "en"), 1)
    assert answer.line == "I am here."
    # The engine stops by itself: left early, it would remember more or less of what came behind.
    assert model.cancelled == 0 and all("\n" in request.stop for request in model.requests)
    first, second, third = model.prompts
    assert (second, third) == (f"{first}\n", f"{first}\n\n")


def test_one_sentence_by_the_seed_is_spoken_and_the_whole_line_goes_on() -> None:
    assert sentences(LINE) == PARTS
    spoken = set()
    for seed in range(30):
        held, model = seance([LINE, "More."], seed)
        first, second = take(held.ask("Who?", "en"), 2)
        assert first.text in PARTS and first.line == LINE
        spoken.add(first.text)
        assert model.prompts[1].endswith(LINE) and second.text == "More."
    assert spoken == set(PARTS)


def test_the_same_seed_says_the_same_and_another_one_asks_otherwise() -> None:
    def held(seed: int) -> tuple[list[str], list[int | None]]:
        one, model = seance([LINE] * 8, seed)
        texts = [answer.text for answer in take(one.ask("Who?", "en"), 8)]
        return texts, [request.sampling.seed for request in model.requests]

    assert held(7) == held(7)
    assert held(7)[1] != held(8)[1]
    assert len(set(held(7)[1])) == 8  # each answer has a seed of its own


def test_the_monologue_knows_what_was_said_and_not_what_was_asked() -> None:
    held, model = seance(["One.", "Two.", "Three.", "Four."])
    answers = take(held.ask("Where is the silver spoon?", "en"), 4)
    assert [answer.turn for answer in answers] == [0, 1, 2, 3]
    first, *others = model.prompts
    assert "spoon" in first and not any("spoon" in prompt for prompt in others)
    assert others[-1].endswith("\nOne. Two. Three.")
    # What stays the same stands in front, so that it is read only once.
    assert all(later.startswith(sooner) for sooner, later in itertools.pairwise(others))


def test_a_new_question_forgets_what_was_said() -> None:
    held, model = seance(["One.", "Two.", "Three.", "Four."])
    take(held.ask("First?", "en"), 2)
    answers = take(held.ask("Second?", "en"), 2)
    assert answers[0].number == 2 and answers[0].line == "Three."
    assert "One." not in model.prompts[2] and model.prompts[3].endswith("\nThree.")


def test_an_interruption_throws_away_what_was_about_to_be_said() -> None:
    held, model = seance(["One.", "A very long second line that nobody hears", "Three."])
    listening = True
    events = held.ask("Who?", "en", lambda: not listening)
    assert isinstance(next(events), QuestionAsked) and isinstance(next(events), AnswerGiven)
    listening = False
    assert list(events) == []
    assert model.cancelled == 0 and len(model.requests) == 1  # not even begun
    calls = itertools.count()
    held, model = seance(["A very long line that nobody hears"])
    assert len(list(held.ask("Who?", "en", lambda: next(calls) > 5))) == 1  # the question alone
    assert model.cancelled == 1


def test_an_empty_answer_is_three_dots_and_the_seance_goes_on() -> None:
    held, model = seance(["", "", "At last.", "", "On."])
    answers = take(held.ask("Who?", "en"), 5)
    assert [answer.text for answer in answers] == ["...", "...", "At last.", "...", "On."]
    assert [answer.line for answer in answers] == ["", "", "At last.", "", "On."]
    # Nothing said is nothing to go on from: it is asked again; later it is left out.
    asked = [prompt for prompt in model.prompts if not prompt.endswith("\n")]
    assert asked[1].endswith("A:") and asked[4].endswith("\nAt last.")


def test_blank_lines_without_end_are_an_empty_answer() -> None:
    held, model = seance(["\n\n\n\n\n\nToo late.", "On."])
    first, second = take(held.ask("Who?", "en"), 2)
    assert (first.text, first.line, second.text) == ("...", "", "On.")
    assert len(model.requests) == 4


def test_what_goes_round_is_said_once_and_falters() -> None:
    held, model = seance(["A good, good-good-good-good-good-good-good-good man.", "On."])
    first, _ = take(held.ask("Who?", "en"), 2)
    assert first.line.count("good") <= 3 and "..." in first.line
    assert first.line in model.prompts[1]


def test_the_history_stays_within_the_context() -> None:
    lines = [f"This is what was said as number {n} of the many. " * 4 for n in range(300)]
    held, model = seance(lines, context=600, max_tokens=100)
    take(held.ask("Who?", "en"), 300)
    assert max(map(len, model.prompts)) // 4 <= 500
    assert "number 299" in lines[299] and "number 298" in model.prompts[299]
    dropped = [later.startswith(sooner) for sooner, later in itertools.pairwise(model.prompts[1:])]
    assert dropped.count(False) < 120  # half of it leaves at once, and then not for a while


def test_a_question_that_does_not_fit_is_refused_with_the_numbers() -> None:
    held, _ = seance(["x"], context=300, max_tokens=100)
    with pytest.raises(TooLong) as refused:
        take(held.ask("word " * 2000, "en"), 1)
    assert refused.value.data["limit"] == 200 < refused.value.data["tokens"]


def test_translation_asks_the_model_and_shows_both() -> None:
    held, model = seance(
        ["Who are you?", "I am the miller.", "Ich bin der Müller."], translate=True
    )
    asked, answer = itertools.islice(held.ask("Wer bist du?", "de"), 2)
    assert isinstance(asked, QuestionAsked) and asked.translated == "Who are you?"
    there, question, back = model.prompts
    assert there.endswith("German: Wer bist du?\nEnglish:") and "Guten Abend" in there
    assert question.endswith("Q: Who are you?\nA:")
    assert back.endswith("English: I am the miller.\nGerman:")
    assert isinstance(answer, AnswerGiven)
    assert (answer.text, answer.original) == ("Ich bin der Müller.", "I am the miller.")
    assert answer.line == "I am the miller."  # the monologue goes on in the model's language
    assert model.requests[0].sampling.temperature == 0 != model.requests[1].sampling.temperature


def test_a_card_is_a_text_before_the_prompt_and_no_order() -> None:
    plan = opening.plan(opening.SeanceWishes(character="ghost", seed=1))
    model = ScriptedModel(["Here.", "Still here."])
    take(plan.begin(model).ask("Who are you?", "en"), 2)
    prompt, monologue = model.prompts
    assert monologue.startswith("The voice belongs to Lodger.") and "Are you dead?" not in monologue
    assert prompt.startswith("The voice belongs to Lodger.")
    assert "Are you dead?\nA: So I have been given to understand." in prompt
    assert "{{" not in prompt and "*" not in prompt and "Stay in character" not in prompt
    assert prompt.endswith("Q: Who are you?\nA:")
    assert model.requests[0].sampling.min_p == 0.05  # of the card
    assert len(prompt) < 5000


def test_every_shipped_card_can_be_the_spirit_in_every_language() -> None:
    from localai.characters import index

    for summary in index.listing():
        plan = opening.plan(opening.SeanceWishes(character=summary.name, seed=1))
        for language in plan.prompts:
            text = "".join(plan.options.personas[language])
            assert text.replace("\n", "").isprintable(), summary.name
            assert plan.card is not None and plan.card.called in text and "{{" not in text
            assert len(text) < 3000
