"""Sixteen streams at once from one process, ours against llama-server with as many slots.

    python -m tests.bench.streams [MODEL.gguf | 135m ...] [--streams 16] [--repetitions 5]

Each request is short and new, and makes 64 greedy tokens; when one ends the next begins. What
counts is all tokens by the time from the first request to the last token. Both sides stream.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from localai.types import Failed, Finished, Message, Sampling, TextRequest
from tests.bench.arguments import files, parser
from tests.bench.ours import Ours
from tests.bench.table import RATIOS, compared, show
from tests.bench.theirs import Server

BUDGET = ">= 1.0"


def questions(turn: int, count: int) -> list[str]:
    """Return short questions that nobody has asked before."""
    return [f"{turn}.{at}: name the colour of lamp {at * 37 % 101}." for at in range(count)]


def our_speed(engine: Ours, asked: list[str], streams: int, most: int) -> float:
    """Return our tokens a second."""
    pending = [
        TextRequest((Message("user", each),), sampling=Sampling(temperature=0), max_tokens=most)
        for each in reversed(asked)
    ]
    client = engine.client
    began, tokens = time.perf_counter(), 0
    running = {client.send(pending.pop()) for _ in range(streams)}
    while running:
        for name, event in client.receive():
            assert not isinstance(event, Failed), event
            if isinstance(event, Finished):
                assert event.usage is not None
                tokens += event.usage.answer_tokens
                running.discard(name)
                if pending:
                    running.add(client.send(pending.pop()))
    return tokens / (time.perf_counter() - began)


async def _one(server: Server, text: str, most: int) -> int:
    """Ask the server on a connection of its own and return the tokens of its answer."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    body = json.dumps(
        {
            "messages": [{"role": "user", "content": text}],
            "temperature": 0,
            "max_tokens": most,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    )
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    writer.write(
        f"{head}Content-Type: application/json\r\nConnection: close\r\n\r\n{body}".encode()
    )
    tokens = 0
    async for line in reader:
        if line.startswith(b"data: {") and b'"completion_tokens"' in line:
            tokens = int(json.loads(line[6:])["usage"]["completion_tokens"])
    writer.close()
    return tokens


async def _all(server: Server, asked: list[str], streams: int, most: int) -> int:
    pending = list(reversed(asked))

    async def stream() -> int:
        tokens = 0
        while pending:
            tokens += await _one(server, pending.pop(), most)
        return tokens

    return sum(await asyncio.gather(*(stream() for _ in range(streams))))


def their_speed(server: Server, asked: list[str], streams: int, most: int) -> float:
    """Return the server's tokens a second."""
    began = time.perf_counter()
    tokens = asyncio.run(_all(server, asked, streams, most))
    return tokens / (time.perf_counter() - began)


def measure(
    model: Path, threads: int, streams: int, most: int, count: int
) -> tuple[list[float], list[float]]:
    """Return the speeds of both sides; they take turns."""
    ours, theirs = [], []
    more = ("--parallel", str(streams), "--kv-unified")
    with Ours(model, threads) as engine, Server(model, threads, 512 * streams, more) as server:
        for turn in range(count + 1):
            asked = questions(turn, 2 * streams)
            pair = (
                our_speed(engine, asked, streams, most),
                their_speed(server, asked, streams, most),
            )
            if turn:  # the first reads the pages
                ours.append(pair[0])
                theirs.append(pair[1])
    return ours, theirs


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__, ["135m"], threads=2, repetitions=5)
    arguments.add_argument("--streams", type=int, default=16)
    arguments.add_argument("-n", "--max-tokens", type=int, default=64)
    options = arguments.parse_args()
    rows = []
    sizes = (options.threads, options.streams, options.max_tokens, options.repetitions)
    for model in files(options):
        rows.append(compared(model.stem, *measure(model, *sizes), BUDGET))
    title = (
        f"{options.streams} streams of {options.max_tokens} tokens, {options.threads} threads, "
        f"{options.repetitions} repetitions, taking turns; medians in tokens a second"
    )
    show(title, ("model", "ours", "llama-server", *RATIOS), rows)


if __name__ == "__main__":
    main()
