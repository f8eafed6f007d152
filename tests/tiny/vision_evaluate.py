"""Measures the shipped vision model as `localai describe-image` asks it, on pictures by new seeds.

Greedy answers must equal the right answer to the letter.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable

import numpy as np

from localai.captioning.tasks import CAPTION, TASKS
from localai.catalog.gguf_models import GgufModels
from localai.catalog.names import ModelFile
from localai.generation import build
from localai.generation.build import GenerateOptions
from localai.generation.pictures import Attachments
from localai.media.pixels import Pixels
from localai.pool.client import open_engine
from localai.pool.engine_client import EngineClient
from localai.types import ModelSpec, Text

from . import vision_questions as questions
from .vision_pictures import COLOURS, SHAPES, Drawn, draw, worn
from .vision_pictures import Pixels as Drawing

Picture = Callable[[random.Random], Drawn]


def enlarged(size: int) -> Picture:
    """Pictures drawn at a size."""
    return lambda r: draw(r, size)


def wide(r: random.Random) -> Drawn:
    """A picture that is twice as wide as it is high, of one colour."""
    name = r.choice(list(COLOURS))
    pixels = np.full((150, 300, 3), r.choice(COLOURS[name]), np.uint8)
    return Drawn(pixels, name)


class Model:
    """The shipped model behind an engine of its own."""

    def __init__(self) -> None:
        found = GgufModels("vision").resolve("tiny")
        assert isinstance(found, ModelFile)
        files = tuple(map(str, (found.path, *found.more)))
        self.engine: EngineClient = open_engine(
            ModelSpec("text", files, "tiny", {"threads": 1}), warm=False, keep_alive=0, warn=print
        )

    def answer(self, pixels: Drawing | None, question: str, regex: str | None = None) -> str:
        """The greedy answer to a question, about a picture or none."""
        options = GenerateOptions(temperature=0.0, regex=regex, max_tokens=60)
        request = build.request(options, question)
        seen = (
            [] if pixels is None else [Pixels(pixels.shape[1], pixels.shape[0], pixels.tobytes())]
        )
        with Attachments(seen) as attached:
            asked = attached.to(request) if seen else request
            events = self.engine.ask(asked, attached.files)
            return "".join(event.text for event in events if isinstance(event, Text)).strip()


def share(
    model: Model,
    count: int,
    picture: Picture,
    ask: Callable[[random.Random, Drawn], tuple[str, str]],
    seed: str,
    regex: str | None = None,
) -> str:
    """How many of `count` answers are right, and the first wrong ones."""
    r, right, wrong = random.Random(seed), 0, []
    for _ in range(count):
        drawn = picture(r)
        question, answer = ask(r, drawn)
        said = model.answer(drawn.pixels, question, regex)
        right += said == answer
        if said != answer and len(wrong) < 3:
            wrong.append(f"{said!r} for {answer!r}")
    return f"{right / count:.0%} | {'; '.join(wrong)}"


def fixed(
    question: str, answer: Callable[[Drawn], str] = lambda drawn: drawn.caption
) -> Callable[[random.Random, Drawn], tuple[str, str]]:
    """One question, and what is right about a picture."""
    return lambda r, drawn: (question, answer(drawn))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    count, model, began = parser.parse_args().count, Model(), time.time()
    caption = fixed(CAPTION.question)
    for name, picture in {
        "56 pixels a side": draw, "224": enlarged(224), "512": enlarged(512),
        "56, with noise, blur, JPEG or bars": lambda r: worn(r, draw(r)), "300 x 150, of one colour": wide,
    }.items():  # fmt: skip
        print(
            f"| caption, {name} | {share(model, count, picture, caption, 'eval' + name)} |",
            flush=True,
        )
    held = [fixed(question) for question in questions.HELD_OUT]
    print(
        f"| caption, wordings held out | {share(model, count, enlarged(224), lambda r, d: r.choice(held)(r, d), 'held')} |",
        flush=True,
    )
    for name, kind in {
        "background": questions.background,
        "colour": questions.colour,
        "shape": questions.shape,
    }.items():
        print(f"| {name} | {share(model, count, enlarged(224), kind, name)} |", flush=True)
    for name, kind in {
        "tags": questions.tags,
        "filename": questions.name,
        "ocr": questions.text,
    }.items():
        task = TASKS[name]
        asked = fixed(task.question, lambda drawn, kind=kind: kind(random.Random(0), drawn)[1])
        print(
            f"| --{name} | {share(model, count, enlarged(224), asked, name, task.regex)} |",
            flush=True,
        )
    for shape in ("", *SHAPES):

        def only(r: random.Random, shape: str = shape) -> Drawn:
            while (drawn := draw(r, 224)).shape != shape:
                pass
            return drawn

        print(
            f"| {shape or 'nothing'} | {share(model, count // 2, only, caption, 'shape' + shape)} |",
            flush=True,
        )
    capitals = {"France": "Paris", "Peru": "Lima", "Japan": "Tokyo", "Italy": "Rome"}
    told = [model.answer(None, f"What is the capital of {land}?") for land in capitals]
    print(told, model.answer(None, "What is in the picture?"), f"{time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
