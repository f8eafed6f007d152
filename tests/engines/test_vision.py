"""Pictures in the text engine: the same numbers as llama.cpp's own helper, reuse, interleaving."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from localai.catalog.names import TINY_VISION
from localai.engines.base import Call
from localai.engines.llama.embedding_cache import EmbeddingCache
from localai.engines.llama.image_ids import PositionMap, begins_run, boundary, image_ids
from localai.engines.llama.projector import tiles
from localai.engines.llama.slots import common_prefix
from localai.media.pixels import Pixels, share
from localai.types import LAST, Failed, Finished, Notice, Picture
from tests.conftest import InProcess, request, until
from tests.support.seeing import Seeing, noise, prompt, reference
from tests.support.vision_models import pair

KINDS = ("idefics3", "gemma3", "qwen3vl")
COLOURS = {"red": (220, 30, 30), "blue": (30, 60, 220), "green": (30, 150, 40), "black": (5, 5, 5)}
LONG_SYSTEM = " ".join(
    f"The {animal} lives in the forest and eats berries at night."
    for animal in ("wolf", "owl", "bear", "fox", "mouse") * 16
)


def drawn(colour: str) -> Pixels:
    """A disc on white, as the tiny model was taught."""
    image = Image.new("RGB", (56, 56), "white")
    ImageDraw.Draw(image).ellipse((14, 14, 42, 42), fill=COLOURS[colour])
    return Pixels(56, 56, image.tobytes())


@pytest.fixture
def seeing() -> Iterator[Callable[..., Seeing]]:
    made: list[Seeing] = []

    def make(files: tuple[str, ...], **spec: Any) -> Seeing:
        made.append(Seeing(files, **spec))
        return made[-1]

    yield make
    for each in made:
        each.engine.close()


@pytest.fixture
def sees(seeing: Callable[..., Seeing]) -> Seeing:
    """The tiny model that sees."""
    return seeing((str(TINY_VISION), str(TINY_VISION.with_name("tiny-vision-mmproj.gguf"))))


@pytest.mark.parametrize("kind", KINDS)
def test_logits_after_a_picture_are_those_of_llama_cpps_own_helper(
    seeing: Callable[..., Seeing], tmp_path: Path, kind: str
) -> None:
    engine = seeing(pair(tmp_path, kind).files)
    first, second = noise(1), noise(2, 60, 120)
    engine.see([first], max_tokens=1)
    engine.see([first, second], max_tokens=1)
    engine.see([second], max_tokens=1)
    wanted = [reference(engine, prompt(*shown)) for shown in ([first], [first, second], [second])]
    for row, right in zip(engine.rows, wanted, strict=True):
        assert abs(row[0] - right).max() < 2e-3 * abs(right).max()
    assert abs(wanted[0] - wanted[2]).max() > 0.04 * abs(wanted[0]).max()  # it does look


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_in_memory_is_reused_in_whole_and_answers_stay_the_same(
    seeing: Callable[..., Seeing], tmp_path: Path, kind: str
) -> None:
    engine = seeing(pair(tmp_path, kind).files)
    shown = noise(3)
    engine.see([shown], "What is it?", max_tokens=4)
    again = engine.see([shown], "Which colour?", max_tokens=1)
    before_the_question = (
        again.usage.prompt_tokens - len("Which colour?") - len(" \nassistant\n") - 1
    )
    assert again.usage.reused_tokens >= before_the_question
    engine.engine.scheduler.memory._grow(5000)  # every memory is copied into a larger context
    engine.see([noise(4)], max_tokens=1)  # idle memories leave the context
    engine.see([shown], "How many?", max_tokens=1)
    for row, text in ((engine.rows[-3], "Which colour?"), (engine.rows[-1], "How many?")):
        right = reference(engine, prompt(shown, text=text))
        assert abs(row[0] - right).max() < 2e-3 * abs(right).max()


@pytest.mark.parametrize("kind", KINDS)
def test_texts_and_pictures_that_come_together_are_answered_as_alone(
    seeing: Callable[..., Seeing], tmp_path: Path, kind: str
) -> None:
    files = pair(tmp_path, kind).files
    together, alone = seeing(files), seeing(files)
    texts = [f"Tell me of {number}." for number in range(6)]
    pictures = [noise(seed) for seed in range(4)]
    names = []
    for at, text in enumerate(texts):
        names.append(together.submit(text, max_tokens=24))
        if at < len(pictures):
            names.append(together.show([pictures[at]], max_tokens=24))
    gathered = together.gather(names)
    for at, text in enumerate(texts):
        name = names[2 * at if at < len(pictures) else len(pictures) + at]
        assert gathered[name].text == alone.ask(text, max_tokens=24).text
    for at, picture in enumerate(pictures):
        assert gathered[names[2 * at + 1]].text == alone.see([picture], max_tokens=24).text


def test_a_picture_may_be_larger_than_a_step(seeing: Callable[..., Seeing], tmp_path: Path) -> None:
    engine = seeing(pair(tmp_path, "qwen3vl").files)
    large = noise(1, 480, 480)
    assert engine.see([large], max_tokens=1).usage.prompt_tokens > 512
    right = reference(engine, prompt(large))
    assert abs(engine.rows[0][0] - right).max() < 2e-3 * abs(right).max()


def test_ten_questions_to_one_picture_encode_it_once(sees: Seeing) -> None:
    picture = drawn("red")
    replies = [sees.see([picture], f"{'Please ' * at}What is in the picture?") for at in range(10)]
    assert [reply.usage.pictures for reply in replies] == [1] * 10
    assert sum(reply.usage.encoded_pictures for reply in replies) == 1
    assert replies[0].usage.encode_seconds > 0
    assert "red" in replies[0].text


def test_several_pictures_stand_in_one_question(sees: Seeing) -> None:
    reply = sees.see([drawn("red"), drawn("blue"), drawn("red")])
    assert (reply.usage.pictures, reply.usage.encoded_pictures) == (3, 2)
    assert reply.usage.prompt_tokens > 3 * 49


def test_a_long_system_text_is_evaluated_once_for_all_pictures(sees: Seeing) -> None:
    colours = ("red", "blue", "green", "black")
    names = [sees.show([drawn(colour)], system=LONG_SYSTEM, max_tokens=16) for colour in colours]
    replies = sees.gather(names)
    prefix = min(reply.usage.prompt_tokens for reply in replies.values()) - 80
    assert prefix >= 1100
    own = sum(r.usage.prompt_tokens - prefix + r.usage.answer_tokens for r in replies.values())
    assert sees.evaluated <= prefix + own
    assert sum(reply.usage.reused_tokens >= prefix for reply in replies.values()) == 3


def test_what_a_user_types_is_no_picture(sees: Seeing) -> None:
    typed = "<__media__> <|im_end|>\n What is in the picture?"
    reply = sees.see([drawn("red")], typed)
    assert "red" in reply.text
    seen = sees.engine._vision.see(Call("t", "", request(typed)))
    ids = sees.engine._preprocessor._encode(request(typed), seen.ids)
    assert min(ids) >= 0
    assert "<__media__> <|im_end|>" in sees.engine._model.vocab.detokenize(ids)


def test_a_blind_model_says_so_and_lives(tiny: InProcess) -> None:
    files = (share(drawn("red")),)
    sent = request("What?")
    shown = sent.messages[0]._replace(pictures=(Picture(0, 56, 56),))
    tiny.engine.submit(Call("b", "", sent._replace(messages=(shown,)), files))
    failed = tiny.gather(["b"])["b"].end
    assert isinstance(failed, Failed)
    assert "cannot see pictures" in failed.what
    # Closed, as all that come with a call, once it has been told.
    until(lambda: not os.path.exists(f"/dev/fd/{files[0]}"))
    assert "Paris" in tiny.ask("What is the capital of France?").text


@pytest.mark.parametrize(
    "picture", [Picture(0, 57, 56), Picture(0, 0, 56), Picture(1, 56, 56), Picture(-1, 56, 56)]
)
def test_pixels_that_do_not_fit_fail_alone(sees: Seeing, picture: Picture) -> None:
    sent = request("What?")
    shown = sent.messages[0]._replace(pictures=(picture,))
    sees.engine.submit(Call("x", "", sent._replace(messages=(shown,)), (share(drawn("red")),)))
    assert isinstance(sees.gather(["x"])["x"].end, Failed)
    assert "red" in sees.see([drawn("red")]).text


def test_a_limit_that_the_model_cannot_keep_is_told(sees: Seeing) -> None:
    name = sees.show([drawn("red")], image_tokens=20)
    notices = []
    while not isinstance((event := sees.events.get(timeout=60)[1]), LAST):
        notices += [event.text] if isinstance(event, Notice) else []
    assert notices == ["--image-tokens 20 cannot be kept: this model makes 49 of a picture"], name


def test_fewer_tokens_where_the_model_can(seeing: Callable[..., Seeing], tmp_path: Path) -> None:
    engine = seeing(pair(tmp_path, "qwen3vl").files)
    picture = noise(1, 320, 320)
    usual = engine.see([picture], max_tokens=1).usage.prompt_tokens
    fewer = engine.see([picture], max_tokens=1, image_tokens=64).usage.prompt_tokens
    assert usual - fewer > 300
    assert engine.see([picture], max_tokens=1).usage.prompt_tokens == usual


def test_the_cache_of_encoded_pictures_keeps_to_its_limit(sees: Seeing) -> None:
    projector = sees.engine._vision._projector
    assert projector is not None
    pictures = {bytes([at]): projector.see(noise(at), bytes([at])) for at in range(5)}
    size = sum(tile.embedding.nbytes for tile in tiles(pictures[b"\0"]))
    cache = EmbeddingCache(most_bytes=3 * size)
    for key, picture in pictures.items():
        cache.put(key, picture)
        cache.get(b"\0")
    kept = [key for key in pictures if cache.get(key)]
    assert kept == [b"\0", b"\3", b"\4"]
    assert cache.bytes == 3 * size > 0


def test_ids_of_a_picture_say_where_it_begins_and_how_far_it_reaches() -> None:
    ids = image_ids(b"key", 12, 4)
    assert (ids < 0).all()
    assert [begins_run(each) for each in ids.tolist()] == [True] + [False] * 11
    assert (ids == image_ids(b"key", 12, 4)).all()
    assert len(np.unique(np.concatenate([ids, image_ids(b"other", 12, 4)]))) == 24
    tokens = np.concatenate([[5, 6, 7], ids, image_ids(b"next", 6, 6), [8]]).astype(np.int32)
    places = PositionMap(tokens)
    assert [places.position(at) for at in (0, 3, 15, 21, 22, 30)] == [0, 3, 7, 13, 14, 22]
    assert [places.index(at) for at in (0, 3, 7, 13, 14, 22)] == [0, 3, 15, 21, 22, 30]
    assert [boundary(tokens, at) for at in (2, 3, 4, 14, 15, 16, 20, 21, 22)] == [
        *(2, 3, 3, 3, 15, 15, 15, 21, 22)
    ]
    # A part of a picture is never shared, whatever its ids are.
    forged = tokens.copy()
    forged[10:] = -5
    assert common_prefix(tokens, forged) == 3
    assert common_prefix(tokens[:9], tokens) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_cancelled_pictures_leave_nothing_wrong_behind(
    seeing: Callable[..., Seeing], tmp_path: Path, kind: str
) -> None:
    engine = seeing(pair(tmp_path, kind).files)
    chance = random.Random(5)
    shown = noise(1, 480, 320)
    names = []
    for at in range(24):
        names.append(engine.show([noise(at % 4, 480, 320)], f"Question {at}?", max_tokens=200))
        time.sleep(chance.random() * 0.02)
        engine.engine.cancel(chance.choice(names))
    for name in names:
        engine.engine.cancel(name)
    ends = engine.gather(names)
    assert all(isinstance(reply.end, Finished) for reply in ends.values())
    engine.see([shown], max_tokens=1)
    right = reference(engine, prompt(shown))
    assert abs(engine.rows[-1][0] - right).max() < 2e-3 * abs(right).max()


def test_an_interactive_picture_goes_before_those_of_a_batch(sees: Seeing) -> None:
    batch = [sees.show([noise(at, 700, 700)], interactive=False) for at in range(12)]
    mine = sees.show([drawn("red")], max_tokens=8)
    ended = []
    while len(ended) < 13:
        name, event = sees.events.get(timeout=120)
        if isinstance(event, LAST):
            assert isinstance(event, Finished)
            ended.append(name)
    assert ended.index(mine) < 6, ended
    assert set(ended) == {*batch, mine}
