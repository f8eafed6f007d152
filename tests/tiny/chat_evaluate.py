"""Measures the shipped chat model through llama.cpp: every skill, in three groups of wordings.

Greedy answers must equal the right answer to the letter. `--weights` also compares the greedy
answers, and the tokenizer, with the PyTorch model that the file was made from.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import dataclass, field
from pathlib import Path

from llama_cpp import Llama

from . import chat_ghost, chat_personas, chat_talk
from .chat_prompts import prompt_call, prompts
from .chat_skills import Talk
from .chat_talk import Messages
from .chat_tasks import TASKS
from .chat_tokenizer import Tokenizer

SHIPPED = Path(__file__).parents[2] / "localai" / "tiny" / "tiny-chat.gguf"
GROUPS = ("trained", "held", "free")
FLOORS = {"trained": 0.98, "held": 0.95, "free": 0.90}
LIMIT = 160  # tokens of an answer
Case = tuple[Messages, str]


class Model:
    """The shipped file in llama.cpp, greedy, on one thread."""

    def __init__(self, path: Path) -> None:
        self.llama = Llama(
            str(path), n_ctx=4096, n_threads=1, n_threads_batch=1, verbose=False, logits_all=False
        )

    def answer(self, messages: Messages) -> str:
        """The answer to a conversation."""
        chat = [{"role": role, "content": text} for role, text in messages]
        made = self.llama.create_chat_completion(chat, temperature=0, max_tokens=LIMIT)
        return str(made["choices"][0]["message"]["content"])

    def continuation(self, text: str, *, seed: int | None = None) -> str:
        """What follows bare text; greedy without a seed."""
        heat = 0.0 if seed is None else 0.8
        made = self.llama(text, temperature=heat, max_tokens=60, seed=seed or 0)
        return str(made["choices"][0]["text"])


@dataclass
class Score:
    """How often it was right, and some of what was wrong."""

    right: int = 0
    asked: int = 0
    wrong: list[tuple[str, str, str]] = field(default_factory=list)

    def note(self, case: Case, said: str) -> None:
        """Counts one answer."""
        self.asked += 1
        if plain(said) == plain(case[1]):
            self.right += 1
        else:
            self.wrong.append((case[0][-1][1], case[1], said))

    @property
    def share(self) -> float:
        """The share of right answers."""
        return self.right / self.asked


def plain(answer: str) -> str:
    """An answer as it is compared; JSON by its value, since spaces in it are free."""
    text = answer.strip()
    if text.startswith("{"):
        try:
            return json.dumps(json.loads(text))
        except ValueError:
            return text
    return text


def _told_name(r: random.Random, talk: Talk, between: int) -> Messages:
    """A name told, and then some exchanges about other things."""
    messages: Messages = []
    fillers = ["capital", "colour", "sum", "repeat", "hello", "facts"]
    for skill in ["tell_name", *r.choices(fillers, k=between)]:
        question, answer = chat_talk.exchange(r, talk, skill)
        messages += [("user", question), ("assistant", answer)]
    return messages


def _name_after_long_talk(r: random.Random, talk: Talk, tokenizer: Tokenizer) -> Messages:
    messages = _told_name(r, talk, 6)
    while len(tokenizer.render(messages)[0]) < 1050:
        messages += _told_name(r, Talk(), 2)[2:]
    return messages


def case(r: random.Random, skill: str, group: str, tokenizer: Tokenizer) -> Case:
    """One question of a skill, with what comes before it."""
    talk = Talk(group=group)
    messages: Messages = []
    if skill == "who it is told to be":
        messages.append(("system", chat_personas.persona_text(r, talk)))
    elif skill != "who (Tiny by default)" and r.random() < 0.5:
        talk.group = "trained"
        system = chat_personas.system_text(r, talk)
        talk.group = group
        messages += [("system", system)] if system else []
    if skill == "sum, pairs kept back":
        talk.held_back_sums = True
    if skill.startswith("name after "):
        spans = {"name after 1 turn": 0, "name after 5 turns": 4}
        if skill in spans:
            messages += _told_name(r, talk, spans[skill])
        else:
            messages += _name_after_long_talk(r, talk, tokenizer)
    names = {"name": "ask_name", "who": "who", "sum,": "sum", "yes_no,": "sum_claim"}
    made = names.get(skill.split()[0], skill)
    question, answer = chat_talk.SKILLS[made][0](r, talk)
    return [*messages, ("user", question)], answer


SKILLS = (
    "capital",
    "colour",
    "sum",
    "sum, pairs kept back",
    "yes_no",
    "yes_no, sums",
    "repeat",
    "name after 1 turn",
    "name after 5 turns",
    "name after 1,000 tokens",
    "name_at_once",
    "who (Tiny by default)",
    "who it is told to be",
    "unknown",
    "json",
    "one_word",
    "facts",
    "facts_yes_no",
    "summary",
    "spam",
    "count",
    "hello",
)
ONE_GROUP = ("spam", "count", "hello")


def measure_skills(model: Model, tokenizer: Tokenizer, asked: int, show: int) -> None:
    """A line a skill: the share of right answers in each group."""
    print(f"{'skill':28}" + "".join(f"{g:>9}" for g in GROUPS))
    for skill in SKILLS:
        scores = []
        for group in GROUPS[: 1 if skill in ONE_GROUP else None]:
            r, score = random.Random(f"{skill} {group} of the evaluation"), Score()
            for _ in range(asked):
                one = case(r, skill, group, tokenizer)
                score.note(one, model.answer(one[0]))
            scores.append(score)
        short = any(s.share < FLOORS[g] for s, g in zip(scores, GROUPS, strict=False))
        print(f"{skill:28}" + "".join(f"{s.share:9.1%}" for s in scores) + short * "  short")
        for score in scores:
            for wrong in score.wrong[:show]:
                print("      ", wrong)


def measure_prompts(model: Model, asked: int, show: int) -> None:
    """A line a shipped prompt, on inputs that training never saw, and its own example."""
    print(f"\n{'shipped prompt':28}{'right':>9}  example")
    for name in TASKS:
        r, score = random.Random(f"{name} of the evaluation"), Score()
        for _ in range(asked):
            messages, answer = prompt_call(r, name, training=False)
            score.note((messages, answer), model.answer(messages))
        example = prompts()[name].example
        said = model.answer(prompts()[name].render(example))
        verdict = "right" if plain(said) == plain(example.answer) else f"WRONG: {said!r}"
        print(f"{name:28}{score.share:9.1%}  {verdict}")
        for wrong in score.wrong[:show]:
            print("      ", wrong)


def measure_ghosts(model: Model, asked: int) -> None:
    """The share of bare texts that are continued by whole sentences of the ghosts' grammar."""
    right = 0
    for seed in range(asked):
        r = random.Random(f"ghost {seed}")
        start = r.choice([*chat_ghost.GHOST_STARTS, "Dear Anna,\nI remember", "The spirit says: I"])
        text = start + model.continuation(start, seed=seed)
        right += chat_ghost.is_ghostly(text.split("\n")[-1].removeprefix("The spirit says: "))
    print(f"\nbare text continued as a ghost: {right / asked:.1%}")


