"""A model for English says what it cannot do, before it writes other languages down as English."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from localai.catalog.names import TINY_HEAR
from localai.engines.base import Call
from localai.engines.whisper import WhisperEngine
from localai.errors import BadInput
from localai.media.transcription import SoundSource, TranscriptionRequest
from localai.types import ModelSpec


def first(*, multilingual: bool = False, distilled: bool = False, **asked: Any) -> Any:
    """The first event of a request to a model that is nowhere: none such is shipped."""
    engine = object.__new__(WhisperEngine)
    engine._model = SimpleNamespace(model=SimpleNamespace(is_multilingual=multilingual))
    engine._distilled = distilled
    request = TranscriptionRequest(SoundSource("nothing.wav", name="nothing.wav"), **asked)
    return next(engine.run(Call("1", "", request), lambda: False))


@pytest.mark.parametrize(
    "asked, why", [({"translate": True}, "cannot translate"), ({"language": "de"}, "not de")]
)
def test_other_languages_are_refused(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=f"English alone.*{why}") as caught:
        first(**asked)
    assert "-m small" in caught.value.next_step


@pytest.mark.parametrize("asked", [{}, {"language": "en"}])
def test_english_is_not(asked: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"nothing\.wav"):  # the file is looked for
        first(**asked)


def test_a_model_that_was_never_taught_to_translate_does_not() -> None:
    with pytest.raises(BadInput, match="the language that is spoken") as caught:
        first(multilingual=True, distilled=True, translate=True)
    assert "-m medium" in caught.value.next_step
    with pytest.raises(BadInput, match=r"nothing\.wav"):
        first(multilingual=True, distilled=True, language="de")
    with pytest.raises(BadInput, match=r"nothing\.wav"):
        first(multilingual=True, translate=True)


@pytest.mark.parametrize(
    "name, distilled", [("turbo", True), ("distil-large-v3", True), ("tiny", False)]
)
def test_a_distilled_model_is_known_by_its_name(name: str, distilled: bool) -> None:
    engine = WhisperEngine(ModelSpec("hear", (str(TINY_HEAR),), name), lambda _: None)
    assert engine._distilled is distilled
    engine.close()
