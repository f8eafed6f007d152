"""Whole conversations, mixed from the skills: what one training document holds."""

from __future__ import annotations

import random

from . import chat_ghost, chat_skills, chat_texts
from . import chat_world as world
from .chat_prompts import LOOSE, loose_call, prompt_call
from .chat_skills import Exchange, Skill, Talk
from .chat_tasks import TASKS
from .chat_world import listed

Messages = list[tuple[str, str]]  # role and text; the role 'raw' is bare text without markup

SKILLS: dict[str, tuple[Skill, float]] = {  # and how often each comes in a conversation
    "capital": (chat_skills.capital, 13),
    "colour": (chat_skills.colour, 10),
    "sum": (chat_skills.add, 18),
    "yes_no": (chat_skills.yes_no, 16),
    "repeat": (chat_skills.repeat, 18),
    "ask_name": (chat_skills.ask_name, 7),
    "name_at_once": (chat_skills.name_at_once, 3),
    "who": (chat_skills.who, 12),
    "hello": (chat_skills.hello, 4),
    "unknown": (chat_skills.unknown, 9),
    "json": (chat_skills.as_json, 6),
    "one_word": (chat_skills.one_word, 6),
    "count": (chat_skills.count, 1.5),
    "facts": (chat_texts.facts, 16),
    "facts_yes_no": (chat_texts.facts_yes_no, 10),
    "spam": (chat_texts.spam, 3),
    "summary": (chat_texts.summary, 8),
    "story": (chat_ghost.story, 0.3),
    "ghost": (chat_ghost.ghost, 1.5),
}
_NAMES = list(SKILLS)
_WEIGHTS = [weight for _, weight in SKILLS.values()]
_FILLERS = listed(
    "capital|colour|sum|hello|repeat|unknown|json|facts|summary|yes_no|one_word|count"
)

_PERSONAS = listed(
    "You are {n}.|You are {n}, a friendly assistant.|Your name is {n}.|"
    "You are {n}, a helpful assistant.|You are an assistant named {n}.|You are {n}, a {a}.|"
    "You are {n}, a {j}.|You are {n}, the {j} of {p}.|You are a {j} called {n}.|"
    "You play {n}, a {j}.|You are the {j} {n}.|Your name is {n} and you live in {p}.|Name: {n}|"
    "Speak as {n}.|You are {n} from {p}.|"
    "Write the next reply of {n} in a talk between {n} and the user.|{n} is a {j}. You are {n}.|"
    "You are {n}, an old {a} that lives in the {h}.|"
    "Your role is {n}.|In this story you are {n}.|Imagine that you are {n}.|Act as {n}, a {j}.|"
    "Take the role of {n}.|You are an assistant with the name {n}.|Be {n}.|Your role in this talk "
    "is {n}, a {j}.|You are a {j} who is known as {n}.|Play the part of {n}."
)
_PERSONAS_HELD = [
    "You are the friendly {a} {n}.",
    "You are {n}, a {j} who helps people.",
    "They call you {n}.",
]
_PERSONAS_FREE = [
    "In this game your role is {n}, a brave {j}.",
    "Pretend that you are {n}.",
    "You are a chat partner who goes by the name of {n}.",
]
_MANNERS = listed(
    "Be brief.|Answer in one short sentence.|Be polite.|You help people.|Answer truthfully.|"
    "Do not lie.|Speak English.|Keep it short.|You live on a small computer.|"
    "Be kind and patient.|Never be rude.|You work offline.|Today is a good day.|"
    "The user is a friend.|Think before you answer.|You are talking to a human.|Use plain words.|"
    "If you do not know, say so.|Be a helpful assistant.|You love books and old maps.|"
    "You like tea.|You speak softly.|You know the town well.|You have seen much."
)
_PLAIN = listed(
    "You are a helpful assistant.|You are a helpful assistant. Be brief.|Answer the questions.|"
    "You are a friendly assistant.|You are a helpful AI assistant.|You are an assistant."
)


