"""`localai batch`: many prompts to many answers, which are never lost and never asked twice."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.commands import options
from localai.commands.click_ext import command, option
from localai.commands.open_engine import engine_for, spec_for
from localai.commands.params import BoundedNumber
from localai.errors import BadInput, ExitCode, Interrupted, SomeFailed
from localai.formats.text import shown
from localai.terminal.console import Console

if TYPE_CHECKING:
    from localai.batch.options import OutputFile
    from localai.batch.output import OutputLayout
    from localai.batch.row_requests import RowRequests
    from localai.batch.rows import BatchRow
    from localai.batch.run import BatchProgress, BatchRun, RowEngine
    from localai.batch.source import RowSource

_ENDPOINT_ROWS = 32  # that another server is asked at a time
_STREAM_WINDOW = 256  # rows; with more, the first would come late


@command(context_settings={"max_content_width": 100})
@click.argument("source", metavar="INPUT", required=False)
@option(
    "-o", "--output", metavar="FILE", help="Write there; - is stdout, in order as rows finish. [-]"
)
@option("--force", is_flag=True, help="Overwrite the file of -o.")
@option(
    "-F",
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    help="Format of the output. [by its name]",
)
@option(
    "--input-format",
    type=click.Choice(["jsonl", "csv", "text"]),
    help="Format of the input. [by its name]",
)
@option(
    "--column", default="answer", metavar="NAME", help="Of CSV: the column that is added. [answer]"
)
@option("--limit", type=BoundedNumber(1), metavar="N", help="Only the first N rows.")
@option("--dry-run", is_flag=True, help="Print the first row's whole prompt and ask nothing.")
@option("--retry-failed", is_flag=True, help="Do the rows again that failed before.")
@option(
    "--concurrency",
    type=BoundedNumber(1, 256),
    metavar="N",
    help="Rows that are answered at a time.",
)
@option(
    "--endpoint",
    metavar="URL",
    help="Let another server answer (vLLM, llama-server); its key: LOCALAI_API_KEY.",
)
@options.model
@option(
    "-p",
    "--prompt",
    "prompt_file",
    metavar="NAME",
    help="A prompt file; a row's columns are its variables.",
)
@option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable of the prompt file; VALUE may be @FILE.",
)
@options.character
@option("-s", "--system", metavar="TEXT", help="System text: who the model is.")
@option("--raw", is_flag=True, help="Continue the text, without a chat template.")
@option(
    "--think",
    type=click.Choice(["auto", "off"]),
    default="auto",
    help="Thinking: as the model likes, or off.",
)
@option(
    "--truncate",
    type=click.Choice(["head", "middle", "tail"]),
    help="Cut this part of a row that is too long.",
)
@options.constraints
@options.sampling
@options.engine
@options.talk
@click.pass_context
def batch(ctx: click.Context, /, **given: Any) -> int:
    """Answer every row of INPUT: JSON lines, CSV, a text with a prompt a line, a folder, or stdin.

    A row's prompt is its column `input` (or `prompt`, `text`, `question`, or its only one), a
    conversation in `messages`, or what -p makes of its columns. Answers come in the input's order,
    as JSON lines (id, answer, finish_reason, usage, seed, error) or as CSV with a column added.
    OpenAI's batch files are read and written as they are, failures to FILE.errors.

    What is finished is kept in FILE.journal: after Ctrl-C, a crash or a power cut the same command
    goes on where it stopped. A row that fails says why and does not stop the others (exit 6).

    \b
    Examples:
      localai batch questions.jsonl -o answers.jsonl
      localai batch mails.csv -o sorted.csv -p sentiment
      localai batch names.txt --limit 5 --schema "name, born int"
      ls *.md | localai batch -
    """  # noqa: D301 (click reads the \b)
    console: Console = ctx.obj
    options.apply(console, given)
    name = given["source"]
    if name is None:
        if console.stdin.terminal:
            raise BadInput("there is no input", "localai batch FILE -o OUT, or - for stdin")
        name = "-"
    source, first = _opened(console, name, given)
    if given["dry_run"]:
        return _show_first(console, given, first)
    return _run(console, given, source, first)


def _opened(console: Console, name: str, given: dict[str, Any]) -> tuple[RowSource, BatchRow]:
    """Return the rows, and the first of them: what is wrong with it is wrong with all."""
    from localai.batch.source import open_source

    stdin = (
        os.fdopen(os.dup(0), "rb") if name == "-" and console.stdin.number() is not None else None
    )
    source = open_source(name, stdin, given["input_format"], given["limit"])
    if (first := source.peek()) is None:
        raise BadInput("there is no row in the input", "localai batch --help says what a row is")
    if first.problem:
        raise BadInput(first.problem, "--input-format says what the input is")
    return source, first


def _requests(given: dict[str, Any], model: str) -> RowRequests:
    from localai.batch.row_requests import RowRequests

    return RowRequests(options.generation(given), model, remote=bool(given["endpoint"]))


def _show_first(console: Console, given: dict[str, Any], first: BatchRow) -> int:
    """Print the first row's prompt, part by part."""
    request = _requests(given, "").job(first).request
    if request.raw is not None:
        console.write_line(request.raw)
        return ExitCode.DONE
    parts = [f"[{message.role}]\n{message.content}" for message in request.messages]
    console.write_line("\n\n".join(parts))
    if request.constraint:
        console.talk(
            f"the answer is held to: {request.constraint.kind} {request.constraint.source}"
        )
    return ExitCode.DONE


