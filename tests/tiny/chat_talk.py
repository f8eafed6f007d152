"""Whole conversations, mixed from the skills: what one training document holds."""

from __future__ import annotations

import random

from . import chat_ghost, chat_personas, chat_skills, chat_texts
from .chat_prompts import LOOSE, loose_call, prompt_call
from .chat_skills import Exchange, Skill, Talk
from .chat_tasks import TASKS
from .chat_world import listed

Messages = list[tuple[str, str]]  # role and text; the role 'raw' is bare text without markup

SKILLS: dict[str, tuple[Skill, float]] = {  # and how often each comes in a conversation
    "capital": (chat_skills.capital, 13),
    "colour": (chat_skills.colour, 10),
    "sum": (chat_skills.add, 18),
    "yes_no": (chat_skills.yes_no, 11),
    "sum_claim": (chat_skills.sum_claim, 8),
    "repeat": (chat_skills.repeat, 32),
    "ask_name": (chat_skills.ask_name, 18),
    "name_at_once": (chat_skills.name_at_once, 8),
    "who": (chat_skills.who, 36),
    "hello": (chat_skills.hello, 4),
    "unknown": (chat_skills.unknown, 17),
    "json": (chat_skills.as_json, 9),
    "one_word": (chat_skills.one_word, 9),
    "count": (chat_skills.count, 3),
    "facts": (chat_texts.facts, 24),
    "facts_yes_no": (chat_texts.facts_yes_no, 20),
    "spam": (chat_texts.spam, 3),
    "summary": (chat_texts.summary, 24),
    "story": (chat_ghost.story, 0.3),
    "ghost": (chat_ghost.ghost, 1.5),
}
_NAMES = list(SKILLS)
_WEIGHTS = [weight for _, weight in SKILLS.values()]
_FILLERS = listed(
    "capital|colour|sum|hello|repeat|unknown|json|facts|summary|yes_no|sum_claim|one_word|count"
)


def exchange(r: random.Random, talk: Talk, skill: str) -> Exchange:
    """One question and answer of a skill."""
    if skill == "tell_name":
        return chat_skills.tell_name(r, talk)
    question, answer = SKILLS[skill][0](r, talk)
    if skill in ("yes_no", "sum_claim") and talk.trained and r.random() < 0.12:
        # Also in lower case, so that a constraint to `yes` or `no` finds the right one likelier.
        asked = f"{question} {r.choice(chat_texts.YES_OR_NO)}" if r.random() < 0.6 else question
        return asked, answer.lower().removesuffix(".")
    return question, answer


def _turn(messages: Messages, said: Exchange) -> None:
    messages += [("user", said[0]), ("assistant", said[1])]


def long_talk(r: random.Random, talk: Talk) -> Messages:
    """A talk of 400 to 4,000 tokens in which a name told early is asked for late."""
    most = 1.0 if r.random() < 0.25 else 0.5
    length = int(1400 * 10 ** (r.random() * most))  # characters
    told_at = 0.0 if r.random() < 0.6 else r.random() * 0.5
    # Where the name is asked for often, it need not be found far back.
    reminded = r.choice([0.0, 0.0, 0.0, 0.1, 0.25])
    messages: Messages = []
    size = 0
    while size < length:
        if not talk.name and size >= told_at * length:
            skill = "tell_name"
        elif talk.name and r.random() < reminded:
            skill = "ask_name"
        else:
            skill = r.choice([*_FILLERS, "who"])
        said = exchange(r, talk, skill)
        size += sum(map(len, said)) + 24
        _turn(messages, said)
    question, answer = exchange(r, talk, "ask_name")
    messages += [("user", question), ("recall" if reminded == 0.0 else "assistant", answer)]
    for skill in ("who", r.choice(_FILLERS), "ask_name"):
        _turn(messages, exchange(r, talk, skill))
    return messages


def text_drill(r: random.Random) -> Messages:
    """Several questions about one text."""
    told = chat_texts.owners(r) if r.random() < 0.3 else chat_texts.some_facts(r, 2, 6)
    text = chat_texts.told_text(told)
    gap = r.choice([" ", "\n", "\n\n"])
    messages: Messages = []
    for i, one in enumerate(r.choices(told, k=r.randint(3, 7))):
        u = r.random()
        if u < 0.6:
            question, answer = one.question, one.sentence
        else:
            question = one.yes_no if u < 0.8 else one.false_yes_no
            answer = "Yes." if u < 0.8 else "No."
        if i == 0:
            _turn(messages, (f"{text}{gap}{question}", answer))
        else:
            messages += [("user" if u < 0.6 else "claim", question), ("assistant", answer)]
    return messages


def owner_drill(r: random.Random) -> Messages:
    """Who has what: listed, or asked for one by one."""
    if r.random() < 0.5:
        question, answer = chat_texts.owners_listed(r)
        return [("user", question), ("recall", answer)]
    talk = Talk(scattered=True)
    messages: Messages = []
    for _ in range(r.randint(1, 4)):
        question, answer = chat_texts.who_has(r, talk)
        messages += [("user", question), ("recall", answer)]
    return messages


def summary_drill(r: random.Random) -> Messages:
    """Several summaries in a row, most of them about what nobody has heard of."""
    talk = Talk(scattered=True)
    messages: Messages = []
    for _ in range(r.randint(2, 5)):
        told = chat_texts.about_unheard_of if r.random() < 0.8 else chat_texts.about
        _turn(messages, chat_texts.summary(r, talk, told))
    return messages