def persona_text(r: random.Random, talk: Talk) -> str:
    """A system text that says who the model is, with some manners around it."""
    talk.persona = world.person(r)
    groups = {"trained": _PERSONAS, "held": _PERSONAS_HELD, "free": _PERSONAS_FREE}
    text = r.choice(groups[talk.group]).format(
        n=talk.persona,
        a=r.choice(world.ANIMALS),
        j=r.choice(world.JOBS),
        p=world.town(r),
        h=r.choice(world.HABITATS),
    )
    extra = r.sample(_MANNERS, r.choice([0, 0, 1, 1, 2, 3, 6]))
    if r.random() < 0.2:
        words = " ".join(world.made_up_word(r) for _ in range(r.randint(2, 6)))
        extra.insert(0, words.capitalize() + ".")
    extra.insert(r.randint(0, len(extra)) if r.random() < 0.3 else 0, text)
    return r.choice([" ", " ", " ", "\n"]).join(extra)


def system_text(r: random.Random, talk: Talk) -> str | None:
    """No system text, a plain one, or one with a persona."""
    u = r.random()
    if u < 0.25:
        return None
    return r.choice(_PLAIN) if u < 0.4 else persona_text(r, talk)


def exchange(r: random.Random, talk: Talk, skill: str) -> Exchange:
    """One question and answer of a skill."""
    if skill == "tell_name":
        return chat_skills.tell_name(r, talk)
    question, answer = SKILLS[skill][0](r, talk)
    if skill == "yes_no" and talk.trained and r.random() < 0.12:
        # Also in lower case, so that a constraint to `yes` or `no` finds the right one likelier.
        asked = f"{question} {r.choice(chat_texts.YES_OR_NO)}" if r.random() < 0.6 else question
        return asked, answer.lower().removesuffix(".")
    return question, answer


_CARD_LINES = listed(
    "{n} is {y} years old.|{n} loves {t}s.|{n} wears a {c} hat.|{n} lives near the {h}.|"
    "{n} is kind and patient.|{n} has a {a} called {m}.|{n} never lies.|{n} drinks tea {w}.|"
    "{n} keeps a {t} in the {p}.|{n} speaks slowly.|{n} knows every book.|{n} was born in {q}.|"
    "{m} is a friend of {n}.|{m} lives in {q}.|The {t} is in the {p}.|{n} is afraid of the {a}.|"
    "Personality: kind, patient, brave.|Scenario: the user meets {n} in the {p}.|"
    "Answer as {n}.|Stay in character.|Do not speak for the user.|{x} {y} {z}."
)


def card_text(r: random.Random, talk: Talk) -> str:
    """A long system text, as a character card gives it: up to some 1,200 tokens about {n}."""
    start = persona_text(r, talk)
    lines = []
    for _ in range(int(3 * 30 ** r.random())):
        slots = {"n": talk.persona, "y": r.randint(8, 99), "t": r.choice(world.THINGS)}
        slots |= {"c": r.choice(world.COLOUR_NAMES), "h": r.choice(world.HABITATS)}
        slots |= {"a": r.choice(world.ANIMALS), "m": world.person(r), "w": r.choice(world.TIMES)}
        slots |= {"p": r.choice(world.PLACES), "q": world.town(r)}
        slots |= {k: world.made_up_word(r) for k in "xz"}
        lines.append(r.choice(_CARD_LINES).format(**slots))
    if r.random() < 0.2:
        lines += ["Example:", "User: Hello!", f"{talk.persona}: Hello, dear friend."]
    return start + r.choice([" ", "\n", "\n\n"]) + r.choice([" ", "\n"]).join(lines)


_GREETINGS = listed(
    "Hello, I am {n}.|Welcome! I am {n}.|Good morning! My name is {n}.|Hello! How can I help you?|"
    "Ah, a guest. Come in.|Welcome to the {p}.|Good evening."
)


def greeting(r: random.Random, talk: Talk) -> str:
    """What a character says first, before the user has said anything."""
    return r.choice(_GREETINGS).format(n=talk.persona, p=r.choice(world.PLACES))


def _turn(messages: Messages, said: Exchange) -> None:
    messages += [("user", said[0]), ("assistant", said[1])]


