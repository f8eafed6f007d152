"""Makes the tiny chat model anew: tokenizer, training, export, figures.

    python -m tests.tiny.make_chat

It counts steps, not minutes; its data come from seeds. See `localai/tiny/README.md` for how long
it takes. It needs torch (`pip install -e .[train]`).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

WEIGHTS = Path("build") / "tiny-chat.pt"


def run(module: str, *arguments: str | Path) -> None:
    """Runs one step as a process of its own, so that its memory is given back."""
    subprocess.run([sys.executable, "-m", f"tests.tiny.{module}", *map(str, arguments)], check=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    options.weights.parent.mkdir(exist_ok=True)
    run("chat_train", "--out", options.weights)
    run("chat_export", options.weights)
    run("chat_evaluate", "--weights", options.weights)


if __name__ == "__main__":
    main()
