"""A real language model with a random projector: pictures change nothing that they should not.

No real weights that see can be had from packages; what is proved here is that real vocabularies,
templates and quantised weights give the numbers of llama.cpp's own helper behind a picture.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.seeing import Seeing, noise, prompt, reference
from tests.support.vision_models import write_projector

pytestmark = pytest.mark.real

QWEN_SYSTEM = (
    "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    "<|im_end|>\n"
)


@pytest.mark.parametrize(
    ("name", "width", "system"),
    [("gemma-3-270m-base", 640, ""), ("qwen2.5-coder-0.5b", 896, QWEN_SYSTEM)],
)
def test_a_real_model_reads_a_picture_as_the_library_does_and_texts_as_before(
    real_model: Callable[[str], Path], tmp_path: Path, name: str, width: int, system: str
) -> None:
    projector = tmp_path / "mmproj.gguf"
    write_projector(projector, "gemma3", width)
    engine = Seeing((str(real_model(name)), str(projector)))
    try:
        shown = noise(1)
        engine.see([shown], max_tokens=1)
        first, *rest = prompt(shown)
        assert isinstance(first, str)
        right = reference(engine, [system + first, *rest])
        assert abs(engine.rows[0][0] - right).max() < 2e-3 * abs(right).max()
        question = "What is the capital of France?"
        alone = engine.ask(question, max_tokens=12).text
        names = [engine.show([noise(2)], max_tokens=12), engine.submit(question, max_tokens=12)]
        assert engine.gather(names)[names[1]].text == alone
    finally:
        engine.engine.close()