def _run(console: Console, given: dict[str, Any], source: RowSource, first: BatchRow) -> int:
    from localai.batch.engine_rows import EngineRows
    from localai.batch.options import layout_for
    from localai.batch.places import places
    from localai.system.files import file_version

    if given["endpoint"]:
        return _run_elsewhere(console, given, source, first)
    drafts = _requests(given, "")
    own = (drafts.prompt and drafts.prompt.model) or (drafts.card and drafts.card.model) or ""
    spec = spec_for(console, given, own)
    requests = _requests(given, repr([file_version(file) for file in spec.files]))
    requests.job(first)  # what is wrong with it is told before anything is loaded
    layout = layout_for(given["form"], given["output"] or "", first, given["column"], spec.name)
    chosen = places(spec, given["concurrency"])
    console.talk(f"{spec.name}: {_rows(source)}, up to {chosen.sequences} at a time")
    with engine_for(console, given, chosen.spec) as engine:
        answering = EngineRows(engine, spec.name, chosen.in_flight, console.warn)
        return _answer(console, given, source, requests, answering, layout)


def _run_elsewhere(
    console: Console, given: dict[str, Any], source: RowSource, first: BatchRow
) -> int:
    """Let another server answer."""
    from localai.batch.endpoint import parse_endpoint
    from localai.batch.endpoint_rows import EndpointRows
    from localai.batch.options import layout_for
    from localai.settings import endpoint_key

    if given["offline"]:
        raise BadInput("--endpoint asks another server, and --offline forbids it", "use one")
    endpoint = parse_endpoint(given["endpoint"], endpoint_key())
    model = endpoint.model(given["model"])
    requests = _requests(given, f"{endpoint.address} {model}")
    requests.job(first)
    layout = layout_for(given["form"], given["output"] or "", first, given["column"], model)
    most = given["concurrency"] or _ENDPOINT_ROWS
    console.talk(f"{shown(model)} at {endpoint.address}: {_rows(source)}, up to {most} at a time")
    with closing(EndpointRows(endpoint, model, most, console.warn)) as answering:
        return _answer(console, given, source, requests, answering, layout)


def _answer(
    console: Console,
    given: dict[str, Any],
    source: RowSource,
    requests: RowRequests,
    answering: RowEngine,
    layout: OutputLayout,
) -> int:
    """Answer all rows into a file or to stdout."""
    from localai.batch.options import finish, journal_for
    from localai.batch.run import BatchRun, JournalStore, StreamStore
    from localai.terminal.output_file import output_to

    output = _output(given, layout)
    if output is None:
        write = lambda text: console.write_bytes(text.encode("utf-8", "backslashreplace"))  # noqa: E731
        store = StreamStore(layout, write)
        run = BatchRun(source, requests, answering, store, layout, _STREAM_WINDOW)
        with output_to(console, given["output"], overwrite=True):
            _follow(console, given, run, "")
        if run.failed:
            raise SomeFailed(f"{run.failed} of {run.rows} rows failed")
        return ExitCode.DONE
    with journal_for(output) as journal:
        kept = JournalStore(journal, retry_failed=given["retry_failed"])
        run = BatchRun(source, requests, answering, kept, layout)
        _follow(console, given, run, "the same command goes on where it stopped")
        finish(journal, output, layout, run.rows, run.failed)
    return ExitCode.DONE


def _output(given: dict[str, Any], layout: OutputLayout) -> OutputFile | None:
    """Return the file of -o; None: stdout, a pipe or a device, which are written as rows finish."""
    from localai.batch.options import OutputFile
    from localai.batch.output import errors_file

    name = given["output"]
    if name in (None, "-"):
        return None
    if name == "":
        raise BadInput("-o names no file", "-o FILE")
    path = Path(os.path.realpath(name))
    if path.exists() and not (path.is_file() or path.is_dir()):
        return None
    apart = errors_file(path) if layout.keeps_apart else None
    return OutputFile(path, given["force"], given["retry_failed"], apart)


def _follow(console: Console, given: dict[str, Any], run: BatchRun, hint: str) -> None:
    """Let a batch run, and show how far it is."""
    from localai.terminal.rows_progress import RowsProgress

    begin = time.monotonic()
    try:
        with RowsProgress(console) as line:
            for event in run.events():
                line.update(event.done, event.total, event.failed, event.answered)
    except KeyboardInterrupt:
        done = run.progress()
        of = f" of {done.total}" if done.total else ""
        raise Interrupted(f"stopped after {done.done}{of} rows", hint) from None
    if given["stats"]:
        console.talk(_stats(run.progress(), time.monotonic() - begin))


def _rows(source: RowSource) -> str:
    count = source.total
    return "rows as they come" if count is None else f"{count} row{'s' * (count != 1)}"


def _stats(progress: BatchProgress, seconds: float) -> str:
    rate = progress.answered / seconds if seconds else 0.0
    tokens = progress.answer_tokens / seconds if seconds else 0.0
    return (
        f"{progress.answered} rows in {seconds:.1f} s: {rate:.1f} rows/s, {tokens:.0f} tokens/s; "
        f"{progress.failed} failed"
    )
