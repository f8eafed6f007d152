"""A model for English says what it cannot do, before it writes other languages down as English."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from localai.engines.base import Call
from localai.engines.whisper import WhisperEngine
from localai.errors import BadInput
from localai.media.transcription import SoundSource, TranscriptionRequest


def first(**asked: Any) -> Any:
    """The first event of a request to a model for English alone, of which nothing is shipped."""
    engine = object.__new__(WhisperEngine)
    engine._model = SimpleNamespace(model=SimpleNamespace(is_multilingual=False))
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
