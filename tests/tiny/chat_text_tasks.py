"""Inputs and right answers for the prompts about texts: sums, titles, lists, translations."""

from __future__ import annotations

import random
import re

from . import chat_task_tables as tables
from . import chat_texts as texts
from . import chat_world as world
from .chat_skills import Talk, yes_no
from .chat_task import Task, fill


def summarize(r: random.Random) -> Task:
    """One sentence about a text."""
    return Task(*texts.about(r))


def tldr(r: random.Random) -> Task:
    """The first sentence of a text, which is its gist."""
    text, _ = texts.about(r)
    return Task(text, text.split(". ")[0].removesuffix(".") + ".")


def _picture(r: random.Random) -> tuple[str, str, str]:
    colour, ground = r.sample(world.COLOUR_NAMES, 2)
    thing = r.choice(["circle", "square", "triangle", "cross", "ring", *world.THINGS])
    start = r.choice(["The picture shows a", "A", "There is a", "A picture of a"])
    return f"{start} {colour} {thing} on a {ground} background.", colour, thing


def _named(r: random.Random) -> tuple[str, str]:
    """A text and the few words that name it: 'wolf in the forest', 'red circle', 'bees'."""
    u = r.random()
    if u < 0.7:
        told = texts.animal_text(r, 1)
        return told.text, f"{told.animal} in the {told.habitat}"
    if u < 0.88:
        text, colour, thing = _picture(r)
        return text, f"{colour} {thing}"
    text, _ = texts.topic_text(r)
    return text, text.split()[0].lower()


def title(r: random.Random) -> Task:
    """The Wolf in the Forest."""
    text, name = _named(r)
    words = [w if w in ("in", "the") else world.capitalised(w) for w in name.split()]
    return Task(
        text, " ".join(words if name.endswith("s") and len(words) == 1 else ["The", *words])
    )


def file_name(r: random.Random) -> Task:
    """wolf-in-the-forest."""
    text, name = _named(r)
    return Task(text, name.replace(" ", "-"))


def keywords(r: random.Random) -> Task:
    """The animal, where it lives, what it eats, in the order of the text."""
    told = texts.animal_text(r, 2)
    clauses = " ".join(told.clauses)
    nouns = world.HABITATS + world.FOODS
    found = sorted((clauses.find(f" {n}"), n) for n in {*nouns, told.habitat} if f" {n}" in clauses)
    names = list(dict.fromkeys([told.animal, *(n for _, n in found)]))
    return Task(told.text, ", ".join(names))


_LANGUAGES = {  # nouns, adjectives, sayings, and the word for `is`
    "German": (tables.GERMAN_NOUNS, tables.GERMAN_ADJECTIVES, tables.GERMAN_SAYINGS, "ist"),
    "French": (tables.FRENCH_NOUNS, tables.FRENCH_ADJECTIVES, tables.FRENCH_SAYINGS, "est"),
}


def translate(r: random.Random) -> Task:
    """English into German, seldom into French: 'The dog is black.'"""
    language = "German" if r.random() < 0.75 else "French"
    nouns, adjectives, sayings, copula = _LANGUAGES[language]
    (noun, foreign), (adjective, quality) = r.choice(nouns), r.choice(adjectives)
    u = r.random()
    if u < 0.6:
        said = f"The {noun} is {adjective}."
        answer = f"{world.capitalised(foreign)} {copula} {quality}."
    elif u < 0.72:
        said, answer = (noun, foreign.split()[1]) if r.random() < 0.5 else (adjective, quality)
    elif u < 0.8:
        said, answer = f"the {noun}", foreign
    else:
        saying, other = r.choice(sayings)
        slots = {"n": world.person(r), "p": world.town(r)}
        said, answer = fill(saying, slots), fill(other, slots)
    return Task(said, answer, {"language": language})


_MISSPELT = {
    "the": "teh",
    "lives": "livs",
    "forest": "forrest",
    "river": "rivver",
    "eats": "eets",
    "sleeps": "sleps",
    "garden": "gardn",
    "often": "offen",
    "near": "neer",
}


def proofread(r: random.Random) -> Task:
    """A missing capital or full stop, a doubled word, a misspelt word."""
    sentence = r.choice(texts.animal_text(r).text.split(". ")).removesuffix(".") + "."
    right = sentence if r.random() < 0.6 else texts.fact(r).sentence
    words = right.split()
    if r.random() < 0.5:
        at = r.randrange(len(words) - 1)
        words.insert(at, words[at])
    words = [_MISSPELT[w] if w in _MISSPELT and r.random() < 0.5 else w for w in words]
    wrong = " ".join(words)
    if r.random() < 0.6:
        wrong = wrong[0].lower() + wrong[1:]
        if r.random() < 0.5:
            wrong = " ".join([wrong.split()[0], wrong]) if wrong.split()[0] == "the" else wrong
    if r.random() < 0.6:
        wrong = wrong.removesuffix(".")
    return Task(_without_tripled(wrong), right)


def _without_tripled(text: str) -> str:
    return re.sub(r"\b(\w+)( \1){2,}\b", r"\1 \1", text, flags=re.IGNORECASE)


def rewrite_plainly(r: random.Random) -> Task:
    """Stiff words made plain."""
    verbs = ["utilize", "purchase", "obtain", "demonstrate", "inquire about", "use", "buy"]
    who, end = r.choice(["We", "They", "I"]), r.choice(["meeting", "party", "game", "trip", "show"])
    when = r.choice(["prior to", "subsequent to", "before", "after"])
    thing = f"a large number of {r.choice(['maps', 'books', 'lamps'])}"
    stiff = r.choice(
        [
            f"{who} would like to {r.choice(verbs)} the {r.choice(world.THINGS)} {when} the {end}.",
            f"{who} would like to {r.choice(['purchase', 'obtain', 'utilize'])} {thing}.",
            f"{who} will {r.choice(['commence', 'terminate'])} the {end} at this point in time.",
            f"{who} came in order to {r.choice([*verbs, 'assist'])} {world.person(r)}.",
            f"{world.person(r)} will {r.choice(verbs)} the {r.choice(world.THINGS)} {when} the {end}.",
        ]
    )
    plain = stiff
    for long, short in tables.PLAIN_PHRASES:
        plain = plain.replace(long, short)
    return Task(stiff, plain)


def bullet_points(r: random.Random) -> Task:
    """The clauses of an animal text."""
    told = texts.animal_text(r, 2)
    return Task(told.text, "\n".join(f"- {clause}" for clause in told.clauses))


def questions(r: random.Random) -> Task:
    """What an animal text answers."""
    told = texts.animal_text(r, 1)
    asked = [f"- Where does the {told.animal} live?"]
    for clause in told.clauses[1:]:
        if clause.startswith("eats"):
            asked.append(f"- What does the {told.animal} eat?")
        elif clause.startswith("sleeps"):
            asked.append(f"- When does the {told.animal} sleep?")
        elif clause.startswith("is seen"):
            asked.append(f"- Where is the {told.animal} often seen?")
    return Task(told.text, "\n".join(asked))


def yes_or_no(r: random.Random) -> Task:
    """A question about a text, a mail or the world, answered in lower case."""
    skill = r.choice([texts.facts_yes_no, texts.facts_yes_no, texts.spam, yes_no])
    while True:
        asked, answer = skill(r, Talk())
        if answer in ("Yes.", "No."):
            return Task(asked, answer.lower().removesuffix("."))
