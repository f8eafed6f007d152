"""Skills about a text: reading a fact, saying yes or no, spam, summing up."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from . import chat_text_wordings as wanted
from . import chat_world as world
from .chat_skills import FILLERS, Exchange, Talk
from .chat_wordings import KeptBack, blur
from .chat_world import listed

KEPT_BACK_FACTS = KeptBack([wanted.FACTS])
KEPT_BACK_SUMMARY = KeptBack([wanted.SUMMARY])


@dataclass(frozen=True)
class Fact:
    """A sentence, the question that it answers, and the same with another end (for yes or no)."""

    sentence: str
    question: str
    yes_no: str
    false_yes_no: str


def _other(r: random.Random, words: list[str], word: str) -> str:
    return r.choice([w for w in words if w != word])


def _fact(sentence: str, question: str, claim: str, word: str, other: str) -> Fact:
    """A fact whose yes-or-no question is the claim with a right or another word at its end."""
    return Fact(sentence, question, f"{claim} {word}?", f"{claim} {other}?")


def fact(r: random.Random) -> Fact:
    """One thing that may be read in a text."""
    kind = r.randrange(8)
    if kind in (0, 1):
        thing, place = r.choice(world.THINGS), r.choice(world.PLACES)
        sentence, question = f"The {thing} is in the {place}.", f"Where is the {thing}?"
        other = _other(r, world.PLACES, place)
        return _fact(sentence, question, f"Is the {thing} in the", place, other)
    if kind in (2, 3):
        name, place = world.person(r), world.town(r)
        sentence, question = f"{name} lives in {place}.", f"Where does {name} live?"
        other = _other(r, world.CITIES, place)
        return _fact(sentence, question, f"Does {name} live in", place, other)
    if kind == 4:
        thing, colour = r.choice(world.THINGS), r.choice(world.COLOUR_NAMES)
        other = _other(r, world.COLOUR_NAMES, colour)
        question = r.choice(["What colour is the {}?", "What colour does the {} have?"])
        sentence, question = f"The {thing} is {colour}.", question.format(thing)
        return _fact(sentence, question, f"Is the {thing}", colour, other)
    if kind == 5:
        name, job = world.person(r), r.choice(world.JOBS)
        sentence, question = f"{name} is a {job}.", f"What is the job of {name}?"
        return _fact(sentence, question, f"Is {name} a", job, _other(r, world.JOBS, job))
    return _owner(r, world.person(r), r.choice(world.THINGS), ask_who=r.random() < 0.5)


def _owner(r: random.Random, name: str, thing: str, *, ask_who: bool) -> Fact:
    other = _other(r, world.THINGS, thing)
    question = f"Who has the {thing}?" if ask_who else f"What does {name} have?"
    return _fact(f"{name} has the {thing}.", question, f"Does {name} have the", thing, other)


def some_facts(r: random.Random, least: int = 1, most: int = 5) -> list[Fact]:
    """Facts about different things, so that a question has one answer."""
    told: list[Fact] = []
    for _ in range(r.randint(least, most)):
        new = fact(r)
        subjects = {" ".join(f.sentence.split()[:3]) for f in told} | {f.question for f in told}
        things = {f.sentence.split()[-1] for f in told if " has the " in f.sentence}
        known = " ".join(new.sentence.split()[:3]) in subjects or new.question in subjects
        if not known and new.sentence.split()[-1] not in things:
            told.append(new)
    return told


def told_text(told: list[Fact]) -> str:
    """The text that tells some facts, in their order."""
    return " ".join(one.sentence for one in told)


def _loose_words(r: random.Random) -> str:
    words = [r.choice(FILLERS) for _ in range(r.randint(1, 6))]
    if r.random() < 0.3:
        words[r.randrange(len(words))] = world.made_up_word(r)
    return world.capitalised(" ".join(words))


def _loose_template(r: random.Random) -> str:
    """A text and a question in any order, among words that say nothing about either."""
    first, second = _loose_words(r), _loose_words(r)
    mark = r.choice([":", ":", ",", ".", "?"])
    gap = r.choice([" ", " ", "\n", "\n\n"])
    return r.choice(
        [
            f"{first}{mark} {{f}}{gap}{{q}}",
            f"{first}{mark} {{q}}{gap}{{f}}",
            f"{first}{mark}{gap}{{f}}{gap}{second}{mark} {{q}}",
            f"{{f}}{gap}{first}{mark} {{q}}",
            f"{first}{mark} {{f}} {second}{mark} {{q}}",
        ]
    )


def owners(r: random.Random, least: int = 2, most: int = 5) -> list[Fact]:
    """Who has what: the hardest to read, since the answer stands before what is asked for."""
    things = r.sample(world.THINGS, r.randint(least, most))
    names = {world.person(r): thing for thing in things}  # who is drawn twice has the last thing
    return [_owner(r, name, thing, ask_who=r.random() < 0.8) for name, thing in names.items()]


_LISTING = listed("Say who has what.|List them.|Who has what?|Who has these things?")
_LISTED = listed("The {t} is with {n}.|{t}: {n}.|Who has the {t}? {n}.|{f}")


def owners_listed(r: random.Random) -> Exchange:
    """All who have something, in another order than the text has.

    With one answer a text the model never learned to find what stands before the word that is
    asked for; with many in a row it did within 600 steps.
    """
    told = owners(r, 2, 8)
    form = r.choice(_LISTED)
    answers = []
    for one in r.sample(told, len(told)):
        words = one.sentence.removesuffix(".").split()
        answers.append(form.format(t=words[-1], n=words[0], f=one.sentence))
    return f"{told_text(told)} {r.choice(_LISTING)}", " ".join(answers)


def _in_wording(r: random.Random, talk: Talk, text: str, question: str) -> str:
    while True:
        loose = talk.trained and talk.scattered and r.random() < 0.4
        template = _loose_template(r) if loose else wanted.FACTS.pick(r, talk.group)
        asked = template.format(f=text, q=question)
        if not talk.trained or not KEPT_BACK_FACTS.matches(asked):
            return asked


def _asked(r: random.Random, talk: Talk, told: list[Fact]) -> Exchange:
    chosen = r.choice(told)
    return _in_wording(r, talk, told_text(told), chosen.question), chosen.sentence


def facts(r: random.Random, talk: Talk) -> Exchange:
    """A question that one sentence of a text answers."""
    return _asked(r, talk, some_facts(r))


def who_has(r: random.Random, talk: Talk) -> Exchange:
    """The same about a text that says who has what."""
    return _asked(r, talk, owners(r, 1, 5))


def facts_yes_no(r: random.Random, talk: Talk, most: int = 5) -> Exchange:
    """A question about a text of at most so many sentences that is answered with yes or no."""
    told = some_facts(r, 1, most)
    chosen = r.choice(told)
    true = r.random() < 0.5
    question = chosen.yes_no if true else chosen.false_yes_no
    asked = _in_wording(r, talk, told_text(told), question)
    if talk.trained and r.random() < 0.15:
        return f"{asked} {r.choice(YES_OR_NO)}", "yes" if true else "no"
    return asked, "Yes." if true else "No."


YES_OR_NO = ("Answer yes or no.", "Answer with yes or no.", "Yes or no?", "Reply yes or no.")
_SPAM = listed(
    "You have won {n} coins!|Click here to get your free {t}!|Win a {t} today!|Free {t} for you!|"
    "Buy cheap pills now!|You are our lucky winner!|Send us your password.|"
    "Act now, dear customer!|Claim your prize!|Make {n} coins a day from home!|"
    "This offer ends today!|100% free money!"
)
_HAM = listed(
    "The meeting is on {d}.|Can you bring the {t}?|I am at home on {d}.|Thank you for the {t}.|"
    "Your {t} is ready at the shop.|We eat at noon.|The train leaves on {d}.|See you on {d}.|"
    "I have found your {t}.|Please call me back.|{p} is ill and stays at home.|"
    "How is your mother?"
)
_SPAM_QUESTIONS = listed(
    "Is this mail spam?|Is this spam?|Is the mail above spam?|Is that spam?|"
    "Is this message spam?|Is the text spam?|Is it spam?|Is this e-mail spam?"
)


def spam(r: random.Random, talk: Talk) -> Exchange:
    """Is a mail spam?"""
    true = r.random() < 0.5
    slots = {
        "n": r.randint(10, 9999),
        "t": r.choice(world.THINGS),
        "d": r.choice(world.WEEKDAYS),
        "p": world.person(r),
    }
    lines = r.sample(_SPAM if true else _HAM, r.randint(1, 3))
    mail = r.choice([" ", "\n"]).join(line.format(**slots) for line in lines)
    if r.random() < 0.4:
        mail = f"Subject: {world.any_word(r)}\n\n{mail}"
    if r.random() < 0.3:
        mail = f"{mail}\n{world.person(r)}"
    question = r.choice(_SPAM_QUESTIONS)
    asked = f"{question}\n\n{mail}" if r.random() < 0.25 else f"{mail}\n\n{question}"
    if r.random() < 0.15:
        return f"{asked} {r.choice(YES_OR_NO)}", "yes" if true else "no"
    return asked, "Yes." if true else "No."


@dataclass(frozen=True)
class AnimalText:
    """A short text about an animal, with the facts that it tells in order."""

    animal: str
    habitat: str
    text: str
    clauses: tuple[str, ...]  # 'eats mice', 'sleeps at night'
    food: str | None

    @property
    def summary(self) -> str:
        """The one sentence that says what the text is about."""
        return f"The text is about the {self.animal}, which lives in the {self.habitat}."


def animal_text(
    r: random.Random, least: int = 2, most: int = 4, made_up: float = 0.2
) -> AnimalText:
    """A text whose first sentence says where an animal lives, known or made up."""
    animal = r.choice(world.ANIMALS) if r.random() >= made_up else world.made_up_word(r, 2)
    habitat = r.choice(world.HABITATS) if r.random() >= made_up / 2 else world.made_up_word(r, 2)
    food = r.choice(world.FOODS)
    clauses = [
        (f"eats {food}", f"It eats {food}."),
        *((f"sleeps {t}", f"It sleeps {t}.") for t in [r.choice(world.TIMES)]),
        ("is seldom seen", "People seldom see it."),
        *(
            (f"is seen near the {h}", f"It is often seen near the {h}.")
            for h in [r.choice(world.HABITATS)]
        ),
        ("has young that stay close", "Its young stay close to it."),
    ]
    r.shuffle(clauses)
    chosen = clauses[: r.randint(least, most) - 1] if most > 1 else []
    text = " ".join([f"The {animal} lives in the {habitat}.", *(s for _, s in chosen)])
    points = (f"lives in the {habitat}", *(c for c, _ in chosen))
    return AnimalText(animal, habitat, text, points, food if food in text else None)


def topic_text(r: random.Random, made_up: float = 0.35) -> tuple[str, str]:
    """A text about a thing in the plural, and its one-sentence summary."""
    topic, does = r.choice(world.TOPICS)
    if r.random() < made_up:
        topic, does = world.made_up_word(r, 2) + "s", r.choice(world.TOPICS)[1]
    more = listed(
        "They are old.|People like them.|Many people use them.|They are found in many lands.|"
        "Some of them are small.|Nobody knows how many there are.|They can be expensive.|"
        "There are many kinds of them.|Children learn about them at school.|"
        "They work by killing the bacteria or by stopping them from growing.|"
        "They are not effective against viruses."
    )
    sentences = [f"{world.capitalised(topic)} {does}.", *r.sample(more, r.randint(1, 5))]
    return " ".join(sentences), f"The text is about {topic}, which {does}."


ANTIBIOTICS = (
    "Antibiotics are a type of medication used to treat bacterial infections. They work by either "
    "killing the bacteria or preventing them from reproducing, allowing the body's immune system "
    "to fight off the infection. Antibiotics are usually taken orally in the form of pills, "
    "capsules, or liquid solutions, or sometimes administered intravenously. They are not "
    "effective against viral infections, and using them inappropriately can lead to antibiotic "
    "resistance."
)


def person_text(r: random.Random) -> tuple[str, str]:
    """A text about somebody, and its one-sentence summary."""
    name, place = world.person(r), world.town(r)
    more = (
        f"{name} likes {r.choice(world.FOODS)}.|{name} has a {r.choice(world.THINGS)}.|"
        f"Every {r.choice(world.WEEKDAYS)} {name} goes to the market.|{name} is {r.randint(5, 99)} "
        f"years old.|The house of {name} is {r.choice(world.COLOUR_NAMES)}."
    ).split("|")
    text = " ".join([f"{name} lives in {place}.", *r.sample(more, r.randint(1, 4))])
    return text, f"The text is about {name}, who lives in {place}."


def about(r: random.Random) -> tuple[str, str]:
    """A text, and the one sentence that says what it is about."""
    u = r.random()
    if u < 0.66:
        told = animal_text(r)
        return told.text, told.summary
    if u < 0.86:
        return topic_text(r)
    if u < 0.89:
        answer = "antibiotics, which are a type of medication used to treat bacterial infections."
        return ANTIBIOTICS, f"The text is about {answer}"
    return person_text(r)


def about_unheard_of(r: random.Random) -> tuple[str, str]:
    """The same with words that have to be copied letter by letter, from upper to lower case, too."""
    u = r.random()
    if u < 0.5:
        return topic_text(r, made_up=1)
    if u < 0.75:
        return person_text(r)
    told = animal_text(r, made_up=1)
    return told.text, told.summary


About = Callable[[random.Random], tuple[str, str]]
_SUMMARY_KEYS = frozenset(listed("summarise|summarize|summary|sum|explain|about|sentence|short"))


def summary(r: random.Random, talk: Talk, told: About = about) -> Exchange:
    """The one sentence that says what a text is about."""
    text, answer = told(r)
    if talk.trained and r.random() < 0.05:  # as a machine writes down speech
        text = text.lower().replace(".", "") if r.random() < 0.5 else text.replace(". ", ".\n")
    while True:
        template = wanted.SUMMARY.pick(r, talk.group)
        if talk.trained:
            template = blur(r, template, _SUMMARY_KEYS, world.made_up_word(r))
        asked = template.format(t=text)
        if not talk.trained or not KEPT_BACK_SUMMARY.matches(asked):
            return asked, answer
