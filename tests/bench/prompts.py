"""Fifty conversations of many lengths: one turn and several, plain and odd text."""

from __future__ import annotations

from localai.types import Message

_SENTENCES = (
    "The wolf lives in the forest and hunts at night.",
    "In the harbour the ships wait for the tide, and the sailors for their pay.",
    "A clock that stands still is right twice a day.",
    "The miller's daughter counted the sacks and found one too many.",
    "Snow fell on the hills until the road could not be seen.",
    "Nobody in the village remembered who had built the bridge.",
    "The apple trees were in bloom when the letter came.",
    "He wrote the numbers on the wall: 3, 7, 12 and 45.",
)

_QUESTIONS = (
    "What is the capital of France?",
    "What is the capital of Peru?",
    "What is 7 + 8?",
    "Hello!",
    "Who are you?",
    "Count to 9.",
    "Is anybody there?",
    "Name three colours.",
    "What colour is the sky?",
    "Say: the night is long",
    "Write one sentence about a lighthouse.",
    "Write a short poem about the wind, the sea and a small boat that does not come home.",
    "Why does ice float on water? Explain it to a child in two sentences.",
    "Translate into German: The dog sleeps under the table.",
    "List five animals and say of each what it eats in winter.",
    "def fibonacci(n):\n    # finish this function\n",
    'Give me a JSON object with the keys "name" and "age".',
    "Was ist die Hauptstadt von Österreich?",
    "Quelle est la différence entre « savoir » et « connaître » ?",
    "Где находится Нил?",
    "東京は日本の首都ですか。",
    "Emoji only, please: 🙂🚀🍎",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
    "a",
    "?!",
    "Tell me the time in Lisbon when it is noon in Oslo, and how you have found it out.",
    "x" * 60,
    "Repeat:\n\n  one\n\ttwo\n\n\nthree",
    "What is 12 + 5? And what is 3 + 4? And which of the two is larger?",
    "My name is Kensou. What is my name?",
)

_TALKS: tuple[tuple[str, ...], ...] = (
    ("My name is Kensou.", "Nice to meet you, Kensou.", "What is my name?"),
    ("What is 2 + 2?", "2 + 2 = 4.", "And twice that?"),
    ("What is the capital of Italy?", "Rome.", "And of Spain?", "Madrid.", "And of Peru?"),
    ("Hello", "Hello! How can I help you?", "Tell me a story about a fox."),
    ("Name a colour.", "Red.", "Another.", "Blue.", "Another.", "Green.", "And the first was?"),
    ("Count to three.", "1, 2, 3", "Go on."),
    ("I live in Oslo.", "Good to know.", "I have a cat.", "A fine animal.", "Where do I live?"),
    ("Write a title for a book about bees.", "The Golden Hour", "Shorter, please."),
)

_SYSTEMS = (
    ("You are Ada, a mathematician. Answer in one sentence.", "Who are you?"),
    ("Answer in German only.", "What is the capital of France?"),
    ("You are a pirate.", "Where is the treasure?"),
    (" ".join(_SENTENCES), "What lives in the forest?"),
)

# How many sentences of text stand before the question.
_LONG = (4, 8, 12, 16, 20, 24, 28, 32)


def conversations() -> list[tuple[Message, ...]]:
    """Return the fifty conversations; the order is always the same."""
    found: list[tuple[Message, ...]] = [(Message("user", question),) for question in _QUESTIONS]
    for talk in _TALKS:
        roles = ("user", "assistant")
        found.append(tuple(Message(roles[at % 2], text) for at, text in enumerate(talk)))  # type: ignore[arg-type]
    found += [(Message("system", system), Message("user", text)) for system, text in _SYSTEMS]
    for count in _LONG:
        text = " ".join(_SENTENCES[at * 3 % len(_SENTENCES)] for at in range(count))
        found.append((Message("user", f"{text}\n\nSay the above in one sentence ({count})."),))
    return found
