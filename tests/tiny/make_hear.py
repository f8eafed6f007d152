"""Makes the tiny hearing model anew: speech, training, export, figures.

    python -m tests.tiny.make_hear

It counts steps, not minutes; its data come from seeds. See `localai/tiny/README.md` for how long
it takes. It needs torch and espeakng-loader (`pip install -e .[train]`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .make_chat import run

WEIGHTS = Path("build") / "tiny-hear.pt"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    run("hear_train", "--out", options.weights)
    run("hear_export", options.weights)
    run("hear_evaluate")


if __name__ == "__main__":
    main()
