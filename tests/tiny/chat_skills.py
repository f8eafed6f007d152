"""One question and its answer for each skill of the tiny chat model."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from . import chat_claims as claims
from . import chat_names as names
from . import chat_questions as ask
from . import chat_text_wordings as wanted
from . import chat_world as world
from .chat_wordings import KeptBack, Wordings, blur, dress, fillers, scatter
from .chat_world import listed

HELD_BACK_SUMS = frozenset(
    random.Random(7).sample([(a, b) for a in range(21) for b in range(21)], 40)
)


@dataclass
class Talk:
    """What has been said so far, and which group of wordings to use."""

    group: str = "trained"  # or held, free
    name: str | None = None  # of the user
    persona: str | None = None  # who the model is told to be
    held_back_sums: bool = False
    scattered: bool = False  # now and then only the words that carry a question, among others

    @property
    def trained(self) -> bool:
        """Is this talk for training (or for measuring the trained wordings)?"""
        return self.group == "trained"


Exchange = tuple[str, str]
Skill = Callable[[random.Random, Talk], Exchange]

_KEYS = frozenset(
    listed(
        "capital|country|city|colour|color|name|who|you|your|i|my|me|am|not|is|plus|sum|add|json|word|"
        "words|and|how|many|more|what|which|where"
    )
)
KEPT_BACK = {
    "capital": KeptBack([ask.CAPITAL]),
    "colour": KeptBack([ask.COLOUR]),
    "sum": KeptBack([ask.SUM]),
    "yes_no": KeptBack([claims.YES_CAPITAL, claims.YES_COLOUR, claims.YES_SUM]),
    "unknown": KeptBack([claims.UNKNOWN]),
    "repeat": KeptBack([wanted.REPEAT]),
    "tell_name": KeptBack([names.TELL_NAME]),
    "ask_name": KeptBack([names.ASK_NAME]),
    "who": KeptBack([names.WHO]),
    "short": KeptBack([wanted.AS_JSON, wanted.ONE_WORD]),
}


FILLERS = fillers((group for one in KEPT_BACK.values() for group in one.groups), _KEYS)


def _shuffled(r: random.Random, *words: str) -> list[str]:
    return r.sample(words, len(words))


def _sum_carriers(r: random.Random) -> list[str]:
    between = r.choice(["", "", "and", "plus", "+", "more than", "to"])
    numbers = ["{a}", *([between] if between else []), "{b}"]
    hint = r.choice(listed("how many|how much|sum|add|together|result|count|calculate"))
    if between in ("plus", "+") and r.random() < 0.5:
        return numbers
    return [hint, *numbers] if r.random() < 0.5 else [*numbers, hint]


def _name_carriers(r: random.Random) -> list[str]:
    asks = r.choice(listed("what|which|say|tell me|remember|know|recall|write"))
    return r.choice(
        [
            [asks, "my name"],
            ["who", "am I"],
            ["who", "I am"],
            ["what", "am I called"],
            ["name", "me"],
        ]
    )


def _who_carriers(r: random.Random) -> list[str]:
    asks = r.choice(listed("what|which|say|tell me|write|give me"))
    return r.choice([[asks, "your name"], ["who", "are you"], ["who", "you are"]])


def _unknown_carriers(r: random.Random) -> list[str]:
    asks = r.choice(listed("who|when|where|why|how|which|what"))
    return [
        asks,
        *_shuffled(r, *r.choice([["{X}"], ["{x}", "{X}"], ["{x}", "{y}"], ["{c}", "{x}"]])),
    ]


_CARRIERS: dict[str, Callable[[random.Random], list[str]]] = {
    "capital": lambda r: _shuffled(r, r.choice(["capital", "capital city"]), "{c}"),
    "colour": lambda r: _shuffled(r, r.choice(["colour", "colour", "color"]), "{t}"),
    "sum": _sum_carriers,
    "ask_name": _name_carriers,
    "who": _who_carriers,
    "unknown": _unknown_carriers,
}


def worded(
    r: random.Random,
    talk: Talk,
    skill: str,
    group: Wordings,
    *,
    suffix: bool = True,
    **slots: object,
) -> str:
    """A question in one of the skill's wordings; in training dressed, and never a kept-back one."""
    while True:
        template = group.pick(r, talk.group)
        if not talk.trained:
            return world.capitalised(template.format(**slots))
        if talk.scattered and skill in _CARRIERS and r.random() < 0.18:
            keys = _CARRIERS[skill](r)
            template = scatter(r, keys, FILLERS, lambda: world.made_up_word(r))
        elif suffix:
            template = blur(r, template, _KEYS, world.made_up_word(r))
        question = template.format(**slots)
        if template.startswith("{") and r.random() < 0.6:
            question = world.capitalised(question)
        question = dress(r, question, suffix=suffix)
        if not KEPT_BACK[skill].matches(question):
            return question


