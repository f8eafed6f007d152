"""Inputs and right answers for the prompts about work: mails, notes, diffs, code, people."""

from __future__ import annotations

import json
import random

from . import chat_task_tables as tables
from . import chat_texts as texts
from . import chat_world as world
from .chat_task import Task, fill, some_file
from .chat_world import listed

_DUTIES = listed(
    "buy bread|call the doctor|write a letter|clean the kitchen|find the key|feed the cat|"
    "paint the door|book the train|send the map|repair the lamp|water the garden|pay the bill|"
    "bring the book|close the window|ask the teacher|wash the car|cook the fish|read the report"
)
_IDLE = listed(
    "The meeting was short.|We met on {d}.|It was raining.|Everybody was there.|{n} was ill.|"
    "The coffee was good.|We talked about the {t}.|Nothing else was said."
)


def action_items(r: random.Random) -> Task:
    """Who must do what."""
    sentences, items = [], []
    for duty in r.sample(_DUTIES, r.choice([0, 1, 1, 2, 2, 3, 3])):
        name, verb = world.person(r), r.choice(["must", "will", "has to", "should"])
        sentences.append(f"{name} {verb} {duty}.")
        items.append(f"- {name}: {duty}")
    for idle in r.sample(_IDLE, r.choice([0, 1, 1, 2]) if sentences else 2):
        slots = {"d": r.choice(world.WEEKDAYS), "n": world.person(r), "t": r.choice(world.THINGS)}
        sentences.insert(r.randint(0, len(sentences)), fill(idle, slots))
    return Task(r.choice([" ", " ", "\n"]).join(sentences), "\n".join(items) or "None.")


def commit_message(r: random.Random) -> Task:
    """A small diff of one file and what it does."""
    name = r.choice(["animals.txt", "notes.md", "list.txt", some_file(r)])
    old, new = texts.animal_text(r, 1), texts.animal_text(r, 1)
    start = [f"diff --git a/{name} b/{name}"]
    index = f"index {r.randrange(16**7):07x}..{r.randrange(16**7):07x} 100644"
    mode = r.choice(["add", "add", "remove", "change", "new", "delete"])
    line_new, line_old = (t.text.split(". ")[0].removesuffix(".") + "." for t in (new, old))
    if mode in ("new", "delete"):
        word, sign = ("new", "+") if mode == "new" else ("deleted", "-")
        start += [f"{word} file mode 100644", index.removesuffix(" 100644")]
        start += (
            ["--- /dev/null", f"+++ b/{name}"]
            if mode == "new"
            else [f"--- a/{name}", "+++ /dev/null"]
        )
        start += ["@@ -0,0 +1 @@" if mode == "new" else "@@ -1 +0,0 @@", sign + line_new]
        return Task("\n".join(start), f"{'Add' if mode == 'new' else 'Remove'} {name}")
    if r.random() < 0.6:
        start.append(index)
    line, grow = r.randint(1, 90), {"add": 1, "remove": -1, "change": 0}[mode]
    start += [f"--- a/{name}", f"+++ b/{name}", f"@@ -{line},2 +{line},{2 + grow} @@"]
    body = {
        "add": ["+" + line_new],
        "remove": ["-" + line_new],
        "change": ["-" + line_old, "+" + line_new],
    }[mode]
    about = texts.animal_text(r, 1).text
    body.insert(r.choice([0, 0, len(body)]), " " + about)
    answer = {
        "add": f"Add the {new.animal} to {name}",
        "remove": f"Remove the {new.animal} from {name}",
        "change": f"Replace the {old.animal} by the {new.animal} in {name}",
    }[mode]
    return Task("\n".join(start + body), answer)


