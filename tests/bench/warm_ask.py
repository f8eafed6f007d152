"""A warm one-liner against curl to llama-server: the same file, the same question, 64 tokens.

    python -m tests.bench.warm_ask [MODEL.gguf | 135m ...] [--repetitions 20]

Both are timed from the start of the process to its end, with the model loaded and the file in
memory; each question is new to both. Greedy, so both make the same tokens. Each side begins when
the other has come to rest: its threads still spin, and it tidies up, when its client has gone.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from statistics import median

from tests.bench.arguments import files, parser
from tests.bench.command import Command
from tests.bench.table import RATIOS, compared, show
from tests.bench.theirs import Server

BUDGET = "<= 1.10"
MOST_MORE = 50  # milliseconds
REST = 0.1  # seconds


def question(turn: int) -> str:
    """Return a question that has not been asked before, and that takes many words to answer."""
    return f"{turn}: write a Python class for a bank account with {turn % 7 + 5} methods."


def by_curl(server: Server, text: str, most: int) -> float:
    """Return the wall time of curl asking the server, in milliseconds."""
    body = {
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "max_tokens": most,
    }
    command = ["curl", "--silent", "--fail", "--json", json.dumps(body)]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, f"{server.address}/v1/chat/completions"],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    spent = time.perf_counter() - began
    made = json.loads(done.stdout)["usage"]["completion_tokens"]
    assert made == most, f"the server made {made} tokens"
    return spent * 1000


def measure(model: Path, threads: int, most: int, count: int) -> tuple[list[float], list[float]]:
    """Return the times of both sides in milliseconds; they take turns."""
    ours, theirs = [], []
    flags = ("-m", str(model), "--temp", "0", "-n", str(most), "--threads", str(threads))
    with Command() as command, Server(model, threads, 4096) as server:
        for turn in range(count + 2):
            text = question(turn)
            time.sleep(REST)
            spent, _ = command.run("ask", *flags, text)
            time.sleep(REST)
            pair = (spent * 1000, by_curl(server, text, most))
            if turn >= 2:  # the first load the model and read its pages
                ours.append(pair[0])
                theirs.append(pair[1])
        _, said = command.run("ask", *flags, "--json", question(count + 2))
        assert json.loads(said)["tokens"]["answer"] == most, said
    return ours, theirs


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__, ["135m"], threads=2, repetitions=20)
    arguments.add_argument("-n", "--max-tokens", type=int, default=64)
    options = arguments.parse_args()
    rows = []
    for model in files(options):
        sides = measure(model, options.threads, options.max_tokens, options.repetitions)
        more = median(sides[0]) - median(sides[1])
        rows.append([*compared(model.stem, *sides, BUDGET), f"{more:+.0f} <= {MOST_MORE}"])
    title = (
        f"warm ask, {options.max_tokens} tokens, {options.threads} threads, "
        f"{options.repetitions} repetitions, taking turns; medians in ms"
    )
    show(title, ("model", "localai ask", "curl", *RATIOS, "more, ms"), rows)


if __name__ == "__main__":
    main()