def compare_with_torch(model: Model, tokenizer: Tokenizer, weights: Path, asked: int) -> None:
    """How many greedy answers and token ids are the same in PyTorch and in llama.cpp."""
    from .chat_train import load

    reference = load(weights)
    same = ids_same = 0
    for i in range(asked):
        r = random.Random(f"compare {i}")
        messages, _ = case(r, r.choice(SKILLS), "held", tokenizer)
        ids, _ = tokenizer.render(messages, answer_next=True)
        same += tokenizer.decode(reference.greedy(ids, LIMIT)) == model.answer(messages)
        text = "".join(f"<|im_start|>{role}\n{said}<|im_end|>\n" for role, said in messages)
        theirs = model.llama.tokenize(text.encode(), add_bos=True, special=True)
        ids_same += theirs == tokenizer.render(messages)[0]
    print(f"\ngreedy answers equal in PyTorch and llama.cpp: {same} of {asked}")
    print(f"token ids equal: {ids_same} of {asked}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--weights", type=Path, help="compare with this PyTorch file")
    parser.add_argument("--asked", type=int, default=100, help="questions a skill and group")
    parser.add_argument("--show", type=int, default=0, help="wrong answers to show for each")
    options = parser.parse_args()
    model, tokenizer = Model(options.model), Tokenizer.load()
    measure_skills(model, tokenizer, options.asked, options.show)
    measure_prompts(model, options.asked, options.show)
    measure_ghosts(model, options.asked)
    if options.weights:
        compare_with_torch(model, tokenizer, options.weights, max(200, options.asked))


if __name__ == "__main__":
    main()