def long_talk(r: random.Random, talk: Talk) -> Messages:
    """A talk of 400 to 4,000 tokens in which a name told early is asked for late."""
    length = int(1400 * (10 ** r.random()))  # characters
    told_at = 0.0 if r.random() < 0.6 else r.random() * 0.5
    messages: Messages = []
    size = 0
    while size < length:
        if not talk.name and size >= told_at * length:
            skill = "tell_name"
        elif talk.name and r.random() < 0.25:
            skill = "ask_name"
        else:
            skill = r.choice([*_FILLERS, "who"])
        said = exchange(r, talk, skill)
        size += sum(map(len, said)) + 24
        _turn(messages, said)
    for skill in ("ask_name", "who", r.choice(_FILLERS), "ask_name"):
        _turn(messages, exchange(r, talk, skill))
    return messages


def text_drill(r: random.Random) -> Messages:
    """Several questions about one text."""
    told = chat_texts.some_facts(r, 2, 6)
    text = " ".join(f.sentence for f in told)
    gap = r.choice([" ", "\n", "\n\n"])
    messages: Messages = []
    for i, one in enumerate(r.choices(told, k=r.randint(3, 7))):
        u = r.random()
        if u < 0.5:
            question, answer = one.question, one.sentence
        else:
            question = one.yes_no if u < 0.75 else one.false_yes_no
            answer = "Yes." if u < 0.75 else "No."
        _turn(messages, (f"{text}{gap}{question}" if i == 0 else question, answer))
    return messages


def skill_drill(r: random.Random) -> Messages:
    """Short questions in a row about what the model knows."""
    talk, messages = Talk(), []
    skills = ["sum", "yes_no", "capital", "colour"]
    for skill in r.choices(skills, [4, 4, 1, 1], k=r.randint(5, 12)):
        _turn(messages, exchange(r, talk, skill))
    return messages


def claim_drill(r: random.Random) -> Messages:
    """Many yes-or-no questions: about one text, or about what the model knows."""
    messages: Messages = []
    if r.random() < 0.5:
        told = chat_texts.some_facts(r, 2, 5)
        text = " ".join(f.sentence for f in told) + r.choice([" ", "\n", "\n\n"])
        claims = [(one, true) for one in told for true in (True, False)]
        for i, (one, true) in enumerate(r.sample(claims, len(claims))):
            asked = one.yes_no if true else one.false_yes_no
            _turn(messages, (text * (i == 0) + asked, "Yes." if true else "No."))
        return messages
    talk = Talk()
    for _ in range(r.randint(6, 14)):
        question, answer = exchange(r, talk, "yes_no")
        messages += [("claim", question), ("assistant", answer)]
    return messages


def task_drill(r: random.Random) -> Messages:
    """The tasks of the shipped prompts in short wordings, several of a kind in a row."""
    messages: Messages = []
    for name in r.choices(LOOSE, k=r.randint(1, 2)):
        for _ in range(r.randint(2, 4)):
            _turn(messages, loose_call(r, name))
    return messages


def prompt_talk(r: random.Random) -> Messages:
    """One call of a shipped prompt."""
    messages, answer = prompt_call(r, r.choice(list(TASKS)), training=True)
    return [*messages, ("assistant", answer)]


_KINDS = (  # bounds of a number between 0 and 1, and what is made below them
    (0.22, prompt_talk),
    (0.34, task_drill),
    (0.42, text_drill),
    (0.47, skill_drill),
    (0.62, claim_drill),
)
_LONG = 0.64  # up to here a long talk


def conversation(r: random.Random) -> Messages:
    """One training document."""
    u = r.random()
    if u < 0.02:
        return [("raw", chat_ghost.ghost_letter(r))]
    for bound, make in _KINDS:
        if u < bound:
            return make(r)
    talk = Talk()
    system = card_text(r, talk) if u > 0.978 else system_text(r, talk)
    messages: Messages = [] if system is None else [("system", system)]
    if talk.persona and r.random() < 0.08:
        messages.append(("assistant", greeting(r, talk)))
    if u < _LONG:
        return messages + long_talk(r, talk)
    plan = r.choices(_NAMES, _WEIGHTS, k=r.choice([1, 1, 2, 2, 3, 4, 5, 6]))
    if r.random() < 0.25:
        plan.insert(0, "tell_name")
        plan = [*plan[:6], "ask_name"]
    for skill in plan:
        _turn(messages, exchange(r, talk, skill))
    return messages