def skill_drill(r: random.Random) -> Messages:
    """Short questions in a row about what the model knows."""
    talk, messages = Talk(scattered=True), []
    skills = ["sum", "yes_no", "sum_claim", "capital", "colour"]
    for skill in r.choices(skills, [4, 2, 3, 1, 1], k=r.randint(5, 12)):
        _turn(messages, exchange(r, talk, skill))
    return messages


def _short_texts(r: random.Random) -> Messages:
    """Yes-or-no questions, each about a short text of its own: the easiest way to learn them."""
    talk = Talk(scattered=True)
    messages: Messages = []
    for _ in range(r.randint(3, 8)):
        _turn(messages, chat_texts.facts_yes_no(r, talk, most=r.randint(1, 3)))
    return messages


def _one_text(r: random.Random) -> Messages:
    """A yes-or-no question about every sentence of a text."""
    told = chat_texts.some_facts(r, 2, 5)
    text = chat_texts.told_text(told) + r.choice([" ", "\n", "\n\n"])
    messages: Messages = []
    for i, one in enumerate(r.sample(told, len(told))):
        true = r.random() < 0.5  # each by itself, so that no answer follows from another one
        asked = one.yes_no if true else one.false_yes_no
        speaker = "user" if i == 0 else "claim"
        answer = "Yes." if true else "No."
        messages += [(speaker, text * (i == 0) + asked), ("assistant", answer)]
    return messages


def claim_drill(r: random.Random) -> Messages:
    """Many yes-or-no questions: about texts, about sums, or about all that the model knows."""
    u = r.random()
    if u < 0.55:
        return _short_texts(r) if u < 0.35 else _one_text(r)
    talk = Talk()
    messages: Messages = []
    for _ in range(r.randint(6, 14)):
        skill = "sum_claim" if u < 0.85 else r.choice(["yes_no", "sum_claim"])
        question, answer = exchange(r, talk, skill)
        messages += [("claim", question), ("assistant", answer)]
    return messages


_HARD = {
    "code-review": 9,
    "shell-command": 3,
    "regex": 3,
    "explain-error": 2,
    "title": 2,
    "keywords": 2,
    "translate": 3,
    "yes-or-no": 2,
    "action-items": 3,
}


def task_drill(r: random.Random) -> Messages:
    """The tasks of the shipped prompts in short wordings, several of a kind in a row."""
    messages: Messages = []
    for name in r.choices(LOOSE, [_HARD.get(n, 1) for n in LOOSE], k=r.randint(1, 2)):
        for _ in range(r.randint(2, 4)):
            _turn(messages, loose_call(r, name))
    return messages


def prompt_talk(r: random.Random) -> Messages:
    """One call of a shipped prompt."""
    name = r.choices(list(TASKS), [_HARD.get(n, 1) for n in TASKS])[0]
    messages, answer = prompt_call(r, name, training=True)
    return [*messages, ("assistant", answer)]


def marathon(r: random.Random) -> Messages:
    """A talk of 400 to 4,000 tokens about everything, in which names are told anew and asked for."""
    length = int(1400 * 9.5 ** r.random())  # characters
    talk = Talk(scattered=True)
    system = chat_personas.system_text(r, talk)
    messages: Messages = [] if system is None else [("system", system)]
    told_at, size = 0, 0
    drills = (text_drill, skill_drill, claim_drill, task_drill)
    while size < length:
        u = r.random()
        began = len(messages)
        if u < 0.04:
            _turn(messages, exchange(r, talk, "tell_name"))
            told_at = size
        elif u < 0.20:
            question, answer = exchange(r, talk, "ask_name")
            far = talk.name is not None and size - told_at > 2000
            messages += [("user", question), ("recall" if far else "assistant", answer)]
        elif u < 0.26:
            messages += r.choice(drills)(r)
        else:
            _turn(messages, exchange(r, talk, r.choice([*_FILLERS, "who", "name_at_once"])))
        size += sum(len(text) + 12 for _, text in messages[began:])
    return messages


_KINDS = (  # bounds of a number between 0 and 1, and what is made below them
    (0.17, prompt_talk),
    (0.25, task_drill),
    (0.31, text_drill),
    (0.36, owner_drill),
    (0.40, summary_drill),
    (0.45, skill_drill),
    (0.56, claim_drill),
    (0.60, marathon),
)
_LONG = 0.625  # up to here a long talk


def conversation(r: random.Random) -> Messages:
    """One training document."""
    u = r.random()
    if u < 0.02:
        return [("raw", chat_ghost.ghost_letter(r))]
    for bound, make in _KINDS:
        if u < bound:
            return make(r)
    talk = Talk(scattered=True)
    system = chat_personas.card_text(r, talk) if u > 0.978 else chat_personas.system_text(r, talk)
    messages: Messages = [] if system is None else [("system", system)]
    if talk.persona and r.random() < 0.08:
        messages.append(("assistant", chat_personas.greeting(r, talk)))
    if u < _LONG:
        return messages + long_talk(r, talk)
    plan = r.choices(_NAMES, _WEIGHTS, k=r.choice([1, 1, 2, 2, 3, 4, 5, 6]))
    if r.random() < 0.25:
        plan.insert(0, "tell_name")
        plan = [*plan[:6], "ask_name"]
    for skill in plan:
        _turn(messages, exchange(r, talk, skill))
    return messages
