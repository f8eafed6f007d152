"""What the tiny hearing model knows: its words, its sentences, and the voices that speak them."""

from __future__ import annotations

import random

from .chat_world import listed


def _words(text: str) -> list[str]:
    return text.split()


# The first rows of both languages stand in pairs: the German word and what it is in English.
ENGLISH = _words(
    "zero one two three four five six seven eight nine open close door window light lamp on off "
    "start stop left right up down go back forward yes no help save play pause next last red blue "
    "green yellow black white hello thank you please the turn music search write picture show time "
    "what is my the wolf fox lives in it sleeps in night where key garden forest "
)
GERMAN = _words(
    "null eins zwei drei vier fünf sechs sieben acht neun öffne schließe tür fenster licht lampe an "
    "aus starte stopp links rechts hoch runter geh zurück vor ja nein hilfe speichere spiele pause "
    "weiter letzte rot blau grün gelb schwarz weiß hallo danke du bitte die drehe musik suche "
    "schreibe bild zeige zeit was ist mein der wolf fuchs lebt im er schläft in nacht wo schlüssel "
    "garten wald"
)
TRANSLATED = dict(zip(GERMAN, ENGLISH, strict=True))
ENGLISH_ALONE = _words(
    "who are a at of capital colour france germany japan egypt norway sky snow grass banana blood "
    "owl bear sea field eats mice fish winter"
)
WORDS = {"en": sorted({*ENGLISH, *ENGLISH_ALONE}), "de": sorted(GERMAN)}

SENTENCES = {
    "en": listed(
        "open the door|close the window|turn on the light|turn off the lamp|go back|go left|go right|"
        "play music|stop the music|what time is the next|show my picture|thank you|hello|yes please|"
        "no thank you|write the last one|search the blue door|help my|save the picture|go up|go down|"
        "what is red|who are you|where is the key|the key is in the garden|what colour is the sky|"
        "what colour is snow|what colour is grass|what colour is a banana|what colour is blood"
    )
    + [f"what is the capital of {name}" for name in _words("france germany japan egypt norway")]
    + [
        f"the {animal} lives in the {place}"
        for animal in _words("wolf fox owl bear")
        for place in _words("forest sea field garden")
    ]
    + [f"it eats {food}" for food in _words("mice fish grass")]
    + ["it sleeps at night", "it sleeps in winter"],
    "de": listed(
        "öffne die tür|schließe die tür|licht an|licht aus|geh zurück|geh links|geh rechts|"
        "spiele musik|stopp die musik|was ist die zeit|zeige mein bild|danke|hallo|ja bitte|"
        "nein danke|schreibe die letzte|suche die blau tür|hilfe|speichere mein bild|geh hoch|"
        "geh runter|was ist rot|wo ist der schlüssel|der schlüssel ist im garten|"
        "der wolf lebt im wald|der fuchs lebt im garten|er schläft in der nacht|wo ist die lampe"
    ),
}

# Voices of espeak: how a language is spoken, and whose voice. Those held out are never trained on.
ACCENTS = {
    "en": ["en-us", "en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-029"],
    "de": ["de"],
}
ACCENTS_HELD_OUT = {"en": ["en-us", "en"], "de": ["de"]}
VOICES_HELD_OUT = _words("f3 m5 Andy linda Mike steph2 rob shelby quincy max Annie edward")
VOICES = _words(
    "f1 f2 f4 f5 m1 m2 m3 m4 m6 m7 m8 adam Alex Alicia Andrea Denis Diogo Hugo Jacky Lee Marco Mario "
    "Michael anika antonio aunty belinda benjamin boris caleb david ed grandma grandpa gustave ian "
    "iven iven2 john kaukovalta marcelo michel miguel norbert pablo paul pedro robert sandro steph "
    "steph3 travis victor zac klatt klatt2 klatt3"
)


def sentence(r: random.Random, language: str) -> str:
    """A sentence that means something, or a few words by chance."""
    if r.random() < 0.4:
        return r.choice(SENTENCES[language])
    return " ".join(r.choices(WORDS[language], k=r.choice([1, 1, 2, 2, 3, 3, 4, 5, 6])))


def voice(r: random.Random, language: str, *, held_out: bool) -> str:
    """The name of a voice, of those to learn from or of those held out."""
    accent = r.choice((ACCENTS_HELD_OUT if held_out else ACCENTS)[language])
    name = r.choice(VOICES_HELD_OUT if held_out else ["", "", *VOICES])
    return f"{accent}+{name}" if name else accent
