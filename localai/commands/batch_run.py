"""What `localai batch` does: rows, requests, the engine and the output put together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localai.commands import options
from localai.commands.open_engine import engine_for, spec_for
from localai.errors import BadInput, ExitCode, Interrupted, SomeFailed
from localai.formats.text import shown
from localai.terminal.console import Console

if TYPE_CHECKING:
    from localai.batch.options import OutputFile
    from localai.batch.output import OutputLayout
    from localai.batch.row_requests import RowRequests, RowTemplate
    from localai.batch.rows import BatchRow
    from localai.batch.run import BatchProgress, BatchRun, RowEngine
    from localai.batch.source import RowSource

_ENDPOINT_ROWS = 32  # that another server is asked at a time
_STREAM_WINDOW = 256  # rows; with more, the first would come late
_SOUND_WINDOW = 4  # rows whose sounds are heard before the first of them is asked


def opened(console: Console, name: str, given: dict[str, Any]) -> tuple[RowSource, BatchRow]:
    """Return the rows, and the first of them: what is wrong with it is wrong with all."""
    from localai.batch.source import open_source

    stdin = (
        os.fdopen(os.dup(0), "rb") if name == "-" and console.stdin.number() is not None else None
    )
    source = open_source(name, stdin, given["input_format"], given["limit"], _written(given))
    if (first := source.peek()) is None:
        raise BadInput("there is no row in the input", "localai batch --help says what a row is")
    if first.problem:
        raise BadInput(first.problem, "--input-format says what the input is")
    return source, first


def _written(given: dict[str, Any]) -> tuple[Path, ...]:
    """Return the files that the command itself writes."""
    from localai.batch.options import OutputFile
    from localai.batch.output import errors_file

    if given["output"] in (None, "-", ""):
        return ()
    path = Path(given["output"])
    return path, errors_file(path), OutputFile(path, False, False).journal


def _template(given: dict[str, Any]) -> RowTemplate:
    from localai.batch.row_requests import RowTemplate

    return RowTemplate.read(options.generation(given))


def _requests(
    given: dict[str, Any], template: RowTemplate, model: str, hear: Callable[[str], str] | None
) -> RowRequests:
    from localai.batch.row_requests import RowRequests

    return RowRequests(
        template,
        model,
        remote=bool(given["endpoint"]),
        image=given["image"],
        audio=given["audio"],
        hear=hear,
    )


def show_first(console: Console, given: dict[str, Any], first: BatchRow) -> int:
    """Print the first row's prompt, part by part."""
    template = _template(given)
    with _hearing(console, given) as hear:
        requests = _requests(given, template, "", hear)
        request = requests.job(first, requests.key(first)).request
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


def answer_rows(console: Console, given: dict[str, Any], source: RowSource, first: BatchRow) -> int:
    """Answer all rows with a model of this machine, or let another server do it."""
    from localai.batch.engine_rows import EngineRows
    from localai.batch.options import layout_for
    from localai.batch.places import places
    from localai.system.files import file_version

    if given["endpoint"]:
        return _run_elsewhere(console, given, source, first)
    template = _template(given)
    spec = spec_for(console, given, template.model, "vision" if given["image"] else "text")
    told = repr([file_version(file) for file in spec.files])
    layout = layout_for(given["form"], given["output"] or "", first, given["column"], spec.name)
    chosen = places(spec, given["concurrency"], pictures=bool(given["image"]))
    with _hearing(console, given) as hear, engine_for(console, given, chosen.spec) as engine:
        requests = _requests(given, template, told, hear)
        requests.job(first, requests.key(first))  # what is wrong with it is wrong with all
        console.talk(f"{spec.name}: {_rows(source)}, up to {chosen.sequences} at a time")
        answering = EngineRows(engine, spec.name, chosen.in_flight, console.warn)
        return _answer(console, given, source, requests, answering, layout)


@contextmanager
def _hearing(console: Console, given: dict[str, Any]) -> Iterator[Callable[[str], str] | None]:
    """Give what writes down the sounds of --audio, by a model of its own."""
    if not given["audio"]:
        yield None
        return
    from localai.batch.hearing import SoundReader

    # -m names the model that answers; `tiny` stands for all kinds.
    model = given["model"] if given["model"] == "tiny" else None
    spec = spec_for(console, {**given, "model": model}, role="hear")
    with engine_for(console, given, spec) as engine:
        yield SoundReader(engine, spec, given["language"]).text


def _run_elsewhere(
    console: Console, given: dict[str, Any], source: RowSource, first: BatchRow
) -> int:
    """Let another server answer."""
    from localai.batch.endpoint import parse_endpoint
    from localai.batch.endpoint_rows import EndpointRows, RowBodies
    from localai.batch.options import layout_for
    from localai.settings import endpoint_key

    if given["offline"]:
        raise BadInput("--endpoint asks another server, and --offline forbids it", "use one")
    if given["image"]:
        raise BadInput("--image goes with a model of this machine", "leave out --endpoint")
    template = _template(given)
    endpoint = parse_endpoint(given["endpoint"], endpoint_key())
    model = endpoint.model(given["model"])
    layout = layout_for(given["form"], given["output"] or "", first, given["column"], model)
    bodies = RowBodies(model, given["model"], template.said)
    most = given["concurrency"] or _ENDPOINT_ROWS
    console.talk(f"{shown(model)} at {endpoint.address}: {_rows(source)}, up to {most} at a time")
    with (
        _hearing(console, given) as hear,
        closing(EndpointRows(endpoint, bodies, most, console.warn)) as answering,
    ):
        told = repr((endpoint.address, model, given["model"]))
        requests = _requests(given, template, told, hear)
        requests.job(first, requests.key(first))
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
    from localai.batch.run import WINDOW, BatchRun, JournalStore, StreamStore
    from localai.terminal.output_file import output_to

    output = _output(given, layout)
    window = _SOUND_WINDOW if given["audio"] else WINDOW
    if output is None:
        store = StreamStore(layout, _writer(console, layout))
        run = BatchRun(source, requests, answering, store, layout, min(window, _STREAM_WINDOW))
        with output_to(console, given["output"], overwrite=True):
            _follow(console, given, run, "")
        _tell_left_out(console, layout)
        if run.failed:
            raise SomeFailed(f"{run.failed} of {run.rows} rows failed")
        return ExitCode.DONE
    with journal_for(output) as journal:
        kept = JournalStore(journal, layout, retry_failed=given["retry_failed"])
        run = BatchRun(source, requests, answering, kept, layout, window)
        _follow(console, given, run, "the same command goes on where it stopped")
        try:
            if more := finish(journal, output, layout, run.rows, run.failed):
                where = shown(output.journal.name)
                console.talk(f"{more} rows more that are answered stay in {where}")
        finally:
            _tell_left_out(console, layout)
            if given["as_json"]:
                told = {"rows": run.rows, "answered": run.answered, "failed": run.failed}
                console.write_json({**told, "output": str(output.path)})
    return ExitCode.DONE


def _tell_left_out(console: Console, layout: OutputLayout) -> None:
    if layout.left_out:
        names = ", ".join(shown(name) for name in sorted(layout.left_out))
        console.warn(f"CSV has the columns of the first row, and leaves out: {names}")


def _writer(console: Console, layout: OutputLayout) -> Callable[[str], None]:
    """Return what writes finished rows to stdout: to a terminal nothing that it would obey."""

    def write(text: str) -> None:
        shown_there = layout.harmless(text) if console.stdout.terminal else text
        console.write_bytes(shown_there.encode("utf-8", "backslashreplace"))

    return write


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
