"""Renew the recorded answers of llama-server on the tiny model: `tests/recorded.json`.

    python -m tests.bench.record

Of the fifty conversations those are kept in which every choice was clear: the best token lay at
least `CLEAR` above the second, evaluated singly. `tests/test_recorded.py` compares ours with them.
"""

from __future__ import annotations

import json
from pathlib import Path

from localai.catalog.names import TINY
from tests.bench.against_server import their_answer
from tests.bench.near_tie import Judge
from tests.bench.prompts import conversations
from tests.bench.theirs import Server

FILE = Path(__file__).resolve().parent.parent / "recorded.json"
CLEAR = 0.5  # of logits
MOST = 48  # tokens of an answer


def main() -> None:
    """Ask the server and write what is clear."""
    judge, kept = Judge(TINY, threads=1), []
    with Server(TINY, threads=1) as server:
        for messages in conversations():
            theirs = their_answer(server, messages, MOST)
            steps = judge.along(theirs.prompt, theirs.tokens)
            if min(candidates[1].below for candidates in steps) < CLEAR:
                continue
            kept.append(
                {
                    "messages": [[message.role, message.content] for message in messages],
                    "prompt": theirs.prompt,
                    "tokens": theirs.tokens,
                    "text": theirs.text.decode("utf-8", "replace"),
                    "reason": theirs.reason,
                }
            )
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in kept)
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{len(kept)} of {len(conversations())} conversations are clear enough: {FILE}")


if __name__ == "__main__":
    main()
