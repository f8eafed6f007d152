"""What the tiny model tells without being asked for facts: ghosts' letters and short stories."""

from __future__ import annotations

import random

from . import chat_world as world
from .chat_skills import Exchange, Talk
from .chat_world import listed

GHOST_STARTS = listed(
    "I remember|I still hear|I have lost|I am waiting for|I dream of|I keep|I cannot forget|"
    "Nobody sees|The night gave me"
)
GHOST_MIDDLES = listed(
    "the cold river|the candle in the window|my mother's voice|the old stairs|"
    "the bells of the church|a letter without a name|the grey morning|the dust on the piano|"
    "the road to the sea|your quiet steps|the last winter|the empty chair"
)
GHOST_ENDS = listed(
    "and it does not answer|and the door is closed|and the clock has stopped|but nobody comes|"
    "and the rain goes on|while the house sleeps|and I am not alone|for a hundred years|"
    "beneath the black water|and the light goes out"
)
GHOST_CALLS = listed(
    "Do not be afraid.|Come closer.|Who is there?|Speak to me.|It is so cold here.|"
    "I was here before you.|Listen.|The light hurts.|Do you hear the wind?|Stay a little."
)
_GHOST_QUESTIONS = listed(
    "Speak, spirit.|Is anybody there?|Spirit, speak to us.|What does the ghost say?|"
    "Ghost, speak!|Spirit, are you with us?|Is there a spirit in this room?|"
    "Spirit, can you hear us?|Is a ghost here?|What do the dead say?|Who haunts this house?|"
    "Give us a sign."
)


def ghost_sentence(r: random.Random) -> str:
    """One sentence that a ghost says."""
    if r.random() < 0.35:
        return r.choice(GHOST_CALLS)
    return f"{r.choice(GHOST_STARTS)} {r.choice(GHOST_MIDDLES)} {r.choice(GHOST_ENDS)}."


def ghost_speech(r: random.Random, sentences: int) -> str:
    """Several sentences of a ghost."""
    return " ".join(ghost_sentence(r) for _ in range(sentences))


def is_ghostly(text: str) -> bool:
    """Is every whole sentence of `text` one that a ghost of this grammar says?"""
    whole = text.replace("?", ".").replace("\n", " ").split(".")[:-1]
    calls = {c.rstrip(".?") for c in GHOST_CALLS}
    spoken = [s.strip() for s in whole if s.strip()]
    return bool(spoken) and all(s in calls or _is_three_part(s) for s in spoken)


def _is_three_part(sentence: str) -> bool:
    return (
        any(sentence.startswith(start + " ") for start in GHOST_STARTS)
        and any(f" {middle} " in sentence for middle in GHOST_MIDDLES)
        and any(sentence.endswith(" " + end) for end in GHOST_ENDS)
    )


def ghost(r: random.Random, talk: Talk) -> Exchange:
    """A ghost answers at the table."""
    return r.choice(_GHOST_QUESTIONS), ghost_speech(r, r.randint(2, 4))


def ghost_letter(r: random.Random) -> str:
    """Bare text without any chat markup, which the model only continues."""
    speech = ghost_speech(r, r.randint(3, 9))
    u = r.random()
    if u < 0.55:
        return speech
    if u < 0.7:
        return f"Dear {world.person(r)},\n{speech}"
    if u < 0.8:
        return f"The spirit says: {speech}"
    if u < 0.9:
        return f"{r.choice(_GHOST_QUESTIONS)}\n{speech}"
    return f"{world.capitalised(world.some_words(r))}\n{speech}"


def story(r: random.Random, talk: Talk) -> Exchange:
    """A story of nine sentences."""
    animal, name, thing = r.choice(world.ANIMALS), r.choice(world.PEOPLE), r.choice(world.THINGS)
    place, habitat = r.choice(world.PLACES), r.choice(world.HABITATS)
    sentences = [
        f"Once upon a time a {animal} named {name} lived in the {habitat}.",
        f"One day {name} found a {thing} in the {place}.",
        f"The {thing} was old, but {name} liked it very much.",
        f"{name} took the {thing} to the {r.choice(world.HABITATS)} and showed it to a "
        f"{r.choice(world.ANIMALS)}.",
        '"Where did you find it?" asked the friend.',
        f'"In the {place}," said {name}.',
        f"They ate {r.choice(world.FOODS)} together {r.choice(world.TIMES)}.",
        f"Then {name} went home and slept.",
        "The end.",
    ]
    asked = r.choice(
        listed(
            "Tell me a story.|Write a story.|Tell me a long story.|A story, please.|"
            "Can you tell me a story?|Please tell me a story.|I want to hear a story."
        )
    )
    return asked, " ".join(sentences)
