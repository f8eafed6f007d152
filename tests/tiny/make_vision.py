"""Makes the tiny vision model anew: training, export, figures.

    python -m tests.tiny.make_vision

It counts steps, not minutes; its data come from seeds. See `localai/tiny/README.md` for how long
it takes. It begins with the weights of `tiny-chat.gguf` and needs torch
(`pip install -e .[train]`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .make_chat import run

WEIGHTS = Path("build") / "tiny-vision.pt"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    options.weights.parent.mkdir(exist_ok=True)
    run("vision_train", "--out", options.weights)
    run("vision_export", options.weights)
    run("vision_evaluate")


if __name__ == "__main__":
    main()