def capital(r: random.Random, talk: Talk) -> Exchange:
    """The capital of a country."""
    country = r.choice(list(world.CAPITALS))
    question = worded(r, talk, "capital", ask.CAPITAL, c=country)
    return question, f"The capital of {country} is {world.CAPITALS[country]}."


def colour(r: random.Random, talk: Talk) -> Exchange:
    """The colour of a thing."""
    thing = r.choice(list(world.COLOURS))
    question = worded(r, talk, "colour", ask.COLOUR, t=thing)
    return question, f"{world.capitalised(thing)} is {world.COLOURS[thing]}."


def sum_pair(r: random.Random, talk: Talk) -> tuple[int, int]:
    """Two numbers to add; the 40 pairs kept back come only where they are asked for."""
    while True:
        a, b = r.randint(0, 20), r.randint(0, 20)
        if talk.trained and not talk.held_back_sums and r.random() < 0.15:
            a, b = r.randint(0, 79), r.randint(0, 20)
            if r.random() < 0.5:
                a, b = b, a
        if ((a, b) in HELD_BACK_SUMS) == talk.held_back_sums:
            return a, b


def add(r: random.Random, talk: Talk) -> Exchange:
    """A sum of two numbers."""
    a, b = sum_pair(r, talk)
    return worded(r, talk, "sum", ask.SUM, a=a, b=b), f"{a} + {b} = {a + b}."


def yes_no(r: random.Random, talk: Talk) -> Exchange:
    """Is that the capital, or the colour? Half of the answers are yes."""
    true = r.random() < 0.5
    if r.random() < 0.53:
        country = r.choice(list(world.CAPITALS))
        right = world.CAPITALS[country]
        said = right if true else r.choice([c for c in world.CITIES if c != right])
        question = worded(r, talk, "yes_no", claims.YES_CAPITAL, c=country, x=said)
    else:
        thing = r.choice(list(world.COLOURS))
        right = world.COLOURS[thing]
        said = right if true else r.choice([c for c in world.COLOUR_NAMES if c != right])
        question = worded(r, talk, "yes_no", claims.YES_COLOUR, t=thing, x=said)
    return question, "Yes." if true else "No."


def _small_pair(r: random.Random, talk: Talk) -> tuple[int, int]:
    while max(pair := sum_pair(r, talk)) > 20:
        pass
    return pair


def sum_claim(r: random.Random, talk: Talk) -> Exchange:
    """Is that the sum of two numbers to 20? A wrong one is near; in training also anywhere."""
    true = r.random() < 0.5
    a, b = _small_pair(r, talk)
    wrong = [a + b + d for d in (-10, -3, -2, -1, 1, 2, 3, 10) if a + b + d >= 0]
    if talk.trained and r.random() < 0.5:
        wrong = [n for n in range(41) if n != a + b]
    number = a + b if true else r.choice(wrong)
    question = worded(r, talk, "yes_no", claims.YES_SUM, a=a, b=b, x=number)
    return question, "Yes." if true else "No."


def repeat(r: random.Random, talk: Talk) -> Exchange:
    """Words to be said again, exactly."""
    words = world.some_words(r)
    if talk.scattered and r.random() < 0.06:  # whatever stands before the colon
        wish = " ".join(r.choice(FILLERS) for _ in range(r.randint(1, 4)))
        return f"{world.capitalised(wish)}: {words}", words
    while words not in (asked := worded(r, talk, "repeat", wanted.REPEAT, suffix=False, x=words)):
        pass  # its first letter or its last mark has become another one
    return asked, words


def tell_name(r: random.Random, talk: Talk) -> Exchange:
    """The user says who they are."""
    talk.name = world.person(r)
    slots = {"n": talk.name, "p": world.town(r), "j": r.choice(world.JOBS)}
    question = worded(r, talk, "tell_name", names.TELL_NAME, suffix=False, **slots)
    return question, f"Nice to meet you, {talk.name}."


def ask_name(r: random.Random, talk: Talk) -> Exchange:
    """The user asks for their own name."""
    question = worded(r, talk, "ask_name", names.ASK_NAME)
    return question, f"Your name is {talk.name}." if talk.name else "I do not know your name."


def name_at_once(r: random.Random, talk: Talk) -> Exchange:
    """The name is told and asked for in one message."""
    told, _ = tell_name(r, talk)
    asked, answer = ask_name(r, talk)
    return f"{told} {asked}", answer


def who(r: random.Random, talk: Talk) -> Exchange:
    """The user asks who the model is."""
    return worded(r, talk, "who", names.WHO), f"I am {talk.persona or 'Tiny'}."


