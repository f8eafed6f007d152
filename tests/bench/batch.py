"""Two hundred prompts with one long prefix: `localai batch` against llama-server and a loop.

    python -m tests.bench.batch [MODEL.gguf | 135m ...] [--prefix 1000] [--repetitions 3]

Each prompt is the prefix and a question of its own, and makes 32 greedy tokens. Cold: the model is
loaded, and nothing is evaluated yet. Ours is the batch itself (rows of a file, journal and output)
on a worker of its own; llama-server has as many slots as we have sequences, one cache for all of
them, and a client that keeps every slot busy; the loop is `llama_cpp.Llama`, which keeps the
prefix of the prompt before. Budgets: at least 1.1 of the server's rows a second, 2.5 of the loop's.
Answers that differ between ours and single calls are counted: random weights have near ties, which
a batch of another size decides otherwise. A repetition takes ten minutes, most of it the server's.
What a batch gains over one stream grows with the model: two cores that are bound by memory at one
token a step are bound by computing at 32, and a small model's attention then costs the most.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import llama_cpp

from localai.batch.engine_rows import EngineRows
from localai.batch.journal import BatchJournal
from localai.batch.output import JsonLines, write_output
from localai.batch.places import places
from localai.batch.row_requests import RowRequests, RowTemplate
from localai.batch.run import BatchRun, JournalStore
from localai.batch.source import open_source
from localai.generation.build import GenerateOptions
from localai.pool.client import DedicatedClient
from localai.types import Message, ModelSpec, Sampling, TextRequest
from tests.bench.arguments import files, parser
from tests.bench.ours import Ours, words
from tests.bench.table import RATIOS, compared, show
from tests.bench.theirs import Server

SIDES = ("llama-server", "loop over Llama")
BUDGETS = (">= 1.1", ">= 2.5")


def prompts(count: int, prefix: int, turn: int) -> list[str]:
    """Return prompts with one prefix of so many tokens; another one each turn."""
    chance = random.Random(turn)
    shared = words(prefix, chance.randrange)
    return [f"{shared}\n\nQuestion {at}: {words(12, chance.randrange)}?" for at in range(count)]


def ours(model: Path, threads: int, asked: list[str], most: int) -> tuple[float, dict[str, str]]:
    """Return our seconds, and the answers."""
    spec = ModelSpec("text", (str(model),), model.stem, {"threads": threads})
    chosen = places(spec, None)
    options = GenerateOptions(temperature=0.0, max_tokens=most)
    with tempfile.TemporaryDirectory() as name, DedicatedClient(chosen.spec) as engine:
        folder = Path(name)
        source = folder / "rows.jsonl"
        source.write_text("".join(json.dumps({"id": each, "input": each}) + "\n" for each in asked))
        engine.wait()
        begin = time.perf_counter()
        journal = BatchJournal.open(folder / "out.jsonl.journal")
        layout = JsonLines()
        run = BatchRun(
            open_source(str(source), None, None, None),
            RowRequests(RowTemplate.read(options), "bench"),
            EngineRows(engine, "bench", chosen.in_flight, print),
            JournalStore(journal, layout, retry_failed=False),
            layout,
        )
        for _ in run.events():
            pass
        write_output(folder / "out.jsonl", layout, journal.in_order(run.rows))
        seconds = time.perf_counter() - begin
        journal.close()
        found = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert run.failed == 0 and len(found) == len(asked)
    return seconds, {each["id"]: each["answer"] for each in found}


async def _ask(server: Server, pending: list[str], most: int) -> None:
    """Ask one question after the other on one connection."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    while pending:
        message = {"role": "user", "content": pending.pop()}
        body = json.dumps({"messages": [message], "temperature": 0, "max_tokens": most})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\n\r\n{body}".encode())
        header = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in header.lower().split(b"\r\n") if b"content-length" in line]
        answer = await reader.readexactly(int(lengths[0].split(b":")[1]))
        assert b" 200 " in header.split(b"\r\n")[0], answer
    writer.close()


def theirs(
    model: Path, threads: int, asked: list[str], most: int, slots: int, context: int
) -> float:
    """Return the server's seconds."""
    more = ("--parallel", str(slots), "--kv-unified", "--batch-size", "2048", "--no-warmup")

    async def every(server: Server) -> None:
        pending = list(reversed(asked))
        await asyncio.gather(*(_ask(server, pending, most) for _ in range(slots)))

    with Server(model, threads, context, more) as server:
        begin = time.perf_counter()
        asyncio.run(every(server))
        return time.perf_counter() - begin


def loop(model: Path, threads: int, asked: list[str], most: int) -> float:
    """Return the seconds of a loop over the library's own class."""
    llama = llama_cpp.Llama(
        str(model),
        n_ctx=4096,
        n_batch=512,
        n_threads=threads,
        n_threads_batch=threads,
        verbose=False,
    )
    begin = time.perf_counter()
    for each in asked:
        message: Any = {"role": "user", "content": each}
        llama.create_chat_completion([message], temperature=0, max_tokens=most)
    return time.perf_counter() - begin


def differences(model: Path, threads: int, answers: dict[str, str], most: int) -> int:
    """Return how many answers differ from those of single calls (each a near tie, or a defect)."""
    different = 0
    with Ours(model, threads) as engine:
        for prompt, text in answers.items():
            request = TextRequest(
                (Message("user", prompt),), sampling=Sampling(temperature=0), max_tokens=most
            )
            different += engine.answer(request).text.rstrip("\n") != text
    return different


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__, ["135m"], threads=2, repetitions=3)
    arguments.add_argument("--rows", type=int, default=200)
    arguments.add_argument("--prefix", type=int, default=1000)
    arguments.add_argument("--slots", type=int, default=32)
    arguments.add_argument("-n", "--max-tokens", type=int, default=32)
    arguments.add_argument("--no-loop", action="store_true", help="leave the loop out")
    arguments.add_argument("--no-server", action="store_true", help="leave llama-server out")
    options = arguments.parse_args()
    count, most, threads = options.rows, options.max_tokens, options.threads
    for model in files(options):
        mine, servers, loops = [], [], []
        answers: dict[str, str] = {}
        for turn in range(options.repetitions):
            asked = prompts(count, options.prefix, turn)
            seconds, answers = ours(model, threads, asked, most)
            mine.append(count / seconds)
            if not options.no_server:
                context = (options.prefix + 128 + most) * options.slots
                served = theirs(model, threads, asked, most, options.slots, context)
                servers.append(count / served)
            if not options.no_loop:
                loops.append(count / loop(model, threads, asked, most))
        different = differences(model, threads, dict(list(answers.items())[:50]), most)
        title = (
            f"{model.stem}: {count} prompts of one {options.prefix}-token prefix, {most} tokens each, "
            f"{options.slots} slots, {threads} threads, {options.repetitions} repetitions; rows a second; "
            f"{different} of 50 answers differ from single calls"
        )
        rows = [
            compared(name, mine, other, budget)
            for name, other, budget in zip(SIDES, (servers, loops), BUDGETS, strict=True)
            if other
        ]
        show(title, ("against", "ours", "theirs", *RATIOS), rows)


if __name__ == "__main__":
    main()
