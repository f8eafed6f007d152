"""Greedy answers of ours and of llama-server, compared: the same file, the same messages.

    python -m tests.bench.against_server [MODEL.gguf | tiny | 135m | 1b ...] [--type f16]

Fifty conversations. Ours shares prefixes in memory as it always does; the server keeps nothing.
An answer is equal, or its first difference is a near tie: in a single run of llama.cpp's own
functions the two best logits lie within 0.05 there, and both sides took a token within 0.05 of
the best. Anything else is a defect, and the exit code is 1. Some questions go through the command as well.
"""

from __future__ import annotations

import argparse
import codecs
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localai.catalog.names import TINY
from localai.types import Message, Sampling, TextRequest
from tests.bench.near_tie import Judge
from tests.bench.ours import Answer, Ours
from tests.bench.prompts import conversations
from tests.bench.shapes import SHAPES, TYPES, shape_file
from tests.bench.table import show
from tests.bench.theirs import Server

NEAR = 0.05  # of logits
BY_COMMAND = 5  # conversations that the command answers, too


@dataclass(frozen=True)
class Theirs:
    """The server's answer in tokens, and its prompt."""

    prompt: list[int]
    tokens: list[int]
    pieces: list[bytes]
    reason: str

    @property
    def text(self) -> bytes:
        """The answer's bytes."""
        return b"".join(self.pieces)


def their_answer(server: Server, messages: tuple[Message, ...], most: int) -> Theirs:
    """Ask the server greedily; the prompt's tokens are asked for, too."""
    plain = [{"role": message.role, "content": message.content} for message in messages]
    answer = server.post(
        "/v1/chat/completions",
        {
            "messages": plain,
            "temperature": 0,
            "max_tokens": most,
            "cache_prompt": False,
            "logprobs": True,
            "top_logprobs": 1,
        },
    )
    choice = answer["choices"][0]
    steps: list[dict[str, Any]] = (choice.get("logprobs") or {}).get("content") or []
    prompt = server.post("/apply-template", {"messages": plain})["prompt"]
    # The prompt's own begin-of-text token would come twice with `add_special`.
    asked = {"content": prompt, "add_special": False, "parse_special": True}
    tokens = server.post("/tokenize", asked)["tokens"]
    surplus = answer["usage"]["prompt_tokens"] - len(tokens)
    if surplus:
        tokens = server.post("/tokenize", {**asked, "add_special": True})["tokens"]
    assert len(tokens) == answer["usage"]["prompt_tokens"], (len(tokens), answer["usage"])
    return Theirs(
        tokens,
        [int(step["id"]) for step in steps],
        [bytes(step["bytes"]) for step in steps],
        choice["finish_reason"],
    )