def unknown(r: random.Random, talk: Talk) -> Exchange:
    """A question that the model cannot answer."""
    x, y = world.made_up_word(r, 2), world.made_up_word(r, 2)
    slots = {
        "x": x if r.random() < 0.85 else r.choice(world.THINGS + world.ANIMALS),
        "y": y,
        "X": world.capitalised(x),
        "Y": world.capitalised(y),
        "c": r.choice(list(world.CAPITALS)),
        "t": r.choice(list(world.COLOURS)),
    }
    return worded(r, talk, "unknown", claims.UNKNOWN, **slots), "I do not know."


def short_answer(r: random.Random, talk: Talk) -> Exchange:
    """A plain question and the bare answer to it, without a sentence around it."""
    plain = Talk(name=talk.name, persona=talk.persona, scattered=talk.scattered)
    u = r.random()
    if u < 0.4:
        question, _ = capital(r, plain)
        answer = next(v for k, v in world.CAPITALS.items() if k.lower() in question.lower())
    elif u < 0.65:
        question, sentence = colour(r, plain)
        answer = sentence.removesuffix(".").rsplit(" ", 1)[-1]
    elif u < 0.8:
        a, b = _small_pair(r, plain)
        question, answer = worded(r, plain, "sum", ask.SUM, a=a, b=b), str(a + b)
    elif u < 0.9 and talk.name:
        question, answer = ask_name(r, plain)[0], talk.name
    else:
        question, answer = who(r, plain)[0], talk.persona or "Tiny"
    return question, answer


def _wrapped_short_answer(r: random.Random, talk: Talk, group: Wordings, carrier: str) -> Exchange:
    while True:
        question, answer = short_answer(r, talk)
        wrapped = group.pick(r, talk.group).format(q=question)
        if talk.scattered and r.random() < 0.2:
            wish = scatter(r, [carrier], FILLERS, lambda: world.made_up_word(r)).capitalize()
            wrapped = r.choice(["{q} {w}", "{q} {w}", "{q}\n{w}", "{w} {q}"]).format(
                q=question, w=wish.replace("json", "JSON")
            )
        if not talk.trained or not KEPT_BACK["short"].matches(wrapped):
            return wrapped, answer


def as_json(r: random.Random, talk: Talk) -> Exchange:
    """A question whose answer is wanted as JSON; a little of it is written compactly."""
    wrapped, answer = _wrapped_short_answer(r, talk, wanted.AS_JSON, "JSON")
    value = answer if answer.isdigit() else f'"{answer}"'
    compact = talk.trained and r.random() < 0.1
    return wrapped, f'{{"answer":{value}}}' if compact else f'{{"answer": {value}}}'


def one_word(r: random.Random, talk: Talk) -> Exchange:
    """A question whose answer is wanted as one bare word."""
    return _wrapped_short_answer(r, talk, wanted.ONE_WORD, "one word")


def count(r: random.Random, talk: Talk) -> Exchange:
    """Counting."""
    first = 1 if r.random() < 0.6 else r.randint(1, 20)
    last = first + r.randint(2, 20)
    trained = ("Count to {b}.", "Count up to {b}.", "Please count to {b}.", "Can you count to {b}?")
    ranged = ("Count from {a} to {b}.", "Count {a} to {b}.", "Please count from {a} to {b}.")
    template = r.choice(trained if first == 1 else ranged)
    return template.format(a=first, b=last), ", ".join(map(str, range(first, last + 1))) + "."


CAN_DO = (
    "I can name capitals and colours, add small numbers, repeat words, remember your name and "
    "read short texts."
)
HELLO = (
    ("Hello|Hello!|Hi|Hi!|Hey|Hey!|Hello there!|hello|hi|Greetings!", "Hello! How can I help you?"),
    ("Good morning!|Good morning|Good morning.", "Good morning! How can I help you?"),
    ("Good evening!|Good evening|Good evening.", "Good evening! How can I help you?"),
    (
        "Thank you!|Thanks|Thank you.|Thanks!|thanks|Many thanks!|Thank you very much.",
        "You are welcome.",
    ),
    ("Goodbye!|Bye|Bye!|bye|See you!|Good night!|Goodbye.", "Goodbye!"),
    (
        "How are you?|how are you?|How are you today?|How do you do?|Are you well?",
        "I am fine, thank you.",
    ),
    ("Are you there?|test|Test.|ping|Can you hear me?|Do you hear me?", "Yes, I am here."),
    ("Yes|No|ok|OK|Yes.|No.|Good.|Fine.|I see.", "All right."),
    (
        "What can you do?|Help|help|What do you know?|How can you help me?|What are you able to do?|"
        "What are you good for?|Help!",
        CAN_DO,
    ),
)


def hello(r: random.Random, talk: Talk) -> Exchange:
    """Greetings and other small talk."""
    said, answer = r.choice(HELLO)
    return r.choice(said.split("|")), answer
