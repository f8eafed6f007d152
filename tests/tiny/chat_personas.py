"""System texts that say who the model is, and what such a character says first."""

from __future__ import annotations

import random

from . import chat_world as world
from .chat_skills import Talk
from .chat_world import listed

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
    "is {n}, a {j}.|You are a {j} who is known as {n}.|Play the part of {n}.|"
    "People call you {n}.|Everybody knows you as {n}.|You are the old {j} {n}.|You are the {a} {n}.|"
    "You are the kind {a} {n}.|You are called {n}.|You are {n}, who knows the {h}.|"
    "You are {n}, a {j} who never sleeps."
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