def reply_to_mail(r: random.Random) -> Task:
    """Yes or no to a wish in a mail."""
    day, thing, name = r.choice(world.WEEKDAYS), r.choice(world.THINGS), world.person(r)
    wish = r.choice(
        [
            f"come to the {r.choice(['party', 'meeting', 'game', 'show'])} on {day}",
            f"send me the {thing}",
            f"bring the {thing} on {day}",
            f"call me on {day}",
            f"meet me in {world.town(r)} on {day}",
            f"repair the {thing}",
        ]
    )
    mail = f"{r.choice(['Hello', 'Hi', 'Good morning', 'Dear friend'])},\ncan you {wish}?\n{name}"
    intent = r.choice(["accept", "accept", "decline", "say no", "say yes"])
    done = wish.replace(" me", " you", 1)
    will = "I will" if intent in ("accept", "say yes") else "I am sorry, but I cannot"
    answer = f"Hello {name},\nthank you for your mail. {will} {done}.\nKind regards"
    return Task(mail, answer, {"intent": intent})


def code_review(r: random.Random) -> Task:
    """A few lines of code with at most one fault."""
    slots = {
        "v": r.choice(["total", "x", "count", "items", world.made_up_word(r)]),
        "w": r.choice(["name", "y", "data", "load", world.made_up_word(r)]),
        "n": str(r.randint(1, 99)),
    }
    lines = [fill(line, slots) for line in r.sample(tables.GOOD_CODE, r.choice([0, 0, 1, 2]))]
    if r.random() < 0.15:
        return Task(
            "\n".join(lines or [fill(r.choice(tables.GOOD_CODE), slots)]), "No faults found."
        )
    said, fault = r.choice(tables.REVIEWS)
    at = r.randint(0, len(lines))
    slots |= {"v": r.choice(["average", slots["v"], world.made_up_word(r)])}
    lines.insert(at, fill(said[0], slots))
    return Task("\n".join(lines), f"- Line {at + 1}: {fill(fault, slots)}.")


_MOODS = {
    "positive": listed(
        "I love this {t}.|It is wonderful.|What a lovely {t}!|I am very happy.|The {t} is great.|"
        "It works perfectly.|The best {t} I ever had.|Thank you so much!|Excellent.|"
        "I like it a lot."
    ),
    "negative": listed(
        "I hate this {t}.|It is terrible.|What an ugly {t}!|I am very sad.|The {t} is awful.|"
        "It never works.|The worst {t} I ever had.|I want my money back.|Useless.|"
        "I do not like it."
    ),
    "neutral": listed(
        "The {t} is in the {p}.|It is a {t}.|There are two of them.|The {t} has a number.|"
        "It came on {d}.|The {t} is {c}.|It is made of wood.|I have a {t}."
    ),
}


def sentiment(r: random.Random) -> Task:
    """The mood of a short text."""
    mood = r.choice(list(_MOODS))
    slots = {
        "t": r.choice(world.THINGS),
        "p": r.choice(world.PLACES),
        "d": r.choice(world.WEEKDAYS),
        "c": r.choice(world.COLOUR_NAMES),
    }
    lines = r.sample(_MOODS[mood], r.randint(1, 3))
    if mood != "neutral" and r.random() < 0.25:
        lines.insert(r.randint(0, 1), r.choice(_MOODS["neutral"]))
    return Task(" ".join(fill(line, slots) for line in lines), mood)


def extract_person(r: random.Random) -> Task:
    """Name, age and city as JSON; now and then written compactly."""
    name, age, city = world.person(r), r.randint(1, 99), world.town(r)
    text = r.choice(
        [
            f"{name} is {age} years old. She lives in {city}.",
            f"{name} is {age} years old. He lives in {city}.",
            f"{name} is {age} years old and lives in {city}.",
            f"{name} lives in {city}. She is {age} years old.",
            f"My name is {name}. I am {age} years old and live in {city}.",
            f"My friend {name} lives in {city}. He is {age}.",
            f"{name} ({age}) from {city} has found a {r.choice(world.THINGS)}.",
            f"{name}, {age}, {city}",
        ]
    )
    return Task(text, json.dumps({"name": name, "age": age, "city": city}, ensure_ascii=False))
