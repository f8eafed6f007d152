"""A hundred pictures described in one call, against llama-server with the projector and one client.

    python -m tests.bench.pictures [--count 100] [--repetitions 5]

The tiny vision model on both sides, the same PNG files, the same question, greedy, at most 60
tokens. Ours is one warm `describe-image` from the start of the process to its end; theirs is a
client that sends one file after the other over one address, encoded as the server wants it before
the clock starts.
"""

from __future__ import annotations

import argparse
import base64
import random
import tempfile
import time
from pathlib import Path

from PIL import Image

from localai.captioning.tasks import CAPTION
from localai.catalog.names import TINY_VISION
from localai.catalog.projectors import beside
from tests.bench.command import Command
from tests.bench.table import RATIOS, compared, show
from tests.bench.theirs import Server
from tests.tiny.vision_pictures import draw

BUDGET = ">= 1.0"
SIZE = 224  # pixels a side
MOST = 60  # tokens of an answer
REST = 0.1  # seconds


def by_server(server: Server, pictures: list[str]) -> tuple[float, list[str]]:
    """Return how many pictures a second the server describes, and what it says."""
    began, told = time.perf_counter(), []
    for picture in pictures:
        url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
        question = {"type": "text", "text": CAPTION.question}
        messages = [{"role": "user", "content": [url, question]}]
        body = {"messages": messages, "temperature": 0, "max_tokens": MOST}
        made = server.post("/v1/chat/completions", body)
        told.append(made["choices"][0]["message"]["content"].strip())
    return len(pictures) / (time.perf_counter() - began), told


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Pictures against llama-server.")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    projector = beside(TINY_VISION)
    assert projector is not None
    more = ["--mmproj", str(projector), "--jinja", "--no-mmproj-offload"]
    flags = ("-m", "tiny", "-n", str(MOST), "--threads", str(options.threads))
    ours: list[float] = []
    theirs: list[float] = []
    same = 0
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{at:03}.png") for at in range(options.count)]
        r = random.Random(1)
        for path in files:
            Image.fromarray(draw(r, SIZE).pixels).save(path)
        sent = [base64.b64encode(path.read_bytes()).decode() for path in files]
        with Command() as command, Server(TINY_VISION, options.threads, 4096, more) as server:
            for turn in range(options.repetitions + 1):
                time.sleep(REST)
                spent, printed = command.run("describe-image", *flags, *map(str, files))
                time.sleep(REST)
                speed, told = by_server(server, sent)
                if turn:  # the first loads the model and reads its pages
                    ours.append(options.count / spent)
                    theirs.append(speed)
                said = [line.partition("\t")[2] for line in printed.splitlines()]
                same = sum(a == b for a, b in zip(said, told, strict=True))
    title = (
        f"{options.count} pictures of {SIZE} x {SIZE}, {options.threads} threads, "
        f"{options.repetitions} repetitions, taking turns; medians in pictures a second; "
        f"{same} of {options.count} answers alike"
    )
    rows = [compared("tiny-vision", ours, theirs, BUDGET)]
    show(title, ("model", "ours", "llama-server", *RATIOS), rows)


if __name__ == "__main__":
    main()
