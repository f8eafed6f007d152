"""Sentences of our own with numbers and names, and voices that speak them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from localai.catalog.voices import espeak
from localai.engines.speak_espeak import Espeak
from localai.engines.speak_piper import PiperVoice
from localai.media.speech import SpeakRequest

SENTENCES = """
The ferry to Rostock leaves at six forty five from platform three.
Margaret ordered twelve boxes of nails and four cans of white paint.
Please call Doctor Bennett before noon on Thursday the ninth of May.
The bridge over the Danube is two hundred and thirty metres long.
Oliver paid eighteen pounds for the blue umbrella in the window.
In 1969 three men flew to the moon and two of them walked on it.
My grandmother keeps seventy five chickens behind the old mill.
Turn left at the bakery, then walk two hundred steps up the hill.
The library in Dublin closes at half past eight on Fridays.
Simon and Laura have been married for twenty one years.
There are about eight billion people living on our planet today.
The recipe needs three eggs, one lemon and half a cup of sugar.
Can you send the invoice to Robert Fischer by the end of the week?
Our train was forty minutes late because of snow near Hamburg.
The temperature fell to minus eleven degrees during the night.
Captain Harris counted sixteen whales from the deck of the ship.
I would like a table for five people at seven o'clock, please.
The museum was built in 1887 and rebuilt after the great fire.
Emily grows tomatoes, beans and a few potatoes on her balcony.
The second volume has four hundred and twelve pages.
Nobody at the office knew where Peter had left the keys.
A healthy heart beats around seventy times a minute.
The river rose by two metres after three days of heavy rain.
Thomas Miller won the race by less than half a second.
We drove nine hours from Vienna to the coast without a break.
The doctor told Anna to take one tablet after every meal.
Only thirty two of the hundred seats in the theatre were taken.
The old clock in the kitchen has been wrong since Christmas.
Julia speaks English, Spanish and a little Portuguese.
The parcel weighs four kilograms and must arrive by Monday.
A new roof for the school will cost sixty thousand euros.
On the first of October the rent goes up by five percent.
The dog barked twice and then went back to sleep by the stove.
Professor Williams will answer questions after the lecture.
Seven of the nine planets in his drawing were painted green.
The coffee machine on the second floor is broken again.
Martin borrowed my bicycle in April and never brought it back.
The meeting in room fourteen begins at a quarter past ten.
She planted one thousand tulips along the road to the village.
Water boils at one hundred degrees at the level of the sea.
""".strip().splitlines()

GERMAN = """
Der Zug nach München fährt heute erst um halb neun ab.
Meine Schwester wohnt seit drei Jahren in einem kleinen Dorf.
Kannst du mir bitte morgen das blaue Fahrrad zurückbringen?
Am Sonntag regnet es im Norden, im Süden scheint die Sonne.
Die alte Brücke über den Fluss wird im Sommer erneuert.
Wir haben gestern Abend lange über das neue Buch gesprochen.
""".strip().splitlines()


def speak(folder: Path, voice: Any, sentences: Sequence[str], language: str = "") -> list[str]:
    """Let a voice speak sentences; return the files."""
    files = []
    for number, text in enumerate(sentences):
        files.append(str(folder / f"{language}{number:02}.wav"))
        request = SpeakRequest(text, str(folder), language=language, seed=1)
        voice.speak(request, Path(files[-1]), lambda: False)
    voice.close()
    return files


def robot() -> Any:
    """espeak-ng itself, which speaks German, too."""
    return Espeak(espeak())


def joe(folder: Path) -> Any:
    """The Piper voice."""
    model = next(folder.glob("*.onnx"))
    return PiperVoice(model, model.with_name(f"{model.name}.json"), espeak(), threads=2)
