"""What a long fixed part costs at its second use: in one host, and after the host was restarted.

    python -m tests.bench.fixed_part [MODEL.gguf | 1b ...] [--tokens 1100] [--repetitions 3]

A system text of so many tokens and a short question, through the command. The first use evaluates
the text and writes its state; the second finds it in memory, the third reads it from disk. Times are
those of the engine: evaluation of the prompt, and from the arrival of the request to the first token.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

from tests.bench.arguments import files, parser
from tests.bench.command import Command
from tests.bench.ours import words
from tests.bench.table import RATIOS, compared, show

BUDGETS = {"prompt": "<= 0.05", "first_token": "<= 0.2"}


def times(
    command: Command, flags: tuple[str, ...], fixed: tuple[str, str], asked: str
) -> dict[str, float]:
    """Return what one use has cost, in milliseconds."""
    _, said = command.run("ask", *flags, "--json", *fixed, asked)
    answer: dict[str, Any] = json.loads(said)
    return {name: answer["seconds"][name] * 1000 for name in BUDGETS}


def measure(
    model: Path, threads: int, tokens: int, character: str, turn: int
) -> list[dict[str, float]]:
    """Return the costs of the first use, the second, and the one after a restart."""
    flags = ("-m", str(model), "--temp", "0", "-n", "4", "--threads", str(threads))
    fixed = ("-s", words(tokens, random.Random(turn).randrange))
    if character:
        fixed = ("-c", character)
    with Command() as command:
        command.run("warm", str(model), "--threads", str(threads))
        command.run("ask", *flags, "Hello!")  # its pages are read
        found = [times(command, flags, fixed, "Who are you?")]
        found.append(times(command, flags, fixed, "What is your name?"))
        time.sleep(0.5)  # the state is written when there is nothing else to do
        command.run("stop", "--all")
        command.run("warm", str(model), "--threads", str(threads))
        command.run("ask", *flags, "Hello!")
        found.append(times(command, flags, fixed, "Where are you from?"))
    return found


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__, ["1b"], threads=2, repetitions=3)
    arguments.add_argument("--tokens", type=int, default=1100)
    arguments.add_argument("--character", default="", help="instead of a system text")
    options = arguments.parse_args()
    rows = []
    for model in files(options):
        runs = [
            measure(model, options.threads, options.tokens, options.character, turn)
            for turn in range(options.repetitions)
        ]
        for at, when in ((1, "again"), (2, "after a restart")):
            for span, budget in BUDGETS.items():
                again, first = [run[at][span] for run in runs], [run[0][span] for run in runs]
                title = f"{model.stem}, {span.replace('_', ' ')} {when}"
                rows.append(compared(title, again, first, budget))
    title = (
        f"a fixed part: {options.character or f'{options.tokens} tokens'}, {options.threads} threads, "
        f"{options.repetitions} repetitions; medians in ms"
    )
    show(title, ("span", "then", "first", *RATIOS), rows)


if __name__ == "__main__":
    main()