def first_difference(text: str, pieces: list[bytes]) -> tuple[int, bytes]:
    """Return how many of their tokens our text holds, and what bytes of it are left.

    Bytes that are no UTF-8 stand in our text as replacement characters.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    shown, at, letters = "", 0, 0
    for count, piece in enumerate(pieces, start=1):
        shown += decoder.decode(piece)
        if not text.startswith(shown):
            break
        if not decoder.getstate()[0]:  # no letter is open
            at, letters = count, len(shown)
    rest = text[letters:].encode()
    while at < len(pieces) and pieces[at] and rest.startswith(pieces[at]):
        rest = rest[len(pieces[at]) :]
        at += 1
    return at, rest


def verdict(judge: Judge, ours: Answer, theirs: Theirs) -> tuple[str, str]:
    """Return one word for two answers, and what there is to say of it."""
    if ours.usage.prompt_tokens != len(theirs.prompt):
        return "prompt", f"{ours.usage.prompt_tokens} prompt tokens, theirs {len(theirs.prompt)}"
    text = theirs.text.decode("utf-8", "replace")
    if ours.reason == theirs.reason == "length":
        # The server keeps the first bytes of a letter back when the answer ends inside it.
        ours_text, text = ours.text.rstrip("\ufffd"), text.rstrip("\ufffd")
    else:
        ours_text = ours.text
    if ours_text == text and ours.reason == theirs.reason:
        return "equal", ""
    at, rest = first_difference(ours.text, theirs.pieces)
    if at == len(theirs.pieces) and not rest:
        return "different", f"the same text, but {ours.reason} and {theirs.reason}"
    place = near_tie(judge, theirs, at, rest, at_once=False)
    if place is not None and place[1] < NEAR:
        return "near tie", f"token {place[0]}, {place[1]:.4f} apart"
    detail = f"token {at}"
    if place is not None:
        detail = f"token {place[0]}, {place[1]:.4f} apart in a single run"
        if batch := near_tie(judge, theirs, at, rest, at_once=True):
            detail += f", {batch[1]:.4f} when llama.cpp evaluates all at once"
    return "different", f"{detail}; ours {ours.text!r}, theirs {theirs.text!r}"


def near_tie(
    judge: Judge, theirs: Theirs, at: int, rest: bytes, *, at_once: bool
) -> tuple[int, float] | None:
    """Return where ours may have left their tokens, and how far the two choices lie apart there.

    It is the closest such place: a token may begin with the text of another, so that ours leaves
    their tokens before the text shows it.
    """
    found = []
    every = judge.along(theirs.prompt, theirs.tokens[:at], at_once=at_once)
    for place, candidates in enumerate(every):
        token = theirs.tokens[place] if place < len(theirs.tokens) else None
        left = b"".join(theirs.pieces[place:at]) + rest
        mine = [each.below for each in candidates if each.token != token and judge.fits(each, left)]
        own = [each.below for each in candidates if each.token == token] if token else [0.0]
        if mine and own:
            found.append((place, max(mine[0], own[0])))
    return min(found, key=lambda each: each[1], default=None)


def by_command(model: Path, threads: int, question: str, most: int) -> str:
    """Return what the command prints."""
    command = [sys.executable, "-m", "localai", "ask", "-m", str(model), "--temp", "0"]
    command += ["-n", str(most), "--threads", str(threads), "--", question]
    # Every command starts a worker of its own here.
    environment = {**os.environ, "LOCALAI_WARM": "0"}
    done = subprocess.run(
        command, check=True, stdin=subprocess.DEVNULL, capture_output=True, env=environment
    )
    return done.stdout.decode()


def compare(model: Path, threads: int, most: int) -> Counter[str]:
    """Compare all conversations on one model; print what is not equal."""
    greedy = Sampling(temperature=0)
    found: Counter[str] = Counter()
    judge = Judge(model, threads)
    commands = 0
    with Server(model, threads) as server, Ours(model, threads) as engine:
        for number, messages in enumerate(conversations(), start=1):
            theirs = their_answer(server, messages, most)
            request = TextRequest(messages=messages, sampling=greedy, max_tokens=most)
            answer = engine.answer(request)
            word, detail = verdict(judge, answer, theirs)
            found[word] += 1
            if detail:
                print(f"  {number}: {word}: {detail}")
            if commands < BY_COMMAND and len(messages) == 1:
                commands += 1
                printed = by_command(model, threads, messages[0].content, most)
                same = printed.rstrip("\n") == answer.text.rstrip("\n")
                found["command equal" if same else "command different"] += 1
                if not same:
                    print(f"  {number}: the command printed {printed!r}, not {answer.text!r}")
    return found


def main() -> int:
    """Compare, print the counts, and return 1 if something is neither equal nor a near tie."""
    parser = argparse.ArgumentParser(description=__doc__, usage="%(prog)s [options] [MODEL ...]")
    parser.add_argument("models", nargs="*", default=["tiny", "135m"], metavar="MODEL")
    parser.add_argument("--type", default="q8_0", choices=sorted(TYPES), help="of a shape")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-n", "--max-tokens", type=int, default=48)
    options = parser.parse_args()
    rows, bad = [], 0
    for name in options.models:
        path = shape_file(name, options.type) if name in SHAPES else Path(name)
        model = TINY if name == "tiny" else path
        print(f"{model.name}: {len(conversations())} conversations, {options.max_tokens} tokens")
        found = compare(model, options.threads, options.max_tokens)
        wrong = found["different"] + found["prompt"] + found["command different"]
        rows.append([model.stem, found["equal"], found["near tie"], wrong, found["command equal"]])
        bad += wrong
    title = f"greedy answers against llama-server, {options.max_tokens} tokens, one run"
    show(title, ("model", "equal", "near tie", "wrong", "by command"), rows)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
